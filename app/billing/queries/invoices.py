"""Invoices: the list, one bill, what stands behind its lines, and the words for where it stands."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import joinedload, selectinload

from app.activity.models import Event
from app.billing.models import Invoice, InvoiceKind, InvoiceState
from app.billing.numbers import number_found
from app.billing.policy import can_approve, can_see_invoices
from app.billing.sight import bills_seen_by
from app.clients.models import Client
from app.clients.queries import client_named
from app.core import clock
from app.core.actors import Actor
from app.core.db import db, get_or_404
from app.core.errors import NotFound
from app.ledger.ageing import OWED_AGES
from app.ledger.models import Account
from app.ledger.queries import of_age

PER_PAGE = 50
PENDING = (InvoiceState.DRAFT, InvoiceState.AWAITING)
STANDING = (InvoiceState.APPROVED, InvoiceState.SENT)


class Standing(enum.StrEnum):
    """Where a bill stands, in the words that people use; derived, never stored."""

    DRAFT = "draft"
    AWAITING = "awaiting approval"
    APPROVED = "approved"
    SENT = "sent"
    PART_PAID = "part paid"
    PAID = "paid"
    OVERDUE = "overdue"
    VOID = "void"
    CREDIT_NOTE = "credit note"

    @property
    def meaning(self) -> str:
        """One of the four meanings of colour, or none."""
        return {"overdue": "late", "paid": "done", "awaiting approval": "risk", "void": "quiet"}.get(self.value, "")


def standing_of(invoice: Invoice, on: dt.date | None = None) -> Standing:
    """Paid and part paid come from what its postings leave open; overdue from the day."""
    if invoice.kind is InvoiceKind.CREDIT_NOTE:
        return Standing.CREDIT_NOTE
    if invoice.state not in STANDING:
        return {
            InvoiceState.DRAFT: Standing.DRAFT,
            InvoiceState.AWAITING: Standing.AWAITING,
            InvoiceState.VOID: Standing.VOID,
        }[invoice.state]
    if invoice.open_amount == 0:
        return Standing.PAID
    if invoice.due_on is not None and invoice.due_on < (on or clock.today()):
        return Standing.OVERDUE
    if invoice.open_amount < invoice.gross:
        return Standing.PART_PAID
    return Standing.SENT if invoice.state is InvoiceState.SENT else Standing.APPROVED


@dataclass(frozen=True, kw_only=True)
class InvoiceFilter:
    """What the list is narrowed to. `standing` is one of STANDINGS, or nothing for every issued bill.

    Of a client are the bills for it and those that it pays; `payer_id` means what it owes alone. `age` is the number of
    a column of receivables.
    """

    standing: str = ""
    text: str = ""
    client_id: UUID | None = None
    payer_id: UUID | None = None
    run_id: UUID | None = None
    currency: str = ""
    age: int | None = None


STANDINGS = ("pending", "draft", "awaiting", "open", "overdue", "paid", "void", "credit", "failed")


def _narrowed(found: InvoiceFilter, seen_by: Actor) -> list[sa.ColumnElement[bool]]:
    if not can_see_invoices(seen_by):
        raise NotFound()
    bills, standing = Invoice.kind == InvoiceKind.INVOICE, Invoice.state.in_(STANDING)
    narrow: dict[str, list[sa.ColumnElement[bool]]] = {
        "pending": [bills, Invoice.state.in_(PENDING)],
        "draft": [bills, Invoice.state == InvoiceState.DRAFT],
        "awaiting": [bills, Invoice.state == InvoiceState.AWAITING],
        "open": [bills, standing, Invoice.open_amount > 0],
        "overdue": [bills, standing, Invoice.open_amount > 0, Invoice.due_on < clock.today()],
        "paid": [bills, standing, Invoice.open_amount == 0],
        "void": [bills, Invoice.state == InvoiceState.VOID],
        "credit": [Invoice.kind == InvoiceKind.CREDIT_NOTE],
        "failed": [Invoice.paper_failed_at.is_not(None)],
    }
    conditions = narrow.get(found.standing, [Invoice.number.is_not(None)])
    conditions += bills_seen_by(seen_by)
    if found.text:
        conditions.append(sa.or_(number_found(found.text), client_named(found.text)))
    if found.client_id:
        conditions.append(sa.or_(Invoice.client_id == found.client_id, Invoice.payer_id == found.client_id))
    if found.payer_id:
        conditions.append(Invoice.payer_id == found.payer_id)
    if found.run_id:
        conditions.append(Invoice.run_id == found.run_id)
    if found.currency:
        conditions.append(Invoice.currency == found.currency)
    if found.age is not None and found.age < len(OWED_AGES):
        conditions += of_age(Account.RECEIVABLE, found.age, clock.today(), Invoice.due_on)
    return conditions


@dataclass(frozen=True)
class InvoicePage:
    """Rows with their client; totals per currency of what is listed: (currency, billed, open, count, credited)."""

    rows: Sequence[Invoice]
    totals: Sequence[sa.Row[str, Decimal, Decimal, int, Decimal]]
    page: int

    @property
    def total(self) -> int:
        return sum(int(row[3]) for row in self.totals)

    @property
    def has_next(self) -> bool:
        return self.page * PER_PAGE < self.total


SORTS = {
    "number": (Invoice.issued_on, Invoice.number, Invoice.id),
    "due": (Invoice.due_on, Invoice.id),
    "client": (Client.sort_key, Invoice.issued_on, Invoice.id),
    "amount": (Invoice.gross, Invoice.id),
    "open": (Invoice.open_amount, Invoice.id),
    "created": (Invoice.created_at, Invoice.id),
}


def list_invoices(
    found: InvoiceFilter = InvoiceFilter(), *, seen_by: Actor, sort: str = "-number", page: int = 1
) -> InvoicePage:
    """One page of bills with client and entity: two queries whatever it holds."""
    conditions = _narrowed(found, seen_by)
    totals = db.session.execute(
        sa.select(
            Invoice.currency,
            sa.func.coalesce(sa.func.sum(Invoice.gross).filter(Invoice.kind == InvoiceKind.INVOICE), 0),
            sa.func.sum(Invoice.open_amount),
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(Invoice.gross).filter(Invoice.kind == InvoiceKind.CREDIT_NOTE), 0),
        )
        .join(Client, Client.id == Invoice.client_id)
        .where(*conditions)
        .group_by(Invoice.currency)
        .order_by(Invoice.currency)
    ).all()
    rows = db.session.scalars(_ordered(conditions, sort).limit(PER_PAGE).offset((page - 1) * PER_PAGE)).all()
    return InvoicePage(rows, totals, page)


def _ordered(conditions: list[sa.ColumnElement[bool]], sort: str) -> sa.Select[Invoice]:
    columns = SORTS.get(sort.lstrip("-"), SORTS["number"])
    order = [column.desc() if sort.startswith("-") else column.asc() for column in columns]
    return (
        sa.select(Invoice)
        .join(Client, Client.id == Invoice.client_id)
        .where(*conditions)
        .order_by(*order)
        .options(sa.orm.contains_eager(Invoice.client))
    )


def every_invoice(found: InvoiceFilter, *, seen_by: Actor) -> Iterator[Invoice]:
    """All rows of the list, streamed, for an export; asked when the first is drawn."""
    statement = _ordered(_narrowed(found, seen_by), "number").execution_options(yield_per=500)
    yield from db.session.scalars(statement)


def get_invoice(invoice_id: UUID, *, seen_by: Actor) -> Invoice:
    """With its client, payer, entity and lines."""
    if not can_see_invoices(seen_by):
        raise NotFound()
    return get_or_404(_one(seen_by), {"invoice": invoice_id})


def printed_due(invoice: Invoice) -> dt.date | None:
    """The due date that an issued bill's paper says; another one may have been agreed since."""
    said = (invoice.facts or {}).get("due_on")
    return dt.date.fromisoformat(said) if said else None


@lru_cache(maxsize=256)
def _one(seen_by: Actor) -> sa.Select[Invoice]:
    """Made once for each pair of eyes: making it costs more than asking it."""
    return (
        sa.select(Invoice)
        .where(
            Invoice.id == sa.bindparam("invoice", type_=sa.Uuid()),
            *bills_seen_by(seen_by),
        )
        .options(
            joinedload(Invoice.client),
            joinedload(Invoice.payer),
            joinedload(Invoice.entity),
            selectinload(Invoice.lines),
        )
        .execution_options(populate_existing=True)
    )


def next_to_approve(*, seen_by: Actor, after: UUID | None = None) -> tuple[UUID | None, int]:
    """The next draft of the sitting (those that were submitted first, then the rest), and how many there are."""
    if not can_see_invoices(seen_by):
        raise NotFound()
    rows = db.session.scalars(
        sa.select(Invoice.id)
        .where(
            Invoice.kind == InvoiceKind.INVOICE,
            Invoice.state.in_(PENDING),
            *bills_seen_by(seen_by),
        )
        .order_by(sa.case((Invoice.state == InvoiceState.AWAITING, 0), else_=1), Invoice.created_at, Invoice.id)
    ).all()
    if after in rows:
        rows = rows[rows.index(after) + 1 :]
    return (rows[0] if rows else None), len(rows)


def count_failed(*, seen_by: Actor) -> int:
    """How many issued bills have no paper because it could not be made."""
    if not can_see_invoices(seen_by):
        raise NotFound()
    found = sa.select(sa.func.count()).select_from(Invoice).where(
        Invoice.paper_failed_at.is_not(None), *bills_seen_by(seen_by)
    )
    return db.session.scalar(found) or 0


def list_failed(*, seen_by: Actor) -> list[tuple[Invoice, dt.datetime | None, bool]]:
    """Bills whose paper could not be made, a page of them, each with since when and whether one may try again."""
    bills = list_invoices(InvoiceFilter(standing="failed"), seen_by=seen_by).rows
    since = dict(db.session.execute(
        sa.select(Event.subject_id, sa.func.max(Event.at))
        .where(Event.kind == "billing.pdf.fail", Event.subject_id.in_([bill.id for bill in bills]))
        .group_by(Event.subject_id)
    ).all()) if bills else {}
    return [(bill, since.get(bill.id), can_approve(seen_by, bill)) for bill in bills]


def credit_note_of(invoice: Invoice, *, seen_by: Actor) -> Invoice | None:
    """The note that voided a bill."""
    return db.session.scalar(
        sa.select(Invoice).where(Invoice.credits_id == invoice.id, *bills_seen_by(seen_by))
    )


def pending_count(seen_by: Actor) -> sa.ScalarSelect[int]:
    """How many drafts wait, as one value of a larger question."""
    return (
        sa.select(sa.func.count())
        .select_from(Invoice)
        .where(
            Invoice.state.in_(PENDING),
            Invoice.kind == InvoiceKind.INVOICE,
            *bills_seen_by(seen_by),
        )
        .scalar_subquery()
    )
