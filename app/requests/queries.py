"""Reading requests: one with its items, lists with their counts, who is asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import contains_eager, joinedload, selectinload
from sqlalchemy.orm.attributes import set_committed_value

from app.clients.models import AddressKind, Client, ClientContact, Contact, ContactAddress
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db, get_or_404
from app.core.errors import NotFound
from app.delivery.queries import mail_trouble
from app.documents.models import Document
from app.documents.policy import documents_seen_by
from app.documents.queries import LISTED
from app.jobs.models import Job
from app.requests.models import (
    STILL_TO_COME,
    TO_REVIEW,
    WITH_CLIENT,
    ClientRequest,
    ItemDocument,
    ItemKind,
    Reminder,
    RequestItem,
    RequestRecipient,
    RequestState,
)
from app.requests.policy import requests_seen_by

PAGE = 50
_REQUEST = sa.bindparam("request", type_=sa.Uuid())


@dataclass(frozen=True)
class RequestRow:
    """A request in a list, with how far it is."""

    request: ClientRequest
    client_name: str
    total: int
    to_come: int
    to_review: int
    trouble: str | None = None

    @property
    def done(self) -> int:
        return self.total - self.to_come


@dataclass(frozen=True)
class RequestFilters:
    """`view`: waiting (with the client), submitted (something to review), overdue, closed, all."""

    view: str = "waiting"
    client_id: UUID | None = None
    job_id: UUID | None = None


@dataclass(frozen=True)
class Earlier:
    """What was answered to a question the last time."""

    code: str
    kind: ItemKind
    answer: dict[str, Any]


@dataclass(frozen=True)
class WholeRequest:
    """A request with its items, and by question code what the one before it from the same template request said.

    `has_under_way`: the contact at the portal's door began to send files that have not arrived, here or elsewhere.
    """

    request: ClientRequest
    earlier: dict[str, Earlier]
    has_under_way: bool = False
    period: str = ""


def period_of(request_id: sa.ColumnElement[UUID] | Any) -> sa.ColumnElement[str]:
    """The period of the job that a request belongs to, empty without one; at the portal a link's holder sees it too."""
    return sa.func.portal_period(request_id, type_=sa.Text())


def get_request(request_id: UUID, *, seen_by: Actor) -> ClientRequest:
    """A request with its client, items and files."""
    return get_whole_request(request_id, seen_by=seen_by).request


def get_whole_request(request_id: UUID, *, seen_by: Actor) -> WholeRequest:
    """A request as a page shows it: its items and files, and what was answered the last time, by two questions."""
    found = db.session.execute(_one(seen_by), {"request": request_id}).one_or_none()
    if found is None:
        raise NotFound()
    request: ClientRequest = found.ClientRequest
    items = db.session.scalars(_items_and_earlier(seen_by), {
        "request": request.id, "client": request.client_id, "template": request.template_request_id,
    }).unique().all()
    own = [item for item in items if item.request_id == request.id]
    set_committed_value(request, "items", own)
    for item in own:
        set_committed_value(item, "request", request)
    return WholeRequest(request, {
        item.code: Earlier(item.code, item.kind, item.answer)
        for item in items if item.request_id != request.id and item.answer is not None
    }, has_under_way=found.under_way, period=found.period)


@lru_cache(maxsize=512)
def _one(seen_by: Actor) -> sa.Select[ClientRequest, bool, str]:
    """Made once for each pair of eyes: making it costs more than asking it.

    Whether a contact has files under way is asked with it, and they themselves only where there are any: on most pages
    there are none.
    """
    under_way = sa.func.portal_begun() > 0 if seen_by.is_contact else sa.false()
    period = period_of(ClientRequest.id) if seen_by.is_contact else sa.literal("")
    return (
        requests_seen_by(seen_by).options(joinedload(ClientRequest.client).load_only(Client.name, Client.currency))
        .where(ClientRequest.id == _REQUEST).add_columns(under_way.label("under_way"), period.label("period"))
    )


@lru_cache(maxsize=512)
def _items_and_earlier(seen_by: Actor) -> sa.Select[RequestItem]:
    """The items of a request, and those of the last accepted one of its client from the same template request."""
    before = requests_seen_by(seen_by).with_only_columns(ClientRequest.id).where(
        ClientRequest.client_id == sa.bindparam("client", type_=sa.Uuid()), ClientRequest.id < _REQUEST,
        ClientRequest.template_request_id == sa.bindparam("template", type_=sa.Uuid()),
        ClientRequest.state == RequestState.ACCEPTED,
    ).order_by(ClientRequest.id.desc()).limit(1).scalar_subquery()
    return (
        sa.select(RequestItem).options(joinedload(RequestItem.files).selectinload(ItemDocument.document))
        .where(RequestItem.request_id.in_((_REQUEST, before))).order_by(RequestItem.position)
    )


def get_item(item_id: UUID, *, seen_by: Actor) -> RequestItem:
    """One item with its request and files."""
    visible = requests_seen_by(seen_by).with_only_columns(ClientRequest.id)
    return get_or_404(
        sa.select(RequestItem).join(RequestItem.request)
        .options(
            contains_eager(RequestItem.request),
            selectinload(RequestItem.files).joinedload(ItemDocument.document),
        )
        .where(RequestItem.id == item_id, RequestItem.request_id.in_(visible))
    )


def get_item_to_answer(item_id: UUID, *, seen_by: Actor) -> RequestItem:
    """One item with its request and the client's currency: all that saving an answer needs, in one query."""
    visible = requests_seen_by(seen_by).join(RequestItem, RequestItem.request_id == ClientRequest.id)
    row = db.session.execute(
        visible.join(Client, Client.id == ClientRequest.client_id)
        .with_only_columns(RequestItem, ClientRequest, Client.currency).where(RequestItem.id == item_id)
    ).one_or_none()
    if row is None:
        raise NotFound()
    item: RequestItem = row.RequestItem
    set_committed_value(item, "request", row.ClientRequest)
    item.amounts_in = row.currency
    return item


def list_requests(
    filters: RequestFilters, *, seen_by: Actor, page: int = 1, per_page: int = PAGE
) -> tuple[Sequence[RequestRow], bool]:
    """A page of requests, the most pressing first, and whether there is another page."""
    statement = requests_seen_by(seen_by).where(*_conditions(filters))
    newest_first = filters.view in ("closed", "all")
    order = (ClientRequest.id.desc(),) if newest_first else (ClientRequest.due_on.nulls_last(), ClientRequest.id)
    chosen = db.session.scalars(
        statement.with_only_columns(ClientRequest.id).order_by(*order)
        .limit(per_page + 1).offset((page - 1) * per_page)
    ).all()
    rows = _rows(chosen[:per_page], seen_by)
    return rows, len(chosen) > per_page


def _conditions(filters: RequestFilters) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if filters.client_id is not None:
        conditions.append(ClientRequest.client_id == filters.client_id)
    if filters.job_id is not None:
        conditions.append(ClientRequest.job_id == filters.job_id)
    is_open = ClientRequest.closed_at.is_(None)
    views: dict[str, list[sa.ColumnElement[bool]]] = {
        "waiting": [is_open, ClientRequest.state.in_(WITH_CLIENT)],
        "submitted": [is_open, _has_something_to_review()],
        "overdue": [is_open, ClientRequest.state.in_(WITH_CLIENT), ClientRequest.due_on < today()],
        "drafts": [is_open, ClientRequest.state.in_((RequestState.DRAFT, RequestState.SCHEDULED))],
        "open": [is_open],
        "closed": [ClientRequest.closed_at.is_not(None)],
    }
    return conditions + views.get(filters.view, [])


def _has_something_to_review() -> sa.ColumnElement[bool]:
    return sa.exists().where(RequestItem.request_id == ClientRequest.id, RequestItem.state.in_(TO_REVIEW))


def _rows(ids: Sequence[UUID], seen_by: Actor) -> Sequence[RequestRow]:
    """The requests of these ids in their order, with counts, in one query."""
    if not ids:
        return []
    total, to_come, to_review = (
        sa.select(sa.func.count()).where(RequestItem.request_id == ClientRequest.id, *more)
        .correlate(ClientRequest).scalar_subquery()
        for more in ((), (RequestItem.state.in_(STILL_TO_COME),), (RequestItem.state.in_(TO_REVIEW),))
    )
    found = db.session.execute(
        requests_seen_by(seen_by).join(Client, Client.id == ClientRequest.client_id)
        .with_only_columns(
            ClientRequest, Client.name, total, to_come, to_review,
            mail_trouble(ClientRequest.__tablename__, ClientRequest.id),
        ).where(ClientRequest.id.in_(ids))
    ).all()
    by_id = {row[0].id: RequestRow(*row) for row in found}
    return [by_id[request_id] for request_id in ids if request_id in by_id]


def count_requests(*, seen_by: Actor, client_id: UUID | None = None) -> dict[str, int]:
    """How many there are in each view of the list, of one client or of all: for every figure that opens such a list."""
    views = ("waiting", "submitted", "overdue", "drafts")
    counts = [
        sa.func.count().filter(*_conditions(RequestFilters(view=view))).label(view) for view in views
    ]
    seen = requests_seen_by(seen_by).where(
        ClientRequest.closed_at.is_(None), *_conditions(RequestFilters(view="open", client_id=client_id))
    )
    return dict(db.session.execute(seen.with_only_columns(*counts)).one()._mapping)


def count_in(filters: RequestFilters, *, seen_by: Actor) -> int:
    """How many requests a list holds over all its pages."""
    counting = requests_seen_by(seen_by).where(*_conditions(filters)).with_only_columns(sa.func.count())
    return db.session.scalar(counting) or 0


def waiting_conditions() -> list[sa.ColumnElement[bool]]:
    """What is with the client: for statements of other rooms that count it among other things."""
    return _conditions(RequestFilters(view="waiting"))


def recipients_of(request: ClientRequest, *, seen_by: Actor) -> Sequence[Contact]:
    return db.session.scalars(
        sa.select(Contact).join(RequestRecipient, RequestRecipient.contact_id == Contact.id)
        .where(RequestRecipient.request_id.in_(
            requests_seen_by(seen_by).where(ClientRequest.id == request.id).with_only_columns(ClientRequest.id)
        )).order_by(Contact.sort_key)
    ).all()


@dataclass(frozen=True)
class Reachable:
    """A contact of a client who can be written to."""

    contact_id: UUID
    name: str
    email: str
    language: str
    zone: str | None
    is_primary: bool
    portal_access: bool


def reachable_contacts(client_id: UUID, *, seen_by: Actor) -> Sequence[Reachable]:
    """The client's contacts that have an address, the primary one first."""
    return contacts_to_ask([client_id], seen_by=seen_by).get(client_id, [])


def who_is_asked(contacts: Sequence[Reachable]) -> list[Reachable]:
    """Of a client's contacts in their order: whom a request goes to unless somebody chooses. It is answered in the
    portal, so only those who see the client there are asked.
    """
    let_in = [r for r in contacts if r.portal_access]
    return [r for r in let_in if r.is_primary] or let_in


def contacts_to_ask(client_ids: Collection[UUID], *, seen_by: Actor) -> dict[UUID, list[Reachable]]:
    """By client, for those with any: the contacts that have an address, the primary one first."""
    first = (
        sa.select(ContactAddress.value).where(
            ContactAddress.contact_id == Contact.id, ContactAddress.kind == AddressKind.EMAIL
        ).order_by(ContactAddress.position).limit(1).correlate(Contact).scalar_subquery()
    )
    rows = db.session.execute(
        sa.select(ClientContact.client_id, Contact.id, Contact.name, first, Contact.language, Contact.zone,
                  ClientContact.is_primary, ClientContact.portal_access)
        .join(ClientContact, ClientContact.contact_id == Contact.id)
        .where(ClientContact.client_id.in_(client_ids), Contact.archived_at.is_(None), first.is_not(None),
               *within_sight(seen_by, ClientContact.client_id))
        .order_by(ClientContact.is_primary.desc(), ClientContact.portal_access.desc(), Contact.sort_key)
    ).all()
    found: dict[UUID, list[Reachable]] = {}
    for client_id, *contact in rows:
        found.setdefault(client_id, []).append(Reachable(*contact))
    return found


def is_reachable(client_id: UUID, *, seen_by: Actor) -> bool:
    """Whether anybody at the client has an address to write to."""
    return bool(reachable_contacts(client_id, seen_by=seen_by))


def reachable(client_id: sa.orm.InstrumentedAttribute[UUID]) -> sa.ColumnElement[bool]:
    """That some contact of the client in this column sees it in the portal and has an e-mail address."""
    return sa.exists().where(
        ClientContact.client_id == client_id, ClientContact.portal_access,
        Contact.id == ClientContact.contact_id, Contact.archived_at.is_(None),
        ContactAddress.contact_id == Contact.id, ContactAddress.kind == AddressKind.EMAIL,
    )


def last_reminded_on(request: ClientRequest, *, seen_by: Actor) -> dt.date | None:
    visible = requests_seen_by(seen_by).where(ClientRequest.id == request.id).with_only_columns(ClientRequest.id)
    return db.session.scalar(sa.select(sa.func.max(Reminder.sent_on)).where(Reminder.request_id.in_(visible)))


def item_of_document(document_id: UUID, *, seen_by: Actor) -> RequestItem:
    """The item that a file was given for."""
    visible = requests_seen_by(seen_by).with_only_columns(ClientRequest.id)
    return get_or_404(
        sa.select(RequestItem).join(ItemDocument, ItemDocument.item_id == RequestItem.id)
        .where(ItemDocument.document_id == document_id, RequestItem.request_id.in_(visible)).limit(1)
    )


def documents_of_job(job: Job, *, seen_by: Actor, limit: int = 100) -> Sequence[Document]:
    """Files given for a job's requests, and those kept with its engagement, newest first."""
    given = (
        sa.select(ItemDocument.document_id).join(RequestItem, RequestItem.id == ItemDocument.item_id)
        .join(ClientRequest, ClientRequest.id == RequestItem.request_id).where(ClientRequest.job_id == job.id)
    )
    return db.session.scalars(
        documents_seen_by(seen_by)
        .where(Document.client_id == job.client_id, Document.state.in_(LISTED),
               sa.or_(Document.id.in_(given), Document.engagement_id == job.engagement_id))
        .order_by(Document.created_at.desc()).limit(limit)
    ).all()
