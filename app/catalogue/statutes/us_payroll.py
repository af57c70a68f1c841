"""United States federal tax through the year: payroll, information returns, estimated tax, elections."""

from __future__ import annotations

from app.catalogue.due_rules import Which, day, days, month_day, month_end, months, weekday, working_days
from app.catalogue.statutes.shape import YEAR_END
from app.catalogue.statutes.us_tax import QUARTER_END, tax_rule

TIMELY = "Only where every deposit for the period was made in full and on time."

PAYROLL = (
    tax_rule(
        "941",
        "Form 941, quarterly employment tax return",
        QUARTER_END,
        months(1),
        month_end(),
        source="Treas. Reg. 31.6071(a)-1(a)(1)",
    ),
    tax_rule(
        "941-TIMELY",
        "Form 941 where all deposits were timely",
        QUARTER_END,
        months(2),
        day(10),
        source="Treas. Reg. 31.6071(a)-1(a)(1)",
        note=TIMELY,
    ),
    *(
        rule
        for form, title in (
            ("940", "unemployment tax"),
            ("943", "farm employees"),
            ("944", "small employers"),
            ("945", "withheld tax other than payroll"),
        )
        for rule in (
            tax_rule(
                form,
                f"Form {form}, annual return, {title}",
                YEAR_END,
                month_day("01-31"),
                source="Treas. Reg. 31.6071(a)-1",
            ),
            tax_rule(
                f"{form}-TIMELY",
                f"Form {form} where all deposits were timely",
                YEAR_END,
                month_day("02-10"),
                source="Treas. Reg. 31.6071(a)-1",
                note=TIMELY,
            ),
        )
    ),
    tax_rule(
        "SEMIWEEKLY",
        "Semiweekly deposit of employment taxes",
        "the day the wages are paid",
        weekday("tue", "fri"),
        working_days(3),
        source="Treas. Reg. 31.6302-1(c)(2)",
        note="Paid Wednesday to Friday: by the next Wednesday; paid Saturday to Tuesday: by the next Friday; "
        "a holiday among the three weekdays after the period gives one day more.",
        aliases=("941-SEMIWEEKLY",),
    ),
    tax_rule(
        "MONTHLY-DEPOSIT",
        "Monthly deposit of employment taxes",
        "a day in the month the wages are paid",
        months(1),
        day(15),
        source="Treas. Reg. 31.6302-1(c)(1)",
        aliases=("MONTHLY", "941-MONTHLY"),
    ),
    tax_rule(
        "NEXT-DAY",
        "Deposit when 100,000 dollars have accumulated",
        "the day the amount is reached",
        working_days(1),
        source="Treas. Reg. 31.6302-1(c)(3)",
        aliases=("941-NEXT-DAY",),
    ),
    tax_rule(
        "FUTA-DEPOSIT",
        "Quarterly deposit of unemployment tax",
        QUARTER_END,
        months(1),
        month_end(),
        source="Treas. Reg. 31.6302(c)-3",
        aliases=("940-DEPOSIT",),
    ),
)

INFORMATION = (
    tax_rule(
        "W2",
        "Forms W-2 to employees and W-3 to the Social Security Administration",
        YEAR_END,
        month_day("01-31"),
        source="IRC 6051(a), 6071(c)",
        aliases=("W3",),
    ),
    tax_rule(
        "1099-NEC",
        "Form 1099-NEC to recipients and the IRS",
        YEAR_END,
        month_day("01-31"),
        source="IRC 6041A(e), 6071(c)",
    ),
    tax_rule(
        "1099-RECIPIENT",
        "Forms 1099-MISC, -INT, -DIV and -R to recipients",
        YEAR_END,
        month_day("01-31"),
        source="IRC 6041(d), 6042(c), 6049(c)",
        aliases=("1099-MISC", "1099-INT", "1099-DIV", "1099-R"),
    ),
    tax_rule(
        "1099-B",
        "Forms 1099-B and 1099-S to recipients",
        YEAR_END,
        month_day("02-15"),
        source="IRC 6045(b)",
        aliases=("1099-S",),
    ),
    tax_rule(
        "1099-PAPER",
        "Forms 1099 (other than NEC) to the IRS on paper, with Form 1096",
        YEAR_END,
        month_day("02-28"),
        source="Treas. Reg. 1.6041-6",
        aliases=("1096",),
    ),
    tax_rule(
        "1099-EFILE",
        "Forms 1099 (other than NEC) to the IRS electronically",
        YEAR_END,
        month_day("03-31"),
        source="IRC 6071(b)",
    ),
    tax_rule(
        "1095C",
        "Forms 1095-B and 1095-C to individuals",
        YEAR_END,
        month_day("01-31"),
        days(30),
        source="Treas. Reg. 1.6055-1(g)(4), 301.6056-1(g)",
        aliases=("1095B",),
    ),
    tax_rule(
        "1094C",
        "Forms 1094-C and 1095-C to the IRS electronically",
        YEAR_END,
        month_day("03-31"),
        source="Treas. Reg. 301.6056-1(e)",
        aliases=("1094B",),
    ),
    tax_rule(
        "8300",
        "Form 8300, cash over 10,000 dollars",
        "the day the cash was received",
        days(15),
        source="IRC 6050I; Treas. Reg. 1.6050I-1(e)",
    ),
)

_ES = "IRC 6654(c)"
ESTIMATED = (
    tax_rule(
        "ES",
        "Form 1040-ES, the next payment of estimated tax",
        "any day; the next payment date on or after it",
        month_day("04-15", "06-15", "09-15", "01-15"),
        source=_ES,
        aliases=("1040-ES",),
    ),
    tax_rule(
        "ES-Q1",
        "Form 1040-ES, first payment",
        "a day in the tax year",
        month_day("04-15", which=Which.SAME_YEAR),
        source=_ES,
        aliases=("1040-ES-Q1",),
    ),
    tax_rule(
        "ES-Q2",
        "Form 1040-ES, second payment",
        "a day in the tax year",
        month_day("06-15", which=Which.SAME_YEAR),
        source=_ES,
        aliases=("1040-ES-Q2",),
    ),
    tax_rule(
        "ES-Q3",
        "Form 1040-ES, third payment",
        "a day in the tax year",
        month_day("09-15", which=Which.SAME_YEAR),
        source=_ES,
        aliases=("1040-ES-Q3",),
    ),
    tax_rule(
        "ES-Q4",
        "Form 1040-ES, fourth payment",
        YEAR_END,
        month_day("01-15"),
        source=_ES,
        aliases=("1040-ES-Q4",),
    ),
    *(
        tax_rule(
            f"1120-ES-Q{quarter}",
            f"Corporation estimated tax, instalment {quarter}",
            YEAR_END,
            *((months(shift),) if shift else ()),
            day(15),
            source="IRC 6655(c)",
            aliases=(f"1120W-Q{quarter}",),
        )
        for quarter, shift in ((1, -8), (2, -6), (3, -3), (4, 0))
    ),
)

ELECTIONS = (
    tax_rule(
        "83B",
        "Election under section 83(b)",
        "the day the property was transferred",
        days(30),
        source="IRC 83(b)(2); Treas. Reg. 1.83-2(b)",
    ),
    tax_rule(
        "2553",
        "Form 2553, election to be an S corporation",
        "the first day of the tax year",
        months(2),
        days(14),
        source="IRC 1362(b); Treas. Reg. 1.1362-6(a)(2)",
        note="Two months and 15 days, the first day of the year counted.",
    ),
    tax_rule(
        "TAXCOURT",
        "Petition to the Tax Court",
        "the date the notice of deficiency was mailed",
        days(90),
        source="IRC 6213(a)",
        aliases=("90-DAY-LETTER",),
    ),
    tax_rule(
        "TAXCOURT-ABROAD",
        "Petition to the Tax Court by a person outside the United States",
        "the date the notice of deficiency was mailed",
        days(150),
        source="IRC 6213(a)",
    ),
    tax_rule(
        "CDP",
        "Petition to the Tax Court after a collection due process hearing",
        "the date of the determination",
        days(30),
        source="IRC 6330(d)(1)",
    ),
)

RULES = PAYROLL + INFORMATION + ESTIMATED + ELECTIONS
