"""A bill run: one draft per client, each in a transaction of its own, found again after anything."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from uuid import UUID

from app.billing.commands.drafts import DraftFacts, create_draft
from app.billing.commands.issue import approve_invoice
from app.billing.policy import can_draft, can_run_bills
from app.billing.queries.aged import WipFilter
from app.billing.queries.billable import list_billable
from app.core.actors import Actor
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.core.wording import amount, full_day
from app.firm.models import Grouping
from app.runs.commands import Skip, start_run, works
from app.runs.models import Run, RunItem

KIND = "billing.bill_run"


def start_bill_run(
    run_id: UUID,
    until: dt.date,
    *,
    by: Actor,
    excluded: Collection[str] = (),
    grouping: Grouping | None = None,
    approve: bool = False,
    found: WipFilter | None = None,
) -> Run:
    """Draft a bill for every client with open time, but for `excluded` (keys of Billable).

    Without `grouping` each has lines as agreed with its client. `found` narrows the run to some clients. With
    `approve` each bill is issued at once. The same id with the same facts gives the run that is there.
    """
    authorize(by, can_run_bills, approve)
    said = digest_of(until, frozenset(excluded), grouping, approve, found)
    if (existing := made_before(Run, run_id, said, seen=lambda row: row.kind == KIND)) is not None:
        return existing
    chosen = [row for row in list_billable(until, seen_by=by, found=found) if row.key not in excluded]
    if not chosen:
        raise Refused("No client is left to bill up to that day.", field="until")
    items = [
        (
            row.client,
            {
                "invoice_id": str(new_id()),
                "client_id": str(row.client_id),
                "engagement_ids": [str(engagement_id) for engagement_id in row.engagement_ids],
            },
        )
        for row in chosen
    ]
    options = {"until": until.isoformat(), "grouping": grouping.value if grouping else "", "approve": approve}
    return start_run(run_id, KIND, f"Bill run up to {full_day(until)}", items, by=by, options=options, said=said)


@works(KIND)
def draft_one(run: Run, item: RunItem, by: Actor) -> dict[str, str]:
    """One client's draft. Its id was given when the run was started, so that doing it twice makes one."""
    authorize(by, can_draft)
    invoice_id = UUID(item.payload["invoice_id"])
    facts = DraftFacts(
        client_id=UUID(item.payload["client_id"]),
        engagement_ids=tuple(UUID(text) for text in item.payload["engagement_ids"]),
        until=dt.date.fromisoformat(run.options["until"]),
        grouping=Grouping(run.options["grouping"]) if run.options["grouping"] else None,
        run_id=run.id,
    )
    try:
        invoice = create_draft(invoice_id, facts, by=by)
    except Refused as refusal:
        raise Skip(refusal.message) from refusal
    gross = f"{amount(invoice.gross, invoice.currency)} {invoice.currency}"
    words = f"{gross}, draft"
    if run.options.get("approve"):
        try:
            approve_invoice(invoice, by=by)
            words = f"{invoice.number}, {gross}" if invoice.number else f"{gross}, approval asked for"
        except Refused as refusal:
            words = f"{words}, not issued: {refusal.message}"
    return {"href": f"/billing/invoices/{invoice_id}", "title": words}
