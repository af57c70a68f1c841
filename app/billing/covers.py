"""What the events of bills and payments vouch for."""

from __future__ import annotations

from app.activity.covers import Cover, Part, all_but, cover
from app.billing.models import Allocation, Invoice, InvoiceItem, InvoiceLine, Payment
from app.timekeeping.models import Expense, TimeEntry

BILL_NAME = "coalesce(x.number, x.id::text)"
# What happens to a bill after it was issued; everything else about it never changes.
LIFE = ("due_on", "pdf_key", "pdf_sha256", "sent_at", "state")
KEPT_COPIES = (
    "open_amount", "paper_error", "paper_failed_at", "send_wanted_by", "updated_at", "version", "viewed_at",
)  # fmt: skip

cover(
    Cover(
        kind="bill",
        version=1,
        called="bill",
        model=Invoice,
        columns=all_but(Invoice, *LIFE, *KEPT_COPIES),
        name=BILL_NAME,
        where="x.number IS NOT NULL",
        fixed=True,
        parts=(
            Part(
                InvoiceLine,
                all_but(InvoiceLine),
                "FROM invoice_line p WHERE p.invoice_id = x.id",
                "p.position, p.id",
            ),
            Part(
                InvoiceItem,
                all_but(InvoiceItem, "live"),
                "FROM invoice_item p WHERE p.invoice_id = x.id",
                "p.item_id",
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
        columns=("id", *LIFE),
        name=BILL_NAME,
        where="x.number IS NOT NULL",
    )
)
# While a bill stands, the work behind it is what it was when it was billed.
_WORK = ("billable", "client_id", "currency", "engagement_id", "id", "narrative", "person_id", "value", "worked_on")
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
                (*_WORK, "activity", "charged", "rate", "recorded", "work_role"),
                "FROM time_entry p JOIN invoice_item i ON i.item_id = p.id WHERE i.invoice_id = x.id",
                "p.id",
            ),
            Part(
                Expense,
                (*_WORK, "category", "mark_up_percent", "net", "tax"),
                "FROM expense p JOIN invoice_item i ON i.item_id = p.id WHERE i.invoice_id = x.id",
                "p.id",
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
        columns=all_but(Payment, "updated_at", "version"),
        name="x.id::text",
        parts=(
            Part(
                Allocation,
                all_but(Allocation),
                "FROM allocation p WHERE p.payment_id = x.id",
                "p.id",
            ),
        ),
    )
)
