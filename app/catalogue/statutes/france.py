"""France: taxes, social declarations and annual accounts."""

from __future__ import annotations

from app.catalogue.due_rules import Roll, Step, day, days, month_day, months, working_days
from app.catalogue.statutes.shape import Earlier, Family, StatutoryRule

CLOSE = "the last day of the financial year"
MONTH = "the last day of the month or quarter"


def _french(
    code: str,
    title: str,
    trigger: str,
    *steps: Step,
    source: str,
    roll: Roll = Roll.NEXT,
    note: str = "",
    exceptions: tuple[Earlier, ...] = (),
    aliases: tuple[str, ...] = (),
) -> StatutoryRule:
    return StatutoryRule(
        f"FR-{code}",
        title,
        trigger,
        steps,
        source,
        "FR",
        roll,
        note=note,
        exceptions=exceptions,
        aliases=tuple(f"FR-{alias}" for alias in aliases),
    )


_YEAR_ENDS_31_DECEMBER = (12, 31)
RULES = (
    _french(
        "LIASSE",
        "Results and tax schedules (liasse fiscale)",
        CLOSE,
        months(3, keep_month_end=True),
        source="CGI art. 175, 223",
        note="A year that ends on 31 December: the second working day after 1 May.",
        exceptions=(Earlier((month_day("05-01"), working_days(2)), month_day=_YEAR_ENDS_31_DECEMBER),),
    ),
    _french(
        "LIASSE-EDI",
        "Results and tax schedules sent electronically, 15 days more",
        CLOSE,
        months(3, keep_month_end=True),
        days(15),
        roll=Roll.NONE,
        source="CGI art. 175, 223; BOI-BIC-DECLA-30-60",
        exceptions=(Earlier((month_day("05-01"), working_days(2), days(15)), month_day=_YEAR_ENDS_31_DECEMBER),),
        aliases=("LIASSE-TELE",),
    ),
    _french(
        "IS-SOLDE",
        "Balance of corporation tax",
        CLOSE,
        months(4),
        day(15),
        source="CGI art. 1668(2)",
        aliases=("IS",),
        exceptions=(Earlier((month_day("05-15"),), month_day=_YEAR_ENDS_31_DECEMBER),),
    ),
    _french(
        "IS-ACOMPTE",
        "Corporation tax instalment",
        "any day; the next payment date on or after it",
        month_day("03-15", "06-15", "09-15", "12-15"),
        source="CGI art. 1668(1)",
    ),
    _french(
        "CFE",
        "Business property contribution",
        "a day in the year",
        month_day("12-15"),
        source="CGI art. 1679 quinquies",
    ),
    _french(
        "DSN-5",
        "Social declaration, 50 employees or more",
        "the last day of the month",
        months(1),
        day(5),
        source="CSS art. R243-6",
    ),
    _french(
        "DSN-15",
        "Social declaration, fewer than 50 employees",
        "the last day of the month",
        months(1),
        day(15),
        source="CSS art. R243-6",
        aliases=("DSN",),
    ),
    _french(
        "AGO",
        "Annual general meeting approves the accounts",
        CLOSE,
        months(6, keep_month_end=True),
        roll=Roll.NONE,
        source="Code de commerce art. L223-26, L225-100",
    ),
    _french(
        "DEPOT",
        "Accounts deposited with the registry, on paper",
        "the day of approval",
        months(1),
        roll=Roll.NONE,
        source="Code de commerce art. L232-22, L232-23",
    ),
    _french(
        "DEPOT-EDI",
        "Accounts deposited with the registry, electronically",
        "the day of approval",
        months(2),
        roll=Roll.NONE,
        source="Code de commerce art. L232-22, L232-23",
    ),
    _french(
        "APPEL",
        "Appeal in civil matters",
        "the day of notification",
        months(1),
        source="Code de procédure civile art. 538, 641, 642",
    ),
)

FAMILIES = (
    Family(
        r"FR-TVA-(1[5-9]|2[0-4])",
        "FR-TVA-<day>",
        "FR-TVA-19",
        lambda code, count: _french(
            code.removeprefix("FR-"),
            f"Monthly or quarterly VAT return, businesses assigned the {count}th",
            MONTH,
            months(1),
            day(count),
            source="CGI art. 287; CGI annexe IV art. 39",
            note="The day, 15 to 24, goes by the form of the business, its seat and its registration number.",
        ),
    ),
)
