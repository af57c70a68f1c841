"""Irish accounting and tax. The dates come from the statutory table, which cites the Act of each."""

from __future__ import annotations

from app.catalogue.due_rules import DueRule
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

VAT3 = LibraryService(
    code="IE-VAT3-HALF", name="VAT3 return, six-monthly", area="Tax", place="Ireland", cadence=Cadence.HALF_YEAR,
    description="VAT3 of a trader whom Revenue lets file each half of the year, with its payment, through ROS by the "
                "23rd of the following month (Value-Added Tax Consolidation Act 2010 s. 76 and 77).",
    title="{client} VAT3 {period}", due=before("IE-VAT3", 3), deadlines=(LibraryDeadline("IE-VAT3"),),
    requests=(LibraryRequest(
        "VAT records", "Collect the records", "Please send us your records for the half-year.",
        (upload("Sales invoices or day book"), upload("Purchase invoices and receipts"),
         upload("Bank statements to the last day"),
         ask("yes_no", "Did you buy from or sell to other countries of the EU?")),
        due=from_end(5),
    ),),
    steps=(
        LibraryStep("Collect the records", TODO, 15, from_end(6)),
        LibraryStep("Post and reconcile", DOING, 240, from_end(10), ("Collect the records",),
                    checks=("Bank reconciled to the last day", "Suspense account empty", "Postponed accounting read")),
        LibraryStep("Prepare the VAT3", DOING, 60, from_end(11), ("Post and reconcile",),
                    checks=("T1 agrees with sales tax", "T2: no blocked input tax", "E1 and E2 agree with Intrastat")),
        review("Review the VAT3", 30, before_due(2), ("Prepare the VAT3",)),
        LibraryStep("Client approves", FILE, 15, before_due(1), ("Review the VAT3",)),
        LibraryStep("File on ROS and confirm the payment", FILE, 15, DueRule("job_due"), ("Client approves",),
                    checks=("Receipt saved", "Client told what to pay and when")),
    ),
)

ACCOUNTS = LibraryService(
    code="IE-ACCOUNTS-CT1", name="Annual accounts and CT1", area="Accounts", place="Ireland",
    description="Accounts of an Irish company and its corporation tax return CT1, with the balance of the tax, through "
                "ROS by the 23rd of the ninth month after the period (Taxes Consolidation Act 1997 s. 959A, 959I).",
    cadence=Cadence.YEAR, title="{client} accounts and CT1 {period}", due=before("IE-CT1", 15),
    deadlines=(LibraryDeadline("IE-CT1"),),
    requests=(LibraryRequest(
        "Year-end papers", "Receive the records", "Your year has ended; please send us the following.",
        (upload("Bank and loan statements at the year end"), upload("Stock list at the year end", required=False),
         upload("Payroll summary of the year"), ask("yes_no", "Were dividends paid in the year?"),
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
        LibraryStep("Tax computation and CT1", DOING, 150, months_on(4), ("Draft the accounts",),
                    checks=("Capital allowances", "Close company surcharge", "Losses", "Preliminary tax paid")),
        review("Manager's review", 90, months_on(5), ("Tax computation and CT1",)),
        review("Partner's review", 45, before_due(8), ("Manager's review",), role=WorkRole.PARTNER),
        LibraryStep("Directors approve and sign", FILE, 20, before_due(2), ("Partner's review",),
                    WorkRole.ADMINISTRATOR),
        LibraryStep("File the CT1 and tell the tax due", FILE, 30, DueRule("job_due"),
                    ("Directors approve and sign",)),
    ),
)

FORM11 = LibraryService(
    code="IE-FORM11", name="Form 11 income tax return", area="Tax", place="Ireland", cadence=Cadence.CALENDAR_YEAR,
    description="Income tax return of the self-employed: return, balance and preliminary tax by 31 October after the "
                "year (Taxes Consolidation Act 1997 s. 959A, 959I).",
    title="{client} Form 11 {period}", due=before("IE-FORM11", 15), deadlines=(LibraryDeadline("IE-FORM11"),),
    requests=(LibraryRequest(
        "Your tax papers", "Receive the papers", "It is time for your income tax return. What does not concern you can "
        "be marked so.",
        (upload("Employment detail summary", required=False), upload("Rental income and costs", required=False),
         upload("Medical expenses", required=False), ask("amount", "Pension contributions paid", required=False),
         ask("yes_no", "Did you sell shares, property or crypto-assets?")),
        due=months_on(4),
    ),),
    steps=(
        LibraryStep("Receive the papers", TODO, 10, months_on(4)),
        LibraryStep("Prepare the Form 11", DOING, 120, months_on(5), ("Receive the papers",),
                    checks=("Income agrees with Revenue's record", "Reliefs claimed", "Preliminary tax")),
        review("Review the Form 11", 30, months_on(6), ("Prepare the Form 11",)),
        LibraryStep("Client approves", FILE, 15, before_due(3), ("Review the Form 11",)),
        LibraryStep("File on ROS and tell what to pay", FILE, 15, DueRule("job_due"), ("Client approves",)),
    ),
)

PAYROLL = LibraryService(
    code="IE-PAYROLL-MONTH", name="Monthly payroll, Ireland", area="Payroll", place="Ireland", cadence=Cadence.MONTH,
    description="Payroll paid on the last working day of the month and reported on or before payday; income tax, USC "
                "and PRSI by the 23rd of the next month (Taxes Consolidation Act 1997 s. 985G).",
    title="{client} payroll {month} {year}", due=DueRule("period_end"), start=from_end(-14),
    deadlines=(LibraryDeadline("IE-PAYE"),),
    requests=(LibraryRequest(
        "Payroll changes", "Receive the changes", "Please tell us what changed this month.",
        (ask("yes_no", "Are the hours and salaries the same as last month?"),
         upload("Hours, overtime, bonuses", required=False), ask("long_text", "Starters and leavers", required=False)),
        due=from_end(-7), asked=DueRule("job_start"),
    ),),
    steps=(
        LibraryStep("Receive the changes", TODO, 10, before_due(6)),
        LibraryStep("Calculate", DOING, 60, before_due(4), ("Receive the changes",),
                    checks=("Revenue payroll notifications read", "USC and PRSI classes", "Illness benefit",
                            "Net pay against last month")),
        review("Review the payroll", 20, before_due(3), ("Calculate",)),
        LibraryStep("Client approves", FILE, 10, before_due(2), ("Review the payroll",)),
        LibraryStep("Report and send payslips", FILE, 15, DueRule("job_due"), ("Client approves",),
                    checks=("Submission accepted by Revenue", "Client told what to pay by the 23rd")),
    ),
)

SERVICES = (VAT3, ACCOUNTS, FORM11, PAYROLL)
