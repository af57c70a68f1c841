"""Issuing a bill: its number, its postings, its facts. What is numbered never changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.approvals.commands import Outdated, close_pending
from app.approvals.models import ApprovalKind
from app.billing.amounts import needs_reason
from app.billing.commands.approving import approve_bill, ask_for_bill, judge_bill
from app.billing.commands.items import items_by_id, set_items, settle_days_of
from app.billing.commands.numbering import give_number
from app.billing.commands.paper import check_paper, tried_facts
from app.billing.commands.recipients import bill_recipients, refuse_unreachable
from app.billing.commands.settling import settle_invoice
from app.billing.commands.taxes import TaxChanged, refuse_other_tax, sums_of_taxes
from app.billing.commands.totals import charges_entries, hold_bill, items_on, lines_of, open_draft, recompute
from app.billing.facts import exchange_facts
from app.billing.models import Invoice, InvoiceItem, InvoiceLine, InvoiceState, LineKind, Treatment
from app.billing.policy import can_approve
from app.core import clock
from app.core.actors import SYSTEM, Actor
from app.core.clock import now
from app.core.db import check_version, db, transaction
from app.core.errors import Refused
from app.core.permissions import authorize
from app.core.queue import enqueue
from app.core.wording import full_day
from app.firm.models import Entity
from app.ledger.books import Books
from app.ledger.commands import Leg, post, refuse_closed
from app.ledger.models import Account, TransactionKind
from app.ledger.queries import Exchange, rate_on
from app.timekeeping.commands.wip import Item, Place, standings, wip_legs
from app.timekeeping.models import Expense, ItemState, TimeEntry, item_state

ZERO = Decimal(0)
FIXED_FEE = "Fixed fee"


def approve_invoice(
    invoice: Invoice,
    *,
    by: Actor,
    issued_on: dt.date | None = None,
    version: int | None = None,
    send: bool = False,
    reason: str = "",
    asked: UUID | None = None,
    without_address: bool = False,
) -> Invoice:
    """Approve = issue = give the number, in one transaction; the WIP, the receivable, revenue and tax are posted.

    With `send` it is mailed as soon as its PDF is kept. `without_address` lets it go out without a postal address where
    the law allows that. Pressing twice issues once. Raises Refused with what lacks.
    Above the limit of whoever presses it is not issued: its approval is asked for, and it has no number yet.
    `asked` names the request that is answered, where one is (who asked has answered for the addresses); Outdated when
    the bill is not what it asked for.
    """
    authorize(by, can_approve, invoice)
    day = issued_on or clock.today()
    try:
        bare = without_address or asked is not None
        return _issue(invoice, day, by=by, version=version, send=send, reason=reason, asked=asked, bare=bare)
    except Outdated:
        with transaction():  # what was asked for is no more; the draft stands as it is
            open_draft(invoice)
            close_pending(ApprovalKind.BILL, invoice.id, "the bill has changed", by=by)
        raise
    except TaxChanged:
        with transaction():  # what was refused is undone; the draft is shown with the tax that holds now
            open_draft(invoice)
            recompute(invoice, day)
            record("billing.invoice.retax", invoice, by=by, gross=invoice.gross, currency=invoice.currency,
                   topics=("invoices",))
        raise


def _issue(
    invoice: Invoice, day: dt.date, *, by: Actor, version: int | None, send: bool, reason: str,
    asked: UUID | None, bare: bool,
) -> Invoice:
    with transaction() as session:
        hold_bill(invoice, entries=None)
        if invoice.number is not None:
            return invoice
        check_version(invoice, version)
        invoice.reason = reason.strip() or invoice.reason
        shown = sums_of_taxes(lines_of(invoice))
        recompute(invoice, day)
        lines = lines_of(invoice)
        refuse_other_tax(invoice, shown, sums_of_taxes(lines))
        entity = session.get_one(Entity, invoice.entity_id)
        rows = items_on(invoice)
        check_paper(invoice, lines, day, without_address=bare)
        _check_reason(invoice, lines, rows)
        if send:
            refuse_unreachable(bill_recipients(invoice.payer_id))
        judged = judge_bill(invoice, lines, rows, day, by=by, asked=asked)
        if not judged.within and asked is not None:
            raise Refused(f"{judged.why_not} Somebody else has to approve it.")
        if not judged.within:
            ask_for_bill(invoice, lines, rows, judged, by=by)
            return invoice
        freed = {row.item_id for row in rows if row.treatment is not Treatment.LATER}
        rows = _without_later(rows)
        freed -= {row.item_id for row in rows}
        items = items_by_id([row.item_id for row in rows], seen_by=SYSTEM)
        _refuse_moved(rows, items)
        _refuse_other_sums(lines, rows)
        invoice.approved_by, invoice.approved_at = by.person_id, now()
        invoice.send_wanted_by = by.person_id if send else None
        facts = tried_facts(invoice, lines, day)
        approval = approve_bill(invoice, lines, rows, facts, judged, by=by, asked=asked)
        number = give_number(invoice, day)
        refuse_closed(invoice.entity_id, day, field="issued_on", what="a bill")
        books, exchange = Books(entity.id, entity.currency), rate_on(invoice.currency, entity.currency, day)
        _post_wip(invoice, rows, items, books, exchange, by=by)
        _post_receivable(invoice, lines, books, exchange, by=by)
        _settle_items(rows, items)
        with session.no_autoflush:  # number, state and facts are written in one statement: after it, nothing changes
            invoice.number = number
            invoice.state = InvoiceState.APPROVED
            invoice.facts = facts | {"number": number} | exchange_facts(entity, exchange)
        settle_invoice(invoice.id)
        record(
            "billing.invoice.approve",
            invoice,
            by=by,
            number=invoice.number,
            gross=invoice.gross,
            currency=invoice.currency,
            topics=("wip", "invoices"),
            covers=[("bill", invoice.id), ("bill_life", invoice.id), ("billed_work", invoice.id),
                    ("approval", approval.id)],
        )
        settle_days_of(freed, by=by)
        enqueue("billing.keep_pdf", invoice_id=str(invoice.id))
        return invoice


def _without_later(rows: Sequence[InvoiceItem]) -> list[InvoiceItem]:
    """Entries that are left for later, or carried as a whole, are no part of what is issued: they are open WIP."""
    left = [row for row in rows if row.treatment is Treatment.LATER or (row.carried and not row.billed)]
    set_items([row.item_id for row in left if row.treatment is not Treatment.LATER], state=ItemState.OPEN)
    for row in left:
        db.session.delete(row)
    return [row for row in rows if row not in left]


def _refuse_moved(rows: Sequence[InvoiceItem], items: Mapping[UUID, Item]) -> None:
    """What was taken onto the draft is still what and where it was; nothing that is locked moves, so this is a wall."""
    for row in rows:
        item = items[row.item_id]
        here = (row.client_id, row.engagement_id, row.currency)
        if (item.client_id, item.engagement_id, item.currency) != here or item.open_value != row.value:
            raise Refused(
                f"An entry of {full_day(item.worked_on)} is not what this draft took any more; "
                "take it off the draft and add it again."
            )


def _refuse_other_sums(lines: Sequence[InvoiceLine], rows: Sequence[InvoiceItem]) -> None:
    """A line charges what is billed of its entries; drafts of an older release may hold one that does not."""
    for line in lines:
        billed = [row.billed for row in rows if row.line_id == line.id and row.treatment is Treatment.BILL]
        if (billed or charges_entries(line)) and line.net != sum(billed, ZERO):
            raise Refused(
                f"“{line.description}” is not what is billed of its entries. Set its amount again, or take it off."
            )


def _check_reason(invoice: Invoice, lines: Sequence[InvoiceLine], rows: Sequence[InvoiceItem]) -> None:
    if needs_reason(lines, rows) and not invoice.reason:
        raise Refused(
            "This bill is not what the time is worth. Say why the difference is written off or on.", field="reason"
        )


def _post_wip(
    invoice: Invoice, rows: Sequence[InvoiceItem], items: Mapping[UUID, Item], books: Books, exchange: Exchange, *,
    by: Actor,
) -> None:
    """Write off and on, then take what is billed out of WIP: three transactions for the whole bill. The rest stays."""
    moves: dict[TransactionKind, list[Leg]] = {
        kind: [] for kind in (TransactionKind.WRITTEN_OFF, TransactionKind.WRITTEN_ON, TransactionKind.BILLED)
    }
    stand = standings([items[row.item_id] for row in rows], books)

    def legs_of(item: Item, change: Decimal) -> list[Leg]:
        its = stand.get(item.id)
        return wip_legs(_place(item, change), its.move(change, exchange.rate, books.currency) if its else None)

    for row in rows:
        item = items[row.item_id]
        if row.written:
            kind = TransactionKind.WRITTEN_OFF if row.written < 0 else TransactionKind.WRITTEN_ON
            moves[kind] += legs_of(item, row.written)
        moves[TransactionKind.BILLED] += legs_of(item, -row.billed)
    assert invoice.issued_on is not None
    for kind, legs in moves.items():
        post(
            kind,
            legs,
            by=by,
            currency=invoice.currency,
            books=books,
            source=invoice,
            happened_on=invoice.issued_on,
            rate=exchange,
            reason="" if kind is TransactionKind.BILLED else invoice.reason or FIXED_FEE,
        )


def _place(item: Item, amount: Decimal) -> Place:
    return Place(item.client_id, item.engagement_id, item.id, item.worked_on, amount, item.currency)


def _post_receivable(
    invoice: Invoice, lines: Sequence[InvoiceLine], books: Books, exchange: Exchange, *, by: Actor
) -> None:
    """What the payer owes, for each engagement apart, against revenue and tax."""
    owed: dict[UUID | None, Decimal] = {}
    for line in lines:
        owed[line.engagement_id] = owed.get(line.engagement_id, ZERO) + line.net + line.tax
    legs = [
        Leg(
            account=Account.RECEIVABLE,
            amount=gross,
            client_id=invoice.payer_id,
            engagement_id=engagement_id,
            invoice_id=invoice.id,
            aged_on=invoice.due_on,
        )
        for engagement_id, gross in owed.items()
    ]
    for line in lines:
        account = Account.RECOVERED if line.kind is LineKind.EXPENSE else Account.REVENUE
        key: dict[str, Any] = {
            "client_id": line.client_id,
            "engagement_id": line.engagement_id,
            "invoice_id": invoice.id,
        }
        legs.append(Leg(account=account, amount=-line.net, **key))
        legs.append(Leg(account=Account.TAX, amount=-line.tax, **key))
    assert invoice.issued_on is not None
    post(
        TransactionKind.ISSUED,
        legs,
        by=by,
        currency=invoice.currency,
        books=books,
        source=invoice,
        happened_on=invoice.issued_on,
        rate=exchange,
    )


_SETTLE = """
    UPDATE {table} item SET billed = item.billed + taken.billed, written = item.written + taken.written,
        open_value = item.open_value + taken.written - taken.billed, state = taken.state,
        version = item.version + 1, updated_at = :at
    FROM unnest(CAST(:ids AS uuid[]), CAST(:billed AS numeric[]), CAST(:written AS numeric[]), CAST(:states AS text[]))
        AS taken (id, billed, written, state)
    WHERE item.id = taken.id
"""
_SETTLE_IN = {table: sa.text(_SETTLE.format(table=table.__tablename__)) for table in (TimeEntry, Expense)}


def _settle_items(rows: Sequence[InvoiceItem], items: Mapping[UUID, Item]) -> None:
    """The items leave WIP, but for what is carried. They are locked and posted, so one statement per table."""
    db.session.execute(
        sa.update(InvoiceItem)
        .where(InvoiceItem.invoice_id.in_({row.invoice_id for row in rows}))
        .values(issued=True)
        .execution_options(synchronize_session="fetch")
    )
    for table, statement in _SETTLE_IN.items():
        mine = [row for row in rows if row.item_kind == table.__tablename__]
        if not mine:
            continue
        columns = {
            "ids": [row.item_id for row in mine],
            "billed": [row.billed for row in mine],
            "written": [row.written for row in mine],
            "states": [_state_after(row, items[row.item_id]).value for row in mine],
        }
        db.session.flush()
        db.session.connection().execute(statement, {**columns, "at": now()})
        for row in mine:
            db.session.expire(items[row.item_id])


def _state_after(row: InvoiceItem, item: Item) -> ItemState:
    written = item.written + row.written
    on_bill = row.treatment is Treatment.BILL or written == 0
    return item_state(row.carried, written, item.billed + row.billed, on_bill=on_bill)
