"""British accounting and tax. The dates come from the statutory table, which cites the Act or Regulations of each."""

from __future__ import annotations

from app.catalogue.due_rules import DueRule, day, days, months
from app.catalogue.library.shape import (
    DOING,
    FILE,
    TODO,
    LibraryDeadline,
    LibraryRequest,
    LibraryService,
    LibraryStep,
    ask,
    before,
    before_due,
    from_end,
    months_on,
    review,
    upload,
)
from app.catalogue.models import Cadence, WorkRole

ADMIN, PARTNER = WorkRole.ADMINISTRATOR, WorkRole.PARTNER

VAT = LibraryService(
    code="UK-VAT-QUARTER", name="VAT return", area="Tax", place="United Kingdom", cadence=Cadence.VAT_QUARTER,
    description="Quarterly VAT return under Making Tax Digital: return and payment one month and seven days after the "
                "quarter (VAT Regulations 1995 reg. 25 and 25A).",
    title="{client} VAT {period}", due=before("UK-VAT", 3), deadlines=(LibraryDeadline("UK-VAT"),),
    requests=(LibraryRequest(
        "VAT records", "Collect the records", "Please send us your records for the quarter.",
        (upload("Sales invoices or day book"), upload("Purchase invoices and receipts"),
         upload("Bank statements to the end of the quarter"),
         ask("yes_no", "Did you buy or sell abroad in this quarter?"),
         ask("yes_no", "Did you buy a vehicle or property?")),
        due=from_end(7),
    ),),
    steps=(
        LibraryStep("Collect the records", TODO, 15, from_end(8)),
        LibraryStep("Post and reconcile", DOING, 150, from_end(13), ("Collect the records",),
                    checks=("Bank reconciled to the last day", "Suspense account empty", "Foreign purchases marked")),
        LibraryStep("Prepare the return", DOING, 60, from_end(15), ("Post and reconcile",),
                    checks=("Box 1 agrees with sales tax", "Box 4: no blocked input tax",
                            "Reverse charge in boxes 1 and 4")),
        review("Review the return", 30, before_due(3), ("Prepare the return",)),
        LibraryStep("Client approves", FILE, 15, before_due(1), ("Review the return",)),
        LibraryStep("File and confirm the payment date", FILE, 15, DueRule("job_due"), ("Client approves",),
                    checks=("Receipt saved", "Client told what to pay and when")),
    ),
)

ACCOUNTS = LibraryService(
    code="UK-ACCOUNTS-CT", name="Annual accounts and corporation tax", area="Accounts", place="United Kingdom",
    description="Accounts of a private company within nine months (Companies Act 2006 s. 442), corporation tax paid "
                "within nine months and a day (TMA 1970 s. 59D), CT600 within twelve months (FA 1998 Sch. 18 "
                "para. 14).",
    cadence=Cadence.YEAR, title="{client} accounts and CT600 {period}", due=before("UK-ACC", 20),
    deadlines=(LibraryDeadline("UK-ACC", met_by="File at Companies House"), LibraryDeadline("UK-CTPAY"),
               LibraryDeadline("UK-CT600")),
    requests=(LibraryRequest(
        "Year-end papers", "Receive the records", "Your year has ended; please send us the following.",
        (upload("Bank and loan statements at the year end"), upload("Stock list at the year end", required=False),
         upload("Payroll summary of the year"), ask("amount", "Cash in hand at the year end", required=False),
         ask("yes_no", "Were dividends paid in the year?"),
         ask("yes_no", "Did directors lend to or borrow from the company?"),
         ask("long_text", "Anything unusual in the year?", required=False)),
        due=months_on(1),
    ),),
    steps=(
        LibraryStep("Receive the records", TODO, 15, months_on(1)),
        LibraryStep("Bookkeeping to trial balance", DOING, 360, months_on(2), ("Receive the records",),
                    checks=("Bank and loans agreed", "Debtors and creditors agreed", "Payroll agreed", "VAT agreed")),
        LibraryStep("Draft the accounts", DOING, 240, months_on(3), ("Bookkeeping to trial balance",),
                    checks=("Accruals and prepayments", "Depreciation", "Directors' loans", "Disclosure checklist")),
        LibraryStep("Tax computation and CT600", DOING, 150, months_on(4), ("Draft the accounts",),
                    checks=("Capital allowances", "Disallowed costs", "Losses", "Associated companies")),
        review("Manager's review", 90, months_on(5), ("Tax computation and CT600",)),
        review("Partner's review", 45, before_due(8), ("Manager's review",), role=PARTNER),
        LibraryStep("Directors approve and sign", FILE, 20, before_due(2), ("Partner's review",), ADMIN),
        LibraryStep("File at Companies House", FILE, 20, DueRule("job_due"), ("Directors approve and sign",), ADMIN),
        LibraryStep("File the CT600 and tell the tax due", FILE, 30, DueRule("job_due"),
                    ("Directors approve and sign",)),
    ),
)

SELF_ASSESSMENT = LibraryService(
    code="UK-SELF-ASSESSMENT", name="Self assessment", area="Tax", place="United Kingdom", cadence=Cadence.TAX_YEAR,
    description="Personal tax return: online by 31 January after the tax year (TMA 1970 s. 8(1D)), payment on the same "
                "day (s. 59B), second payment on account on 31 July.",
    title="{client} tax return {period}", due=before("UK-SA-ONLINE", 30),
    deadlines=(LibraryDeadline("UK-SA-ONLINE"), LibraryDeadline("UK-SA-PAY"),
               LibraryDeadline("UK-SA-POA2", met_by="Tell of the second payment on account")),
    requests=(LibraryRequest(
        "Your tax papers", "Receive the papers", "It is time for your tax return. What does not concern you can be "
        "marked so.",
        (upload("P60 or P45", required=False), upload("P11D", required=False),
         upload("Bank and building society interest", required=False), upload("Dividend vouchers", required=False),
         upload("Rental income and costs", required=False), ask("amount", "Pension contributions paid", required=False),
         ask("amount", "Gift Aid donations", required=False),
         ask("yes_no", "Did you sell shares, property or crypto-assets?"),
         ask("yes_no", "Did you or your partner receive child benefit?")),
        due=months_on(4),
    ),),
    steps=(
        LibraryStep("Receive the papers", TODO, 10, months_on(4)),
        LibraryStep("Tell of the second payment on account", DOING, 10, before("UK-SA-POA2", 10)),
        LibraryStep("Prepare the return", DOING, 120, months_on(5), ("Receive the papers",),
                    checks=("Income agrees with the tax office's record", "Capital gains", "Payments on account")),
        review("Review the return", 30, months_on(6), ("Prepare the return",)),
        LibraryStep("Client approves", FILE, 15, before_due(3), ("Review the return",)),
        LibraryStep("File and tell what to pay", FILE, 15, DueRule("job_due"), ("Client approves",)),
    ),
)

# A pay period ends on its pay day; the tax month of a payment ends on the 5th that is not before it.
TAX_MONTH = DueRule("period_end", (days(-5), months(1), day(5)))
PAYROLL = LibraryService(
    code="UK-PAYROLL", name="Payroll", area="Payroll", place="United Kingdom", cadence=Cadence.PAYROLL,
    description="Payroll of each pay period of the client, paid on its last day: full payment submission on or before "
                "payday (PAYE Regulations 2003 reg. 67B), PAYE and National Insurance by the 22nd (reg. 69).",
    title="{client} payroll {period}", due=DueRule("deadline:UK-PAYE-FPS"), start=from_end(-14),
    deadlines=(LibraryDeadline("UK-PAYE-FPS"), LibraryDeadline("UK-PAYE-ELEC", TAX_MONTH)),
    requests=(LibraryRequest(
        "Payroll changes", "Receive the changes", "Please tell us what changed since the last pay day.",
        (ask("yes_no", "Are the hours and salaries the same as last time?"),
         upload("Hours, overtime, bonuses", required=False), ask("long_text", "Starters and leavers", required=False),
         ask("long_text", "Sickness and parental leave", required=False)),
        due=before("UK-PAYE-FPS", 7), asked=DueRule("job_start"),
    ),),
    steps=(
        LibraryStep("Receive the changes", TODO, 10, before_due(6)),
        LibraryStep("Calculate", DOING, 60, before_due(4), ("Receive the changes",),
                    checks=("Tax code notices read", "Pension contributions", "Statutory pay",
                            "Net pay against last time")),
        review("Review the payroll", 20, before_due(3), ("Calculate",)),
        LibraryStep("Client approves", FILE, 10, before_due(2), ("Review the payroll",)),
        LibraryStep("Submit and send payslips", FILE, 15, DueRule("job_due"), ("Client approves",),
                    checks=("Receipt of the submission saved", "Payslips sent", "Client told what to pay by the 22nd")),
    ),
)

SERVICES = (VAT, ACCOUNTS, SELF_ASSESSMENT, PAYROLL)
