"""American accounting and tax. The dates come from the statutory table, which cites the Code or regulation of each."""

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
    from_start,
    months_on,
    review,
    upload,
)
from app.catalogue.models import Cadence, WorkRole

ADMIN, PARTNER = WorkRole.ADMINISTRATOR, WorkRole.PARTNER

INDIVIDUAL = LibraryService(
    code="US-1040", name="Form 1040", area="Tax", place="United States", cadence=Cadence.CALENDAR_YEAR,
    description="Individual income tax return and payment by 15 April (IRC 6072(a), 6151(a)); with Form 4868 by "
                "15 October (IRC 6081), the payment staying due in April.",
    title="{client} 1040 for {year}", due=before("US-1040", 7),
    deadlines=(LibraryDeadline("US-1040"), LibraryDeadline("US-1040-EXT")),
    requests=(LibraryRequest(
        "Tax organizer", "Receive the organizer",
        "Please upload your forms; what does not concern you can be marked so.",
        (upload("W-2 forms", required=False), upload("1099 forms", required=False), upload("K-1 forms", required=False),
         upload("Mortgage interest (1098)", required=False), ask("yes_no", "Did your household change this year?"),
         ask("yes_no", "Did you receive, sell or exchange digital assets?"),
         ask("yes_no", "Did you have a foreign bank account?"), ask("amount", "Estimated tax paid", required=False),
         ask("confirmation", "What I gave is complete as far as I know")),
        due=months_on(2),
    ),),
    steps=(
        LibraryStep("Receive the organizer", TODO, 15, months_on(2)),
        LibraryStep("Prepare the return", DOING, 180, before_due(15), ("Receive the organizer",),
                    checks=("Carryovers from last year", "Estimated payments", "Foreign accounts", "State returns")),
        review("Review the return", 45, before_due(10), ("Prepare the return",)),
        LibraryStep("Client signs Form 8879", FILE, 15, before_due(3), ("Review the return",), ADMIN),
        LibraryStep("E-file and save the acknowledgment", FILE, 15, DueRule("job_due"), ("Client signs Form 8879",)),
    ),
)

PARTNERSHIP = LibraryService(
    code="US-1065", name="Form 1065", area="Tax", place="United States", cadence=Cadence.YEAR,
    description="Partnership return and Schedules K-1 on the 15th of the third month after the tax year (IRC 6072(b), "
                "6031(b)); with Form 7004 six months later.",
    title="{client} 1065 {period}", due=before("US-1065", 5),
    deadlines=(LibraryDeadline("US-1065"), LibraryDeadline("US-1065-EXT")),
    requests=(LibraryRequest(
        "Year-end package", "Receive the package", "Please send us the partnership's year-end papers.",
        (upload("Trial balance or access to the books"), upload("Bank and loan statements at the year end"),
         upload("Fixed asset purchases", required=False), ask("yes_no", "Did partners join or leave in the year?"),
         ask("long_text", "Contributions and distributions by partner"),
         upload("Amended partnership agreement", required=False)),
        due=from_end(20),
    ),),
    steps=(
        LibraryStep("Receive the package", TODO, 15, from_end(21)),
        LibraryStep("Close the books", DOING, 240, from_end(30), ("Receive the package",),
                    checks=("Bank agreed", "Loans agreed", "Fixed assets and depreciation", "Guaranteed payments")),
        LibraryStep("Prepare Form 1065 and the K-1s", DOING, 300, before_due(12), ("Close the books",),
                    checks=("Capital accounts on the tax basis", "Section 704(c)", "Schedules K-2 and K-3",
                            "State returns")),
        review("Manager's review", 90, before_due(8), ("Prepare Form 1065 and the K-1s",)),
        review("Partner's review", 30, before_due(5), ("Manager's review",), role=PARTNER),
        LibraryStep("Client signs Form 8879-PE", FILE, 15, before_due(2), ("Partner's review",), ADMIN),
        LibraryStep("E-file and deliver the K-1s", FILE, 30, DueRule("job_due"), ("Client signs Form 8879-PE",), ADMIN),
    ),
)

QUARTERLY_PAYROLL = LibraryService(
    code="US-941", name="Form 941", area="Payroll", place="United States", cadence=Cadence.QUARTER,
    description="Quarterly employment tax return by the last day of the following month (Treas. Reg. "
                "31.6071(a)-1(a)(1)).",
    title="{client} 941 {quarter} {year}", due=before("US-941", 3), deadlines=(LibraryDeadline("US-941"),),
    steps=(
        LibraryStep("Collect the payroll reports", TODO, 15, from_end(5)),
        LibraryStep("Reconcile wages and deposits", DOING, 60, from_end(9), ("Collect the payroll reports",),
                    checks=("Wages agree with the ledger", "Deposits agree with EFTPS", "Schedule B by day")),
        LibraryStep("Prepare Form 941", DOING, 30, from_end(11), ("Reconcile wages and deposits",)),
        review("Review Form 941", 15, before_due(2), ("Prepare Form 941",)),
        LibraryStep("E-file and save the acknowledgment", FILE, 10, DueRule("job_due"), ("Review Form 941",)),
    ),
)

BOOKKEEPING = LibraryService(
    code="BOOKKEEPING-MONTH", name="Monthly bookkeeping", area="Bookkeeping", place="Anywhere", cadence=Cadence.MONTH,
    description="Month-end close within fifteen working days: documents asked for on the first, everything posted and "
                "reconciled, reviewed by someone other than the preparer, reports sent.",
    title="{client} bookkeeping {month} {year}", due=from_end(15),
    requests=(LibraryRequest(
        "Documents of the month", "Receive the documents", "Please send us the documents of the month.",
        (upload("Bank statements"), upload("Credit card statements", required=False), upload("Sales invoices"),
         upload("Bills and receipts"), ask("long_text", "Anything we should know?", required=False)),
        due=from_end(4),
    ),),
    steps=(
        LibraryStep("Receive the documents", TODO, 10, from_start(4)),
        LibraryStep("Post sales and purchases", DOING, 120, from_end(8), ("Receive the documents",)),
        LibraryStep("Reconcile the bank", DOING, 60, from_end(10), ("Post sales and purchases",),
                    checks=("Every account agrees with its statement", "Old uncleared items asked about")),
        LibraryStep("Month-end entries", DOING, 45, from_end(11), ("Reconcile the bank",),
                    checks=("Accruals", "Prepayments", "Depreciation", "Payroll")),
        review("Review the month", 30, from_end(13), ("Month-end entries",)),
        LibraryStep("Send the reports", FILE, 15, DueRule("job_due"), ("Review the month",)),
    ),
)

SERVICES = (BOOKKEEPING, INDIVIDUAL, PARTNERSHIP, QUARTERLY_PAYROLL)
