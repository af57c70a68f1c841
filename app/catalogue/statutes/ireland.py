"""Ireland: taxes and the annual return."""

from __future__ import annotations

from app.catalogue.due_rules import Roll, Step, day, days, month_day, months
from app.catalogue.statutes.shape import PERIOD_END, StatutoryRule


def _irish(
    code: str,
    title: str,
    trigger: str,
    *steps: Step,
    source: str,
    roll: Roll = Roll.NONE,
    note: str = "",
    aliases: tuple[str, ...] = (),
) -> StatutoryRule:
    return StatutoryRule(
        f"IE-{code}",
        title,
        trigger,
        steps,
        source,
        "IE",
        roll,
        note=note,
        aliases=tuple(f"IE-{alias}" for alias in aliases),
    )


RULES = (
    _irish(
        "CT1",
        "Corporation tax return and balance, through ROS",
        PERIOD_END,
        months(9, keep_month_end=True),
        day(23, at_most=True),
        source="Taxes Consolidation Act 1997 s. 959A, 959I",
        aliases=("CT1-ROS", "CT"),
    ),
    _irish(
        "CT-PRELIM",
        "Preliminary corporation tax, through ROS",
        PERIOD_END,
        days(-31),
        day(23, at_most=True),
        source="Taxes Consolidation Act 1997 s. 959AR",
        aliases=("CT1-PRELIM",),
    ),
    _irish(
        "VAT3",
        "VAT return and payment, through ROS",
        PERIOD_END,
        months(1),
        day(23),
        source="Value-Added Tax Consolidation Act 2010 s. 76",
        aliases=("VAT3-ROS", "VAT"),
    ),
    _irish(
        "VAT3-PAPER",
        "VAT return and payment, on paper",
        PERIOD_END,
        months(1),
        day(19),
        source="Value-Added Tax Consolidation Act 2010 s. 76",
    ),
    _irish(
        "PAYE",
        "Employer's income tax and PRSI, through ROS",
        "the last day of the month",
        months(1),
        day(23),
        source="Taxes Consolidation Act 1997 s. 985G",
        aliases=("PAYE-ROS", "PREM"),
    ),
    _irish(
        "FORM11",
        "Income tax return, balance and preliminary tax",
        "31 December, the last day of the tax year",
        month_day("10-31"),
        source="Taxes Consolidation Act 1997 s. 959A, 959I",
        note="Revenue names a later day in November each year for those who file and pay through ROS.",
    ),
    _irish(
        "B1",
        "Annual return at the Companies Registration Office",
        "the annual return date",
        days(56),
        roll=Roll.NEXT,
        source="Companies Act 2014 s. 343",
        aliases=("CRO-B1", "CRO"),
    ),
)
