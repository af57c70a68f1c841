"""United States federal courts and the patent office. The day of the event is left out, every day counts,
and a last day on a Saturday, Sunday or legal holiday runs on to the next day that is none (FRCP 6(a)(1))."""

from __future__ import annotations

from app.catalogue.due_rules import Roll, Step, days, months, roll_to, years
from app.catalogue.statutes.shape import Family, StatutoryRule

SERVED = "the day of service"
ENTERED = "the day the judgment or order was entered"
LOCAL_HOLIDAYS = (
    "Counted forward, a holiday of the state where the court sits moves the last day too (FRCP 6(a)(6)(C))."
)
RULE_6 = "FRCP 6(a)(1)"


def _court(
    code: str, title: str, trigger: str, *steps: Step, source: str, aliases: tuple[str, ...] = ()
) -> StatutoryRule:
    return StatutoryRule(
        f"US-{code}",
        title,
        trigger,
        steps,
        source,
        "US-FED",
        Roll.NEXT,
        note=LOCAL_HOLIDAYS,
        aliases=tuple(f"US-{alias}" for alias in aliases),
    )


def _patent(code: str, title: str, trigger: str, *steps: Step, source: str) -> StatutoryRule:
    return StatutoryRule(f"US-PTO-{code}", title, trigger, steps, f"{source}; 35 USC 21(b)", "US-DC", Roll.NEXT)


RULES = (
    _court(
        "FRCP6-FWD",
        "Ten days after an event",
        "the day of the event",
        days(10),
        source=RULE_6,
        aliases=("FRCP6-FORWARD",),
    ),
    StatutoryRule(
        "US-FRCP6-BWD",
        "Ten days before an event",
        "the day of the event",
        (days(-10),),
        "FRCP 6(a)(1), 6(a)(5)",
        "US-FED",
        Roll.PREVIOUS,
        aliases=("US-FRCP6-BACK", "US-FRCP6-BACKWARD", "US-FRCP6-BKWD", "US-FRCP6-REV"),
    ),
    _court(
        "FRCP4M",
        "Serve the summons and complaint",
        "the day the complaint was filed",
        days(90),
        source="FRCP 4(m), 6(a)(1)",
    ),
    _court(
        "FRCP12-ANSWER",
        "Answer a complaint",
        SERVED,
        days(21),
        source="FRCP 12(a)(1)(A)(i), 6(a)(1)",
        aliases=("FRCP12", "ANSWER"),
    ),
    _court(
        "FRCP12-WAIVER",
        "Answer after service was waived",
        "the day the request for a waiver was sent",
        days(60),
        source="FRCP 12(a)(1)(A)(ii), 6(a)(1)",
    ),
    _court(
        "FRCP12-US",
        "Answer by the United States",
        "the day of service on the United States attorney",
        days(60),
        source="FRCP 12(a)(2), 6(a)(1)",
    ),
    _court(
        "FRCP12-COUNTERCLAIM",
        "Answer a counterclaim or crossclaim",
        SERVED,
        days(21),
        source="FRCP 12(a)(1)(B), 6(a)(1)",
    ),
    _court(
        "FRCP15",
        "Amend a pleading once as a matter of course",
        SERVED,
        days(21),
        source="FRCP 15(a)(1), 6(a)(1)",
    ),
    _court(
        "FRCP23F",
        "Petition to appeal a class certification order",
        ENTERED,
        days(14),
        source="FRCP 23(f), 6(a)(1)",
    ),
    _court(
        "FRCP26-DISCLOSURE",
        "Initial disclosures",
        "the day of the Rule 26(f) conference",
        days(14),
        source="FRCP 26(a)(1)(C), 6(a)(1)",
        aliases=("FRCP26A1",),
    ),
    _court("FRCP33", "Answers to interrogatories", SERVED, days(30), source="FRCP 33(b)(2), 6(a)(1)"),
    _court("FRCP34", "Response to a request for production", SERVED, days(30), source="FRCP 34(b)(2)(A), 6(a)(1)"),
    _court("FRCP36", "Response to a request for admission", SERVED, days(30), source="FRCP 36(a)(3), 6(a)(1)"),
    _court(
        "FRCP38",
        "Demand for a jury trial",
        "the day the last pleading was served",
        days(14),
        source="FRCP 38(b)(1), 6(a)(1)",
    ),
    _court(
        "FRCP50B",
        "Renewed motion for judgment as a matter of law",
        ENTERED,
        days(28),
        source="FRCP 50(b), 6(a)(1)",
    ),
    _court("FRCP54D", "Motion for attorney's fees", ENTERED, days(14), source="FRCP 54(d)(2)(B), 6(a)(1)"),
    _court(
        "FRCP59",
        "Motion for a new trial or to alter a judgment",
        ENTERED,
        days(28),
        source="FRCP 59(b), 59(e), 6(a)(1)",
    ),
    _court(
        "FRCP72",
        "Objections to a magistrate judge's order",
        SERVED,
        days(14),
        source="FRCP 72(a), 72(b)(2), 6(a)(1)",
    ),
    _court("REMOVAL", "Notice of removal", SERVED, days(30), source="28 USC 1446(b); FRCP 6(a)(1)"),
    _court(
        "FRAP4-CIVIL",
        "Notice of appeal in a civil case",
        ENTERED,
        days(30),
        source="FRAP 4(a)(1)(A), 26(a)",
        aliases=("FRAP4", "APPEAL", "FRAP4-30D"),
    ),
    _court(
        "FRAP4-US",
        "Notice of appeal where the United States is a party",
        ENTERED,
        days(60),
        source="FRAP 4(a)(1)(B), 26(a)",
        aliases=("FRAP4-60D",),
    ),
    _court(
        "FRAP4-CRIMINAL",
        "Notice of appeal by a defendant in a criminal case",
        ENTERED,
        days(14),
        source="FRAP 4(b)(1)(A), 26(a)",
        aliases=("FRAP4-14D",),
    ),
    _court("FRBP8002", "Notice of appeal in bankruptcy", ENTERED, days(14), source="FRBP 8002(a)(1), 9006(a)"),
    _court(
        "SCOTUS-CERT",
        "Petition for certiorari",
        ENTERED,
        days(90),
        source="28 USC 2101(c); S. Ct. Rules 13.1, 30.1",
    ),
    _patent(
        "OA",
        "Reply to an office action, shortened period",
        "the date of the office action",
        months(3),
        source="37 CFR 1.134",
    ),
    _patent(
        "OA-MAX",
        "Reply to an office action, last day with extensions",
        "the date of the office action",
        months(6),
        source="35 USC 133; 37 CFR 1.136(a)",
    ),
    _patent(
        "CONVENTION",
        "Application claiming foreign priority",
        "the priority date",
        months(12),
        source="35 USC 119(a)",
    ),
    _patent(
        "PROVISIONAL",
        "Application claiming a provisional",
        "the date of the provisional",
        months(12),
        source="35 USC 119(e)(1), (3)",
    ),
    _patent(
        "NATIONAL-STAGE",
        "Entry of the national stage",
        "the priority date",
        months(30),
        source="37 CFR 1.495",
    ),
    _patent("ISSUE-FEE", "Issue fee", "the date of the notice of allowance", months(3), source="35 USC 151"),
    _patent(
        "MAINTENANCE-1",
        "First maintenance fee",
        "the date of grant",
        months(42),
        source="35 USC 41(b); 37 CFR 1.362",
    ),
    _patent(
        "MAINTENANCE-2",
        "Second maintenance fee",
        "the date of grant",
        months(90),
        source="35 USC 41(b); 37 CFR 1.362",
    ),
    _patent(
        "MAINTENANCE-3",
        "Third maintenance fee",
        "the date of grant",
        months(138),
        source="35 USC 41(b); 37 CFR 1.362",
    ),
    _patent(
        "TM-OA",
        "Response to a trademark office action",
        "the date of the office action",
        months(3),
        source="37 CFR 2.62(a)",
    ),
    _patent(
        "TM-SOU",
        "Statement of use",
        "the date of the notice of allowance",
        months(6),
        source="15 USC 1051(d)(1)",
    ),
    _patent(
        "TM-8",
        "Declaration of use, sixth year",
        "the date of registration",
        years(6),
        source="15 USC 1058(a)(1)",
    ),
)


def _after(code: str, count: int) -> StatutoryRule:
    return _court(
        code.removeprefix("US-"),
        f"{count} days after an event",
        "the day of the event",
        days(count),
        source=RULE_6,
    )


def _before(code: str, count: int) -> StatutoryRule:
    return StatutoryRule(
        code,
        f"{count} days before an event",
        "the day of the event",
        (days(-count),),
        "FRCP 6(a)(1), 6(a)(5)",
        "US-FED",
        Roll.PREVIOUS,
    )


def _by_mail(code: str, count: int) -> StatutoryRule:
    return _court(
        code.removeprefix("US-"),
        f"{count} days after service by mail, and three more",
        "the day of mailing",
        days(count),
        roll_to(Roll.NEXT),
        days(3),
        source="FRCP 6(d), 6(a)(1)",
    )


FAMILIES = (
    Family(r"US-FRCP6-(\d{1,4})D?", "US-FRCP6-<n>d", "US-FRCP6-21d", _after),
    Family(r"US-FRCP6-(\d{1,4})D?-(?:FWD|FORWARD|AFTER)", "US-FRCP6-<n>d-after", "US-FRCP6-10d-after", _after),
    Family(
        r"US-FRCP6-(\d{1,4})D?-(?:BWD|BKWD|BACK|BACKWARD|BEFORE)",
        "US-FRCP6-<n>d-before",
        "US-FRCP6-14d-before",
        _before,
    ),
    Family(r"US-FRCP6-(\d{1,4})D?-MAIL", "US-FRCP6-<n>d-mail", "US-FRCP6-30d-mail", _by_mail),
)
