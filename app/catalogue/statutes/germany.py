"""Germany: taxes and annual accounts. A Saturday, Sunday or holiday moves a date on (AO § 108(3))."""

from __future__ import annotations

from datetime import date

from app.catalogue.due_rules import Roll, Step, day, days, month_day, month_end, months
from app.catalogue.statutes.shape import YEAR_END, Earlier, StatutoryRule

CLOSE = "the last day of the financial year"
MONTH = "the last day of the month or quarter"


def _german(
    code: str,
    title: str,
    trigger: str,
    *steps: Step,
    source: str,
    roll: Roll = Roll.NEXT,
    aliases: tuple[str, ...] = (),
    exceptions: tuple[Earlier, ...] = (),
    note: str = "",
) -> StatutoryRule:
    rolled = f"{source}; AO § 108(3)" if roll is Roll.NEXT else source
    return StatutoryRule(
        f"DE-{code}",
        title,
        trigger,
        steps,
        rolled,
        "DE",
        roll,
        note=note,
        exceptions=exceptions,
        aliases=tuple(f"DE-{alias}" for alias in aliases),
    )


def _for_year(year: int, *steps: Step) -> Earlier:
    """The dates moved for the years of the pandemic, each by a little less."""
    return Earlier(steps, since=date(year, 1, 1), before=date(year + 1, 1, 1), source="EGAO Art. 97 § 36; AO § 108(3)")


RULES = (
    _german(
        "USTVA",
        "Advance VAT return (Umsatzsteuer-Voranmeldung)",
        MONTH,
        months(1),
        day(10),
        source="UStG § 18(1)",
        aliases=("VAT",),
    ),
    _german(
        "USTVA-DFV",
        "Advance VAT return with the standing extension",
        MONTH,
        months(2),
        day(10),
        source="UStDV § 46",
        aliases=("USTVA-DAUERFRIST",),
    ),
    _german(
        "LSTA",
        "Wage tax return (Lohnsteuer-Anmeldung)",
        MONTH,
        months(1),
        day(10),
        source="EStG § 41a(1)",
        aliases=("LST", "LST-ANMELDUNG"),
    ),
    _german("ZM", "EC sales list (Zusammenfassende Meldung)", MONTH, months(1), day(25), source="UStG § 18a(1)"),
    _german(
        "EST",
        "Annual tax returns without an adviser (income, corporation, trade, VAT)",
        YEAR_END,
        months(7),
        month_end(),
        source="AO § 149(2)",
        aliases=("KST", "GEWST", "USTJ", "EST1A"),
        exceptions=(
            Earlier((months(5), month_end()), before=date(2018, 1, 1)),
            _for_year(2020, months(10), month_end()),
            _for_year(2021, months(10), month_end()),
            _for_year(2022, months(9), month_end()),
            _for_year(2023, months(8), month_end()),
        ),
    ),
    _german(
        "EST-ADV",
        "Annual tax returns prepared by an adviser",
        YEAR_END,
        months(14),
        month_end(),
        source="AO § 149(3)",
        aliases=("KST-ADV", "GEWST-ADV", "USTJ-ADV", "EST-BERATER", "EST-STEUERBERATER"),
        exceptions=(
            Earlier((months(12), month_end()), before=date(2018, 1, 1)),
            _for_year(2019, months(20), month_end()),
            _for_year(2020, months(20), month_end()),
            _for_year(2021, months(20), month_end()),
            _for_year(2022, months(19), month_end()),
            _for_year(2023, months(17), month_end()),
            _for_year(2024, months(16), month_end()),
        ),
    ),
    _german(
        "EST-VZ",
        "Income tax prepayment",
        "any day; the next payment date on or after it",
        month_day("03-10", "06-10", "09-10", "12-10"),
        source="EStG § 37(1)",
        aliases=("KST-VZ",),
    ),
    _german(
        "GEWST-VZ",
        "Trade tax prepayment",
        "any day; the next payment date on or after it",
        month_day("02-15", "05-15", "08-15", "11-15"),
        source="GewStG § 19(1)",
    ),
    _german(
        "HGB-AUFSTELLUNG",
        "Annual accounts drawn up",
        CLOSE,
        months(3, keep_month_end=True),
        roll=Roll.NONE,
        source="HGB § 264(1)",
    ),
    _german(
        "HGB-AUFSTELLUNG-KLEIN",
        "Annual accounts of a small company drawn up",
        CLOSE,
        months(6, keep_month_end=True),
        roll=Roll.NONE,
        source="HGB § 264(1)",
    ),
    _german(
        "HGB-OFFENLEGUNG",
        "Annual accounts disclosed",
        CLOSE,
        months(12, keep_month_end=True),
        roll=Roll.NONE,
        source="HGB § 325(1a)",
        aliases=("OFFENLEGUNG",),
    ),
    _german(
        "BEKANNTGABE",
        "A posted notice counts as received",
        "the day it was posted",
        days(4),
        source="AO § 122(2)",
        exceptions=(Earlier((days(3),), before=date(2025, 1, 1)),),
    ),
    _german(
        "EINSPRUCH",
        "Objection to a tax notice",
        "the day the notice counts as received",
        months(1),
        source="AO § 355(1); BGB § 188",
    ),
)
