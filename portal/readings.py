"""What the portal's pages read of the firm's work and bills, narrowed to what a contact may see of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.billing.models import Invoice, InvoiceKind, InvoiceLine, InvoiceState
from app.catalogue.models import Service, Stage
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db, rows_in_one
from app.core.errors import NotFound
from app.core.money import Money
from app.jobs.models import Job, JobStatus
from app.requests.models import (
    STILL_TO_COME,
    WITH_CLIENT,
    ClientRequest,
    RequestItem,
    RequestState,
)
from app.requests.policy import requests_seen_by
from app.requests.queries import period_of

PAGE, LONGEST, AT_FIRST, MOST_OWED = 50, 100, 10, 20
SHOWN_INVOICES = (InvoiceState.SENT, InvoiceState.VOID)


def _mine(seen_by: Actor, clients: Collection[UUID]) -> frozenset[UUID]:
    return seen_by.client_ids & frozenset(clients)


@dataclass(frozen=True)
class Asked:
    """A request as the home page lists it."""

    id: UUID
    name: str
    client_id: UUID
    state: RequestState
    due_on: dt.date | None
    period: str
    total: int
    to_come: int

    @property
    def done(self) -> int:
        return self.total - self.to_come

    @property
    def is_with_us(self) -> bool:
        return self.state is RequestState.SUBMITTED

    @property
    def is_with_client(self) -> bool:
        return self.state in WITH_CLIENT

    @property
    def is_late(self) -> bool:
        return self.due_on is not None and self.due_on < today() and self.is_with_client


def list_asked(clients: Collection[UUID], *, seen_by: Actor, closed: bool = False) -> Sequence[Asked]:
    """Open requests, what is still with the client first; or the closed ones, newest first."""
    rows = db.session.execute(_asked(_mine(seen_by, clients), seen_by, closed)).all()
    return [Asked(*row) for row in rows]


@lru_cache(maxsize=512)
def _asked(clients: frozenset[UUID], seen_by: Actor, closed: bool) -> sa.Select[*tuple[Any, ...]]:
    statement = (
        requests_seen_by(seen_by).join(RequestItem, RequestItem.request_id == ClientRequest.id)
        .where(ClientRequest.client_id.in_(clients))
        .where(ClientRequest.closed_at.is_not(None) if closed else ClientRequest.closed_at.is_(None))
        .with_only_columns(
            ClientRequest.id, ClientRequest.name, ClientRequest.client_id, ClientRequest.state, ClientRequest.due_on,
            period_of(ClientRequest.id).label("period"),
            sa.func.count(RequestItem.id).label("total"),
            sa.func.count(RequestItem.id).filter(RequestItem.state.in_(STILL_TO_COME)).label("to_come"),
        )
        .group_by(ClientRequest.id).limit(LONGEST)
    )
    if closed:
        return statement.order_by(ClientRequest.id.desc())
    return statement.order_by(
        ClientRequest.state.in_(WITH_CLIENT).desc(), ClientRequest.due_on.nulls_last(), ClientRequest.id
    )


@dataclass(frozen=True)
class Work:
    """A job in plain words: no numbers, no staff's names for things."""

    id: UUID
    client_id: UUID
    title: str
    words: str
    due_on: dt.date | None
    completed_at: dt.datetime | None
    tasks_total: int
    tasks_done: int


def list_work(
    clients: Collection[UUID], *, seen_by: Actor, done: bool = False, limit: int = LONGEST
) -> Sequence[Work]:
    """What we are doing for these clients, or what we have finished."""
    return [Work(*row) for row in db.session.execute(_work(_mine(seen_by, clients), done, limit)).all()]


@lru_cache(maxsize=512)
def _work(clients: frozenset[UUID], done: bool, limit: int) -> sa.Select[*tuple[Any, ...]]:
    status = Job.status == JobStatus.COMPLETED if done else Job.status.in_((JobStatus.ACTIVE, JobStatus.ON_HOLD))
    order = (Job.completed_at.desc(), Job.id) if done else (Job.due_on.nulls_last(), Job.id)
    title = sa.func.coalesce(sa.func.concat_ws(" ", Service.name, sa.func.nullif(Job.period_name, "")), Job.title)
    return (
        sa.select(
            Job.id, Job.client_id, sa.case((Service.id.is_(None), Job.title), else_=title).label("title"),
            sa.func.coalesce(Stage.client_words, "").label("words"), Job.due_on, Job.completed_at, Job.tasks_total,
            Job.tasks_done,
        )
        .outerjoin(Service, Service.id == Job.service_id).outerjoin(Stage, Stage.id == Job.stage_id)
        .where(Job.client_id.in_(clients), status).order_by(*order).limit(limit)
    )


def list_asked_and_work(clients: Collection[UUID], *, seen_by: Actor) -> tuple[Sequence[Asked], Sequence[Work]]:
    """What we need and what we are doing, for the first page: both by one question."""
    row = db.session.execute(_asked_and_work(_mine(seen_by, clients), seen_by)).one()
    asked = [
        Asked(
            UUID(one["id"]), one["name"], UUID(one["client_id"]), RequestState(one["state"]), _day(one["due_on"]),
            one["period"], one["total"], one["to_come"],
        )
        for one in row[0]
    ]
    work = [
        Work(
            UUID(one["id"]), UUID(one["client_id"]), one["title"], one["words"], _day(one["due_on"]), None,
            one["tasks_total"], one["tasks_done"],
        )
        for one in row[1]
    ]
    return asked, work


@lru_cache(maxsize=512)
def _asked_and_work(clients: frozenset[UUID], seen_by: Actor) -> sa.Select[*tuple[Any, ...]]:
    return sa.select(rows_in_one(_asked(clients, seen_by, False)), rows_in_one(_work(clients, False, AT_FIRST)))


def _day(text: str | None) -> dt.date | None:
    return dt.date.fromisoformat(text) if text else None


@dataclass(frozen=True)
class Bill:
    """An invoice or credit note that one of the contact's clients pays, with what is still owed on it."""

    id: UUID
    client_id: UUID
    payer_id: UUID
    kind: InvoiceKind
    state: InvoiceState
    number: str
    currency: str
    issued_on: dt.date
    due_on: dt.date | None
    gross_amount: Decimal
    open_amount: Decimal
    pdf_key: str | None
    viewed_at: dt.datetime | None
    note: str
    net_amount: Decimal
    tax_amount: Decimal
    entity_id: UUID

    @property
    def gross(self) -> Money:
        return Money(self.gross_amount, self.currency)

    @property
    def open(self) -> Money:
        return Money(self.open_amount, self.currency)

    @property
    def is_credit(self) -> bool:
        return self.kind is InvoiceKind.CREDIT_NOTE

    @property
    def is_void(self) -> bool:
        return self.state is InvoiceState.VOID

    @property
    def is_owed(self) -> bool:
        return self.open_amount > 0

    @property
    def is_late(self) -> bool:
        return self.is_owed and self.due_on is not None and self.due_on < today()


def _bills(seen_by: Actor, clients: Collection[UUID]) -> sa.Select[*tuple[Any, ...]]:
    return sa.select(
        Invoice.id, Invoice.client_id, Invoice.payer_id, Invoice.kind, Invoice.state, Invoice.number, Invoice.currency,
        Invoice.issued_on, Invoice.due_on, Invoice.gross, Invoice.open_amount, Invoice.pdf_key, Invoice.viewed_at,
        Invoice.note, Invoice.net, Invoice.tax, Invoice.entity_id,
    ).where(
        Invoice.payer_id.in_(_mine(seen_by, clients)), Invoice.state.in_(SHOWN_INVOICES), Invoice.sent_at.is_not(None)
    )


def list_bills(
    clients: Collection[UUID], *, seen_by: Actor, page: int = 1, per_page: int = PAGE
) -> tuple[Sequence[Bill], bool]:
    rows = db.session.execute(
        _bills(seen_by, clients).order_by(Invoice.issued_on.desc(), Invoice.id.desc())
        .limit(per_page + 1).offset((page - 1) * per_page)
    ).all()
    return [Bill(*row) for row in rows[:per_page]], len(rows) > per_page


def list_owed(clients: Collection[UUID], *, seen_by: Actor) -> Sequence[Bill]:
    """Bills with something still to pay, the oldest first."""
    return [Bill(*row) for row in db.session.execute(_owed(seen_by, _mine(seen_by, clients))).all()]


@lru_cache(maxsize=512)
def _owed(seen_by: Actor, clients: frozenset[UUID]) -> sa.Select[*tuple[Any, ...]]:
    return _bills(seen_by, clients).where(Invoice.open_amount > 0).order_by(Invoice.due_on, Invoice.id).limit(MOST_OWED)


def sums_of(bills: Collection[Bill], *, late: bool = False) -> list[Money]:
    """What is still to pay of these bills, or of the late ones among them, by currency; nothing where there may be more
    of them than are listed."""
    if len(bills) >= MOST_OWED:
        return []
    sums: dict[str, Decimal] = {}
    for bill in bills:
        if late and not bill.is_late:
            continue
        sums[bill.currency] = sums.get(bill.currency, Decimal()) + bill.open_amount
    return [Money(amount, currency) for currency, amount in sorted(sums.items())]


def get_bill(invoice_id: UUID, *, seen_by: Actor) -> Bill:
    row = db.session.execute(
        _bills(seen_by, seen_by.client_ids).where(Invoice.id == invoice_id)
    ).one_or_none()
    if row is None:
        raise NotFound()
    return Bill(*row)


def lines_of(bill: Bill, *, seen_by: Actor) -> Sequence[InvoiceLine]:
    return db.session.scalars(
        sa.select(InvoiceLine)
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(InvoiceLine.invoice_id == bill.id, Invoice.payer_id.in_(seen_by.client_ids))
        .order_by(InvoiceLine.position)
    ).all()


@dataclass(frozen=True)
class PaidByOther:
    """All that a client learns of a bill that somebody else pays."""

    number: str
    kind: InvoiceKind
    issued_on: dt.date
    client_id: UUID
    payer: str
    is_paid: bool
    is_void: bool

    @property
    def is_credit(self) -> bool:
        return self.kind is InvoiceKind.CREDIT_NOTE


def list_paid_by_others(clients: Collection[UUID], *, seen_by: Actor) -> Sequence[PaidByOther]:
    """The bills for these clients that others pay, the newest first, at most a hundred; the database says which."""
    wanted: Any = sa.cast(sorted(_mine(seen_by, clients)), sa.ARRAY(sa.Uuid()))
    found = sa.func.portal_paid_by_others(wanted).table_valued(
        "number", "kind", "issued_on", "client_id", "payer", "is_paid", "is_void"
    )
    rows = db.session.execute(sa.select(found)).all()
    return [PaidByOther(row[0], InvoiceKind(row[1]), *row[2:]) for row in rows]
