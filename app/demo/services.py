"""What the demo firm sells beside what the library holds, and how long the library's own services take it."""

from __future__ import annotations

from dataclasses import replace

from app.catalogue.due_rules import DueRule
from app.catalogue.library import find_library_service
from app.catalogue.library.shape import (
    DOING,
    FILE,
    TODO,
    LibraryRequest,
    LibraryService,
    LibraryStep,
    before_due,
    from_end,
    months_on,
    review,
    upload,
)
from app.catalogue.models import Cadence, WorkRole

MANAGER, PARTNER = WorkRole.REVIEWER, WorkRole.PARTNER

AUDIT = LibraryService(
    code="AUDIT", name="Statutory audit", area="Audit", place="Anywhere", cadence=Cadence.YEAR,
    description="Audit of the year's accounts, from planning to the signed report.",
    title="{client} audit {period}", due=months_on(8),
    requests=(LibraryRequest(
        "Audit file", "Plan the audit", "We begin to plan the audit of your year; please send us what is ready.",
        (upload("Trial balance"), upload("Bank confirmation letter"), upload("Minutes of the board"),
         upload("Fixed asset register", required=False)),
        due=months_on(2),
    ),),
    steps=(
        LibraryStep("Plan the audit", TODO, 960, months_on(2), role=MANAGER),
        LibraryStep("Test controls", DOING, 1800, months_on(3), ("Plan the audit",)),
        LibraryStep("Attend the stock count", DOING, 480, months_on(3), ("Plan the audit",)),
        LibraryStep("Test revenue and receivables", DOING, 2400, months_on(4), ("Test controls",)),
        LibraryStep("Test purchases and payables", DOING, 1920, months_on(4), ("Test controls",)),
        LibraryStep("Test payroll, tax and reserves", DOING, 1440, months_on(5), ("Test controls",)),
        LibraryStep("Complete the file", DOING, 1200, months_on(6), ("Test revenue and receivables",
                    "Test purchases and payables", "Test payroll, tax and reserves", "Attend the stock count")),
        LibraryStep("Meet the directors", FILE, 240, months_on(7), ("Complete the file",), MANAGER),
        review("Partner's review", 480, before_due(8), ("Complete the file",), role=PARTNER),
        LibraryStep("Sign the report", FILE, 60, DueRule("job_due"), ("Partner's review", "Meet the directors"),
                    PARTNER),
    ),
)

MANAGEMENT_ACCOUNTS = LibraryService(
    code="MANAGEMENT-ACCOUNTS", name="Management accounts", area="Advisory", place="Anywhere", cadence=Cadence.QUARTER,
    description="Figures of the quarter with a commentary for the board, within five weeks.",
    title="{client} management accounts {period}", due=from_end(25),
    steps=(
        LibraryStep("Draft the figures", DOING, 720, from_end(12)),
        LibraryStep("Write the commentary", DOING, 300, from_end(17), ("Draft the figures",)),
        LibraryStep("Update the forecast", DOING, 360, from_end(18), ("Draft the figures",)),
        review("Manager's review", 150, from_end(21), ("Write the commentary", "Update the forecast")),
        LibraryStep("Present to the board", FILE, 240, DueRule("job_due"), ("Manager's review",), PARTNER),
    ),
)

PROJECT = LibraryService(
    code="FUNDING-PROJECT", name="Business plan and funding", area="Advisory", place="Anywhere", cadence=Cadence.YEAR,
    description="A plan and a model that a bank or an investor can read.",
    title="{client} business plan {period}", due=months_on(5), start=from_end(10),
    steps=(
        LibraryStep("Understand the business", TODO, 600, months_on(1), role=MANAGER),
        LibraryStep("Build the model", DOING, 1800, months_on(2), ("Understand the business",)),
        LibraryStep("Write the plan", DOING, 1200, months_on(3), ("Build the model",)),
        LibraryStep("Test the assumptions", DOING, 600, months_on(3), ("Build the model",), MANAGER),
        review("Partner's review", 240, months_on(4), ("Write the plan", "Test the assumptions"), role=PARTNER),
        LibraryStep("Meet the bank", FILE, 240, DueRule("job_due"), ("Partner's review",), PARTNER),
    ),
)

# The library's estimates are those of a small client; the firm has said its own for the large steps.
OWN_MINUTES = {
    "Bookkeeping to trial balance": 1500, "Draft the accounts": 900, "Tax computation and CT600": 420,
    "Tax computation and CT1": 420, "Manager's review": 240, "Partner's review": 120,
    "Post sales and purchases": 540, "Reconcile the bank": 180, "Month-end entries": 150, "Review the month": 60,
    "Post and reconcile": 330, "Prepare the return": 90, "Prepare the VAT3": 90, "Calculate": 120,
}
LIBRARY = {
    "v": ("UK-VAT-QUARTER", "IE-VAT3-HALF"),
    "a": ("UK-ACCOUNTS-CT", "IE-ACCOUNTS-CT1"),
    "p": ("UK-PAYROLL", "IE-PAYROLL-MONTH"),
    "b": ("BOOKKEEPING-MONTH", "BOOKKEEPING-MONTH"),
    "s": ("UK-SELF-ASSESSMENT", "IE-FORM11"),
}
OWN = {"u": AUDIT, "m": MANAGEMENT_ACCOUNTS, "r": PROJECT}
BILLED_AT_THE_END = (AUDIT.code, PROJECT.code)


def as_sold(code: str) -> LibraryService:
    """A service of the library with the firm's own estimates."""
    ready = find_library_service(code)
    assert ready is not None
    steps = (replace(step, minutes=OWN_MINUTES.get(step.name, step.minutes)) for step in ready.steps)
    return replace(ready, steps=tuple(steps))


TIMES_A_YEAR = {
    Cadence.MONTH: 12, Cadence.PAYROLL: 12, Cadence.QUARTER: 4, Cadence.VAT_QUARTER: 4, Cadence.HALF_YEAR: 2,
}
SOLD = (*(as_sold(code) for codes in LIBRARY.values() for code in codes), *OWN.values())
HOURS_A_YEAR = {
    each.code: TIMES_A_YEAR.get(each.cadence, 1) / 60
    * sum(step.minutes for step in each.steps if step.role is WorkRole.PREPARER)
    for each in SOLD
}
