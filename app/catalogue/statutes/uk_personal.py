"""United Kingdom: self assessment, payroll, property and estates. These dates do not roll either."""

from __future__ import annotations

from app.catalogue.due_rules import Roll, Which, days, month_day, month_end, months, working_days, years
from app.catalogue.statutes.uk_company import EARLY_PAYMENT, to_month_end, uk_rule

TAX_YEAR_END = "5 April, the last day of the tax year"
TAX_MONTH_END = "the 5th, the last day of the tax month"

SELF_ASSESSMENT = (
    uk_rule(
        "SA-ONLINE",
        "Self assessment return, online",
        TAX_YEAR_END,
        month_day("01-31"),
        source="Taxes Management Act 1970 s. 8(1D)",
        aliases=("SA", "SA100", "SA800-ONLINE", "SA900-ONLINE"),
    ),
    uk_rule(
        "SA-PAPER",
        "Self assessment return, on paper",
        TAX_YEAR_END,
        month_day("10-31"),
        source="Taxes Management Act 1970 s. 8(1D)",
        aliases=("SA800-PAPER", "SA900-PAPER"),
    ),
    uk_rule(
        "SA-PAY",
        "Self assessment balancing payment",
        TAX_YEAR_END,
        month_day("01-31"),
        source="Taxes Management Act 1970 s. 59B(4)",
        aliases=("SA-BALANCE",),
    ),
    uk_rule(
        "SA-POA1",
        "First payment on account",
        TAX_YEAR_END,
        month_day("01-31", which=Which.ON_OR_BEFORE),
        source="Taxes Management Act 1970 s. 59A(2)(a)",
        note="It falls inside the tax year that it is paid for.",
    ),
    uk_rule(
        "SA-POA2",
        "Second payment on account",
        TAX_YEAR_END,
        month_day("07-31"),
        source="Taxes Management Act 1970 s. 59A(2)(b)",
    ),
    uk_rule(
        "SA-REGISTER",
        "Notice of chargeability to income or capital gains tax",
        TAX_YEAR_END,
        month_day("10-05"),
        source="Taxes Management Act 1970 s. 7(1C)",
    ),
    uk_rule(
        "SA-AMEND",
        "Amendment of a self assessment return",
        TAX_YEAR_END,
        month_day("01-31"),
        years(1),
        source="Taxes Management Act 1970 s. 9ZA(2)",
    ),
    uk_rule(
        "MTD-ITSA",
        "Making Tax Digital, quarterly update",
        "the last day of the quarter",
        month_day("08-07", "11-07", "02-07", "05-07"),
        source="SI 2021/1076 as amended by SI 2024/167",
    ),
    uk_rule(
        "CGT60",
        "Capital gains return and payment on residential property",
        "the day of completion",
        days(60),
        source="Finance Act 2019 Sch. 2 para. 3, 6",
        aliases=("CGT-PROPERTY",),
    ),
)

PAYROLL = (
    uk_rule(
        "PAYE-POST",
        "PAYE and National Insurance paid by post",
        TAX_MONTH_END,
        days(14),
        source="PAYE Regulations 2003 (SI 2003/2682) reg. 69",
    ),
    uk_rule(
        "PAYE-ELEC",
        "PAYE and National Insurance paid electronically",
        TAX_MONTH_END,
        days(17),
        source="PAYE Regulations 2003 (SI 2003/2682) reg. 69",
        note=EARLY_PAYMENT,
        aliases=("PAYE", "PAYE-ELECTRONIC", "PAYE-ONLINE"),
    ),
    uk_rule(
        "PAYE-FPS",
        "Full payment submission",
        "the day of payment",
        source="PAYE Regulations 2003 (SI 2003/2682) reg. 67B",
        note="On or before the employees are paid.",
        aliases=("FPS", "PAYE-RTI", "RTI"),
    ),
    uk_rule(
        "PAYE-EPS",
        "Employer payment summary",
        TAX_MONTH_END,
        days(14),
        source="PAYE Regulations 2003 (SI 2003/2682) reg. 67F",
        aliases=("EPS",),
    ),
    uk_rule(
        "CIS300",
        "Construction Industry Scheme monthly return",
        TAX_MONTH_END,
        days(14),
        source="SI 2005/2045 reg. 4",
        aliases=("CIS", "CIS-RETURN"),
    ),
    uk_rule(
        "CIS-PAY",
        "Construction Industry Scheme payment, electronic",
        TAX_MONTH_END,
        days(17),
        source="SI 2005/2045 reg. 7",
        note=EARLY_PAYMENT,
    ),
    uk_rule(
        "P60",
        "P60 to each employee",
        TAX_YEAR_END,
        month_day("05-31"),
        source="PAYE Regulations 2003 (SI 2003/2682) reg. 67",
    ),
    uk_rule(
        "P11D",
        "P11D and P11D(b), benefits in kind",
        TAX_YEAR_END,
        month_day("07-06"),
        source="PAYE Regulations 2003 (SI 2003/2682) reg. 85",
        aliases=("P11DB",),
    ),
    uk_rule(
        "CLASS1A",
        "Class 1A National Insurance, electronic",
        TAX_YEAR_END,
        month_day("07-22"),
        source="Social Security (Contributions) Regulations 2001 (SI 2001/1004) reg. 71",
        note=EARLY_PAYMENT,
        aliases=("CLASS1A-ELEC",),
    ),
    uk_rule(
        "CLASS1A-POST",
        "Class 1A National Insurance by post",
        TAX_YEAR_END,
        month_day("07-19"),
        source="Social Security (Contributions) Regulations 2001 (SI 2001/1004) reg. 71",
    ),
    uk_rule(
        "PSA-PAY",
        "PAYE settlement agreement, electronic payment",
        TAX_YEAR_END,
        month_day("10-22"),
        source="PAYE Regulations 2003 (SI 2003/2682) reg. 109",
        note=EARLY_PAYMENT,
    ),
    uk_rule(
        "ERS",
        "Employment related securities return",
        TAX_YEAR_END,
        month_day("07-06"),
        source="ITEPA 2003 s. 421JA",
    ),
)

OTHER = (
    uk_rule(
        "SDLT",
        "Stamp duty land tax return and payment",
        "the effective date",
        days(14),
        source="Finance Act 2003 s. 76",
    ),
    uk_rule(
        "LBTT",
        "Land and buildings transaction tax return (Scotland)",
        "the effective date",
        days(30),
        source="Land and Buildings Transaction Tax (Scotland) Act 2013 s. 29",
    ),
    uk_rule(
        "LTT",
        "Land transaction tax return (Wales)",
        "the effective date",
        days(30),
        source="Land Transaction Tax and Anti-avoidance of Devolved Taxes (Wales) Act 2017 s. 44",
    ),
    uk_rule(
        "IHT400",
        "Inheritance tax account",
        "the date of death",
        month_end(),
        to_month_end(12),
        source="Inheritance Tax Act 1984 s. 216(6)",
    ),
    uk_rule(
        "IHT-PAY",
        "Inheritance tax payment",
        "the date of death",
        month_end(),
        to_month_end(6),
        source="Inheritance Tax Act 1984 s. 226(1)",
    ),
    uk_rule(
        "ATED",
        "Annual tax on enveloped dwellings, return and payment",
        "1 April, the first day of the period",
        month_day("04-30"),
        source="Finance Act 2013 s. 159, 163",
    ),
    uk_rule(
        "FOI",
        "Answer to a freedom of information request",
        "the day it was received",
        working_days(20),
        source="Freedom of Information Act 2000 s. 10",
    ),
    uk_rule(
        "DSAR",
        "Answer to a data subject access request",
        "the day it was received",
        months(1),
        roll=Roll.NEXT,
        source="UK GDPR art. 12(3)",
    ),
)

RULES = SELF_ASSESSMENT + PAYROLL + OTHER
