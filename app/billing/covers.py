"""What the events of bills and payments vouch for."""

from __future__ import annotations

from app.activity.covers import Cover, Part, cover
from app.approvals.models import Approval
from app.billing.models import Allocation, Invoice, InvoiceItem, InvoiceLine, Payment
from app.timekeeping.models import Expense, TimeEntry, WriteOffItem

BILL_NAME = "coalesce(x.number, x.id::text)"
BILL_1 = (
    "allowance", "allowance_reason", "approved_at", "approved_by", "charge", "charge_reason", "client_id",
    "created_at", "credits_id", "currency", "drafted_by", "entity_id", "facts", "gross", "grouping", "id",
    "issued_on", "kind", "made_from", "net", "note", "number", "payer_id", "prepaid", "reason", "run_id", "tax",
    "tax_mode", "terms_days", "until_on",
)  # fmt: skip
LINE_1 = (
    "allowance", "allowance_reason", "arrangement_id", "charge", "charge_reason", "client_id", "credited_line_id",
    "currency", "decimals", "description", "drawn", "engagement_id", "id", "invoice_id", "kind", "made_from", "net",
    "position", "quantity", "rest", "supplied_on", "tax", "tax_category", "tax_code", "tax_legend", "tax_percent",
    "tax_treatment", "unit", "unit_price",
)  # fmt: skip
ITEM_1 = (
    "billed", "carried", "client_id", "currency", "engagement_id", "invoice_id", "issued", "item_id", "item_kind",
    "line_id", "treatment", "value", "written",
)  # fmt: skip
# What happens to a bill after it was issued; everything else about it never changes.
LIFE_1 = ("due_on", "pdf_key", "pdf_sha256", "sent_at", "state")
_WORK_1 = ("billable", "client_id", "currency", "engagement_id", "id", "narrative", "person_id", "value", "worked_on")
ENTRY_1 = (*_WORK_1, "activity", "charged", "rate", "recorded", "work_role")
EXPENSE_1 = (*_WORK_1, "category", "mark_up_percent", "net", "tax")
PAYMENT_1 = (
    "amount", "client_id", "created_at", "currency", "entity_id", "id", "made_from", "method", "received_on",
    "recorded_by", "reference", "reversed_at", "reversed_reason", "transaction_id",
)  # fmt: skip
ALLOCATION_1 = ("allocated_on", "amount", "id", "invoice_id", "payment_id", "reversed_at", "transaction_id")
WRITE_OFF_1 = (
    "amount", "approval_id", "client_id", "engagement_id", "item_id", "item_kind", "open_value", "transaction_id",
)  # fmt: skip

ROW = dict.fromkeys(("updated_at", "version"), "counts the row's edits and says nothing of money")
COURSE = ROW | {
    "open_amount": "a kept copy, equal to what is posted: billing.open_amounts",
    "paper_error": "how making the paper went; the next try writes it again",
    "paper_failed_at": "how making the paper went; the next try writes it again",
    "send_wanted_by": "waits for the next send",
    "viewed_at": "when the payer first looked; nothing follows from it",
}
WORK_LEFT_OUT = ROW | {
    "billed": "what standing bills took, held to their items by the database",
    "created_at": "when it was typed, not when it was done",
    "deleted_at": "what a bill took cannot be deleted: the database holds it to its items",
    "hold_reason": "why it is not billed yet",
    "job_id": "where it is filed; the bill goes by the engagement",
    "made_from": "compares a form that comes twice",
    "open_value": "follows from value, written and billed",
    "state": "follows from its figures",
    "task_id": "where it is filed; the bill goes by the engagement",
    "waiting": "what is billed waits for no rate",
    "written": "equal to its postings: billing.figures_of_items",
}
ENTRY_LEFT_OUT = WORK_LEFT_OUT | {
    "rate_id": "the rate itself is covered",
    "rate_source": "the rate itself is covered",
    "rejoined_at": "drafts ask by it what they do not hold yet",
    "rounding": "the charged time itself is covered",
    "split_from_id": "both parts are covered by what they say now",
    "timer_id": "the recorded time itself is covered",
}
EXPENSE_LEFT_OUT = WORK_LEFT_OUT | {
    "bill_tax": "the tax of the bill is covered with its line, and what its paper says with its facts",
    "document_id": "the receipt is covered as a document",
    "evidence": "told of by the expense's own events",
    "receipt_name": "told of by the expense's own events",
    "tax_code": "the tax of the bill is covered with its line",
}

cover(
    Cover(
        kind="bill",
        version=1,
        called="bill",
        model=Invoice,
        columns=BILL_1,
        name=BILL_NAME,
        where="x.number IS NOT NULL",
        fixed=True,
        left_out=COURSE | dict.fromkeys(LIFE_1, "told of by the bill's life"),
        parts=(
            Part(InvoiceLine, LINE_1, "FROM invoice_line p WHERE p.invoice_id = x.id", "p.position, p.id"),
            Part(
                InvoiceItem,
                ITEM_1,
                "FROM invoice_item p WHERE p.invoice_id = x.id",
                "p.item_id",
                left_out={"live": "follows from the bill's state, which its life tells of"},
            ),
        ),
    )
)
cover(
    Cover(
        kind="bill_life",
        version=1,
        called="state, date due or PDF of bill",
        model=Invoice,
        columns=("id", *LIFE_1),
        name=BILL_NAME,
        where="x.number IS NOT NULL",
        left_out=COURSE | {name: "told of by the bill, once and for all" for name in BILL_1 if name != "id"},
    )
)
# While a bill stands, the work behind it is what it was when it was billed.
cover(
    Cover(
        kind="billed_work",
        version=1,
        called="work behind bill",
        model=Invoice,
        columns=("id",),
        name=BILL_NAME,
        where="x.kind = 'invoice' AND x.state IN ('approved', 'sent')",
        parts=(
            Part(
                TimeEntry,
                ENTRY_1,
                "FROM time_entry p JOIN invoice_item i ON i.item_id = p.id WHERE i.invoice_id = x.id",
                "p.id",
                left_out=ENTRY_LEFT_OUT,
            ),
            Part(
                Expense,
                EXPENSE_1,
                "FROM expense p JOIN invoice_item i ON i.item_id = p.id WHERE i.invoice_id = x.id",
                "p.id",
                left_out=EXPENSE_LEFT_OUT,
            ),
        ),
    )
)
cover(
    Cover(
        kind="payment",
        version=1,
        called="payment",
        model=Payment,
        columns=PAYMENT_1,
        name="x.id::text",
        left_out=ROW,
        parts=(Part(Allocation, ALLOCATION_1, "FROM allocation p WHERE p.payment_id = x.id", "p.id"),),
    )
)
# What was asked or done about each entry of a write-off; that it was posted comes later.
cover(
    Cover(
        kind="write_off",
        version=1,
        called="entries of write-off",
        model=Approval,
        columns=("id",),
        name="x.id::text",
        where="x.kind = 'write_off'",
        parts=(Part(WriteOffItem, WRITE_OFF_1, "FROM write_off_item p WHERE p.approval_id = x.id", "p.item_id"),),
    )
)
