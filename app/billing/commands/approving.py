"""Approving a bill within one's limits, or asking somebody else to: what of it is judged, and what is approved."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from app.approvals.commands import Matter, Outdated, approve_matter, ask_for_approval, pending_for
from app.approvals.limits import Judged, judge
from app.approvals.models import Approval, ApprovalKind
from app.billing.amounts import given_up
from app.billing.commands.giving_up import given_up_today
from app.billing.facts import facts_of
from app.billing.models import Invoice, InvoiceItem, InvoiceLine, InvoiceState
from app.clients.models import Client
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import Refused
from app.core.wording import amount
from app.firm.models import Entity

Lines = Sequence[InvoiceLine]
Rows = Sequence[InvoiceItem]
Facts = Mapping[str, Any]


def judge_bill(
    invoice: Invoice, lines: Lines, rows: Rows, day: dt.date, *, by: Actor, asked: UUID | None = None
) -> Judged:
    """Its total against the limit for bills; what it gives up, with what whoever acts gave up of the client alone
    today, against the one for write-offs. What was `asked` for is judged by itself: two look at it."""
    off = given_up(lines, rows)
    before = given_up_today(invoice.entity_id, [invoice.client_id], by=by) if off and asked is None else Decimal(0)
    return judge(
        ApprovalKind.BILL, invoice.entity_id, invoice.gross, invoice.currency, day, by=by, written_off=off,
        before=before,
    )  # fmt: skip


def ask_for_bill(invoice: Invoice, lines: Lines, rows: Rows, judged: Judged, *, by: Actor) -> Approval:
    """Let a draft, which is held, wait for somebody who may approve it."""
    entity, payer = db.session.get_one(Entity, invoice.entity_id), db.session.get_one(Client, invoice.payer_id)
    facts = facts_of(invoice, lines, payer, entity)
    before = pending_for(ApprovalKind.BILL, invoice.id)
    matter = _matter(invoice, lines, rows, facts)
    if before is not None and before.digest == matter.digest and before.asked_by != by.person_id:
        raise Refused(f"{judged.why_not} Its approval is asked for already." if not judged.within else
                      "Its approval is asked for already.")  # fmt: skip
    approval = ask_for_approval(matter, judged, by=by)
    invoice.state = InvoiceState.AWAITING
    db.session.flush()
    return approval


def approve_bill(
    invoice: Invoice, lines: Lines, rows: Rows, facts: Facts, judged: Judged, *, by: Actor, asked: UUID | None
) -> Approval:
    """Note who approves what is about to be issued. `asked` is the request that is answered, if one is.

    Raises Outdated, saying what was and what is, when it is not what was asked for.
    """
    pending = pending_for(ApprovalKind.BILL, invoice.id)
    if asked is not None and (pending is None or pending.id != asked):
        raise Refused("Nobody asks for the approval of this bill any more; look at the draft.")
    matter = _matter(invoice, lines, rows, facts)
    if pending is not None and pending.digest != matter.digest:
        said = "; ".join(_changed(pending.facts or {}, facts, invoice.currency))
        raise Outdated(
            f"This bill has changed since its approval was asked for: {said}. The request is closed; it can be asked "
            "for again, or be approved as it is now."
        )
    asker = invoice.drafted_by if pending is None else pending.asked_by
    return approve_matter(matter, judged, by=by, asked_by=asker, tell=pending is not None)


def invoice_asker(invoice: Invoice) -> UUID | None:
    """Who asked for the approval that is pending, if one is."""
    pending = pending_for(ApprovalKind.BILL, invoice.id)
    return pending.asked_by if pending else None


def _matter(invoice: Invoice, lines: Lines, rows: Rows, facts: Facts) -> Matter:
    db.session.flush()
    digest = db.session.scalar(
        sa.select(sa.func.digest_of_bill(invoice.id, sa.literal(dict(facts), JSONB)))
    )
    return Matter(
        kind=ApprovalKind.BILL, subject_id=invoice.id, entity_id=invoice.entity_id, client_id=invoice.client_id,
        client_ids=frozenset({invoice.client_id, invoice.payer_id}),
        engagement_ids=frozenset(line.engagement_id for line in lines if line.engagement_id),
        currency=invoice.currency, amount=invoice.gross, written_off=given_up(lines, rows), digest=bytes(digest or b""),
        facts=facts,
    )  # fmt: skip


def _changed(old: Facts, new: Facts, currency: str) -> list[str]:
    """What is not what it was, each as old → new; at most four of them."""

    def money(text: object) -> str:
        return f"{amount(_number(text), currency)} {currency}"

    said = []
    for name, words in (("gross", "total"), ("net", "net"), ("tax", "tax")):
        if _number(old.get(name)) != _number(new.get(name)):
            said.append(f"{words} {money(old.get(name))} → {money(new.get(name))}")
    payer, now = old.get("buyer", {}).get("name"), new["buyer"]["name"]
    if payer != now:
        said.append(f"payer {payer} → {now}")
    lines, others = old.get("lines", []), new["lines"]
    if len(lines) != len(others):
        said.append(f"{len(lines)} lines → {len(others)}")
    else:
        for before, after in zip(lines, others, strict=True):
            if before["description"] != after["description"]:
                said.append(f"“{before['description'][:60]}” → “{after['description'][:60]}”")
            if _number(before["net"]) != _number(after["net"]):
                said.append(f"“{after['description'][:60]}” {money(before['net'])} → {money(after['net'])}")
    if old.get("note") != new.get("note"):
        said.append(f"note “{str(old.get('note'))[:60]}” → “{str(new.get('note'))[:60]}”")
    return said[:4] or ["what it does with its entries, or what it prints beside its lines"]


def _number(text: object) -> Decimal:
    return Decimal(str(text or 0))
