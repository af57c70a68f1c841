"""United Kingdom: companies, corporation tax and VAT. These dates do not roll: a Sunday stays a Sunday."""

from __future__ import annotations

from app.catalogue.due_rules import Step, days, month_end, months, years
from app.catalogue.due_steps import Roll
from app.catalogue.statutes.shape import PERIOD_END, StatutoryRule

ACCOUNTS_END = "the last day of the accounting period"
EARLY_PAYMENT = "Cleared funds must arrive by then; where the day is not a banking day, pay before it."
MONTH_ENDS = "A period that ends on the last day of a month runs to the last day of a month (s. 443)."


def uk_rule(
    code: str,
    title: str,
    trigger: str,
    *steps: Step,
    source: str,
    note: str = "",
    aliases: tuple[str, ...] = (),
    roll: Roll = Roll.NONE,
) -> StatutoryRule:
    return StatutoryRule(
        f"UK-{code}",
        title,
        trigger,
        steps,
        source,
        "GB-ENG",
        roll,
        note=note,
        aliases=tuple(f"UK-{alias}" for alias in aliases),
    )


def to_month_end(n: int) -> Step:
    return months(n, keep_month_end=True)


COMPANY = (
    uk_rule(
        "ACC",
        "Accounts of a private company at Companies House",
        ACCOUNTS_END,
        to_month_end(9),
        source="Companies Act 2006 s. 442(2)(a), 443",
        note=MONTH_ENDS,
        aliases=("ACCOUNTS", "ACC-PRIVATE", "ACC-LTD"),
    ),
    uk_rule(
        "ACC-PLC",
        "Accounts of a public company at Companies House",
        ACCOUNTS_END,
        to_month_end(6),
        source="Companies Act 2006 s. 442(2)(b), 443",
        note=MONTH_ENDS,
        aliases=("ACC-PUBLIC", "ACCOUNTS-PLC"),
    ),
    uk_rule(
        "ACC-LLP",
        "Accounts of a limited liability partnership",
        ACCOUNTS_END,
        to_month_end(9),
        source="Companies Act 2006 s. 442, 443 as applied by SI 2008/1911 reg. 17",
        note=MONTH_ENDS,
    ),
    uk_rule(
        "ACC-FIRST",
        "First accounts of a private company, period over twelve months",
        "the date of incorporation",
        years(1),
        to_month_end(9),
        source="Companies Act 2006 s. 442(3), 443",
        note="Or three months after the end of the period, if that is later.",
    ),
    uk_rule(
        "ACC-FIRST-PLC",
        "First accounts of a public company, period over twelve months",
        "the date of incorporation",
        years(1),
        to_month_end(6),
        source="Companies Act 2006 s. 442(3), 443",
        note="Or three months after the end of the period, if that is later.",
    ),
    uk_rule(
        "CA2006-443",
        "Six months from a date",
        "the specified date",
        to_month_end(6),
        source="Companies Act 2006 s. 443; Explanatory Notes para. 689",
        note=MONTH_ENDS,
        aliases=tuple(f"CA2006-443{letter}" for letter in "ABCDE"),
    ),
    uk_rule(
        "CS01",
        "Confirmation statement",
        "the last day of the review period",
        days(14),
        source="Companies Act 2006 s. 853A",
        aliases=("CONFIRMATION-STATEMENT",),
    ),
    uk_rule(
        "AGM-PLC",
        "Annual general meeting of a public company",
        "the accounting reference date",
        to_month_end(6),
        source="Companies Act 2006 s. 336(1)",
    ),
    uk_rule(
        "MR01",
        "Registration of a charge",
        "the day the charge was created",
        days(21),
        source="Companies Act 2006 s. 859A(4)",
    ),
    uk_rule(
        "AP01",
        "Notice of a change of director",
        "the day of the change",
        days(14),
        source="Companies Act 2006 s. 167(1)",
        aliases=("TM01", "CH01"),
    ),
    uk_rule(
        "SH01",
        "Return of an allotment of shares",
        "the day of the allotment",
        months(1),
        source="Companies Act 2006 s. 555(2)",
    ),
    uk_rule(
        "RESOLUTION",
        "Copy of a special resolution",
        "the day it was passed",
        days(15),
        source="Companies Act 2006 s. 30(1)",
    ),
    uk_rule(
        "CHARITY",
        "Annual report and accounts of a charity",
        "the last day of the financial year",
        to_month_end(10),
        source="Charities Act 2011 s. 163, 169",
    ),
)

CORPORATION_TAX = (
    uk_rule(
        "CTPAY",
        "Corporation tax payment",
        ACCOUNTS_END,
        to_month_end(9),
        days(1),
        source="Taxes Management Act 1970 s. 59D",
        note=EARLY_PAYMENT,
        aliases=("CT-PAYMENT",),
    ),
    uk_rule(
        "CT600",
        "Company tax return",
        ACCOUNTS_END,
        to_month_end(12),
        source="Finance Act 1998 Sch. 18 para. 14",
        aliases=("CT",),
    ),
    *(
        uk_rule(
            f"CTQIP-{number}",
            f"Corporation tax of a large company, instalment {number}",
            "the last day of a twelve-month accounting period",
            *((to_month_end(shift),) if shift else ()),
            days(14),
            source="SI 1998/3175 reg. 5",
            note=EARLY_PAYMENT,
            aliases=(f"QIP-{number}", f"CTQIP-Q{number}"),
        )
        for number, shift in ((1, -6), (2, -3), (3, 0), (4, 3))
    ),
)

VAT = (
    uk_rule(
        "VAT",
        "VAT return and payment",
        PERIOD_END,
        to_month_end(1),
        days(7),
        source="VAT Regulations 1995 (SI 1995/2518) reg. 25, 25A, 40",
        note=EARLY_PAYMENT,
        aliases=("VAT-RETURN", "VAT100"),
    ),
    uk_rule(
        "VAT-ANNUAL",
        "VAT return under annual accounting",
        "the last day of the accounting year",
        to_month_end(2),
        source="VAT Regulations 1995 (SI 1995/2518) reg. 50",
    ),
    uk_rule(
        "VAT-REGISTRATION",
        "Notice that turnover passed the VAT threshold",
        "a day in the month it was passed",
        month_end(),
        days(30),
        source="Value Added Tax Act 1994 Sch. 1 para. 5",
    ),
)

RULES = COMPANY + CORPORATION_TAX + VAT
