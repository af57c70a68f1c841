"""England and Wales: civil procedure and limitation. The day of the event is left out (CPR 2.8)."""

from __future__ import annotations

from app.catalogue.due_rules import Roll, days, months, working_days, years
from app.catalogue.statutes.shape import Family, StatutoryRule
from app.catalogue.statutes.uk_company import uk_rule

_CPR_OFFICE = "CPR 2.8(5)"
SERVED = "the day the particulars of claim are served"
RULES = (
    uk_rule(
        "CPR-6.14",
        "Deemed service of a claim form",
        "the day of the step in CPR 7.5",
        working_days(2),
        source="CPR 6.14",
    ),
    uk_rule(
        "CPR-7.5",
        "Service of a claim form in the jurisdiction",
        "the day of issue",
        months(4),
        source="CPR 7.5(1)",
        aliases=("CPR-SERVICE",),
    ),
    uk_rule(
        "CPR-7.5-OUT",
        "Service of a claim form out of the jurisdiction",
        "the day of issue",
        months(6),
        source="CPR 7.5(2)",
    ),
    uk_rule(
        "CPR-7.4",
        "Service of particulars of claim",
        "the day the claim form is served",
        days(14),
        source="CPR 7.4(1)",
    ),
    uk_rule(
        "CPR-10.3",
        "Acknowledgment of service",
        SERVED,
        days(14),
        roll=Roll.NEXT,
        source=f"CPR 10.3(1), {_CPR_OFFICE}",
        aliases=("CPR-AOS", "CPR-ACKNOWLEDGMENT", "CPR-ACKNOWLEDGEMENT"),
    ),
    uk_rule(
        "CPR-15.4-14",
        "Defence without an acknowledgment of service",
        SERVED,
        days(14),
        roll=Roll.NEXT,
        source=f"CPR 15.4(1)(a), {_CPR_OFFICE}",
        aliases=("CPR-DEFENCE", "CPR-15.4"),
    ),
    uk_rule(
        "CPR-15.4-28",
        "Defence after an acknowledgment of service",
        SERVED,
        days(28),
        roll=Roll.NEXT,
        source=f"CPR 15.4(1)(b), {_CPR_OFFICE}",
        aliases=("CPR-DEFENCE-AOS", "CPR-DEFENCE-28"),
    ),
    uk_rule(
        "CPR-52.12",
        "Appellant's notice",
        "the day of the decision",
        days(21),
        roll=Roll.NEXT,
        source=f"CPR 52.12(2)(b), {_CPR_OFFICE}",
        aliases=("CPR-APPEAL",),
    ),
    uk_rule(
        "LIMITATION-CONTRACT",
        "Claim in contract or tort",
        "the day the cause of action accrued",
        years(6),
        roll=Roll.NEXT,
        source="Limitation Act 1980 s. 2, 5; Pritam Kaur v S Russell [1973] QB 336",
    ),
    uk_rule(
        "LIMITATION-INJURY",
        "Claim for personal injury",
        "the day of accrual or knowledge",
        years(3),
        roll=Roll.NEXT,
        source="Limitation Act 1980 s. 11; Pritam Kaur v S Russell [1973] QB 336",
    ),
)


def _civil_days(code: str, count: int) -> StatutoryRule:
    """Five days or fewer leave out weekends and bank holidays."""
    step, source = (
        (working_days(count), "CPR 2.8(2), 2.8(4)") if count <= 5 else (days(count), f"CPR 2.8(2), {_CPR_OFFICE}")
    )
    return uk_rule(
        code.removeprefix("UK-"),
        f"{count} days after an event, at the court office",
        "the day of the event",
        step,
        roll=Roll.NEXT,
        source=source,
    )


FAMILIES = (Family(r"UK-CPR-(\d{1,3})D", "UK-CPR-<n>d", "UK-CPR-14d", _civil_days, most=366),)
