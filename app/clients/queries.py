"""Reading clients, contacts, engagements and walls, as whoever asks may see them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import contains_eager, joinedload, selectinload

from app.clients.models import (
    Arrangement,
    Client,
    ClientContact,
    ClientStatus,
    Contact,
    ContactAddress,
    Engagement,
    EngagementStatus,
    Wall,
)
from app.clients.policy import can_edit_walls, clients_seen_by, engagements_seen_by, reachable, within_sight
from app.core.actors import Actor
from app.core.db import db, get_or_404
from app.core.finding import Typed, could_be_number, has_words, has_words_or_number
from app.core.sorting import sort_key
from app.firm.models import Office
from app.firm.queries import main_country
from app.people.models import Person

PER_PAGE = 50


@dataclass(frozen=True, kw_only=True)
class ClientFilter:
    """What the list is narrowed to; everything empty means every client that is not archived."""

    text: str = ""
    status: ClientStatus | None = None
    partner_id: UUID | None = None
    office_id: UUID | None = None
    tag: str = ""
    archived: bool = False

    @property
    def is_narrow(self) -> bool:
        return self != ClientFilter()


@dataclass(frozen=True)
class ClientPage:
    rows: Sequence[sa.Row[Client, str, str]]
    total: int
    page: int

    @property
    def has_next(self) -> bool:
        return self.page * PER_PAGE < self.total


SORTS = {
    "name": (Client.sort_key, Client.id),
    "code": (Client.code,),
    "partner": (Person.sort_key, Client.sort_key, Client.id),
    "office": (Office.name, Client.sort_key, Client.id),
    "status": (Client.status, Client.sort_key, Client.id),
}


def get_client(client_id: UUID, *, seen_by: Actor) -> Client:
    """With its office, partner and manager."""
    return get_or_404(_one(seen_by), {"client": client_id})


@lru_cache(maxsize=256)
def _one(seen_by: Actor) -> sa.Select[Client]:
    """Made once for each pair of eyes: making it costs more than asking it."""
    return (
        clients_seen_by(seen_by).where(Client.id == sa.bindparam("client", type_=sa.Uuid()))
        .options(joinedload(Client.office, innerjoin=True).lazyload(Office.entity))
        .options(joinedload(Client.partner).load_only(Person.name), joinedload(Client.manager).load_only(Person.name))
    )


def escape_like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def read_typed(text: str) -> Typed:
    """What somebody looks for; a telephone number without a prefix is from the country of the firm's first entity."""
    return Typed.of(text, main_country() if could_be_number(text) else "")


def contacts_found(typed: Typed) -> sa.CompoundSelect[UUID]:
    """The ids of contacts with these words in their name or one of their addresses, or with this telephone number."""
    return sa.union(
        sa.select(Contact.id).where(Contact.archived_at.is_(None), has_words(Contact.found_by, typed)),
        sa.select(ContactAddress.contact_id).join(Contact, Contact.id == ContactAddress.contact_id)
        .where(Contact.archived_at.is_(None), has_words_or_number(ContactAddress.found_by, typed)),
    )


def client_found(typed: Typed, *, contacts: bool = True) -> sa.ColumnElement[bool]:
    """Clients by words of their name, code, numbers, e-mail or telephone, or of one of their contacts."""
    own = has_words_or_number(Client.found_by, typed)
    if not contacts:
        return own
    theirs = sa.select(ClientContact.client_id).where(ClientContact.contact_id.in_(contacts_found(typed)))
    return Client.id.in_(sa.union(sa.select(Client.id).where(own), theirs))  # a union, so that each uses its index


def client_named(text: str, *, contacts: bool = True) -> sa.ColumnElement[bool]:
    """The same for a text; a sign alone is looked for as it stands: "%" in "100% Juice"."""
    if not any(letter.isalnum() for letter in text):
        return Client.sort_key.contains(sort_key(text), autoescape=True)
    return client_found(read_typed(text), contacts=contacts)


def _narrowed(found: ClientFilter, seen_by: Actor) -> list[sa.ColumnElement[bool]]:
    conditions = within_sight(seen_by, Client.id)
    conditions.append(Client.archived_at.is_not(None) if found.archived else Client.archived_at.is_(None))
    if found.text:
        conditions.append(client_named(found.text))
    if found.status:
        conditions.append(Client.status == found.status)
    if found.partner_id:
        conditions.append(Client.partner_id == found.partner_id)
    if found.office_id:
        conditions.append(Client.office_id == found.office_id)
    if found.tag:
        conditions.append(Client.tags.contains([found.tag]))
    return conditions


def list_clients(
    found: ClientFilter = ClientFilter(), *, seen_by: Actor, sort: str = "name", page: int = 1
) -> ClientPage:
    """One page of clients with their partner's and office's names: two queries whatever it holds."""
    conditions = _narrowed(found, seen_by)
    total = db.session.scalar(sa.select(sa.func.count()).select_from(Client).where(*conditions)) or 0
    rows = db.session.execute(
        _with_names(conditions, sort).limit(PER_PAGE).offset((page - 1) * PER_PAGE)
    ).all()
    return ClientPage(rows, total, page)


def has_clients() -> bool:
    """Whether the firm has anybody to work for yet, whoever may see them."""
    return bool(db.session.scalar(sa.select(sa.exists().where(~Client.is_firm))))


def every_client(found: ClientFilter, *, seen_by: Actor, sort: str = "name") -> Iterator[sa.Row[Client, str, str]]:
    """All rows of the list, streamed, for an export; asked when the first is drawn."""
    yield from db.session.execute(_with_names(_narrowed(found, seen_by), sort).execution_options(yield_per=500))


def _with_names(conditions: list[sa.ColumnElement[bool]], sort: str) -> sa.Select[Client, str, str]:
    order = SORTS.get(sort.lstrip("-"), SORTS["name"])
    columns = [column.desc() if sort.startswith("-") else column.asc() for column in order]
    return (
        sa.select(Client, Person.name, Office.name).join(Office, Office.id == Client.office_id)
        .outerjoin(Person, Person.id == Client.partner_id).where(*conditions).order_by(*columns)
    )


def clients_by_id(ids: Sequence[UUID], *, seen_by: Actor) -> Sequence[Client]:
    """Those of these clients that may be seen, in order of name."""
    return db.session.scalars(clients_seen_by(seen_by).where(Client.id.in_(ids)).order_by(Client.sort_key)).all()


def list_tags(*, seen_by: Actor) -> Sequence[str]:
    """The tags in use."""
    tag = sa.func.unnest(Client.tags).label("tag")
    inner = sa.select(tag).where(*within_sight(seen_by, Client.id), Client.archived_at.is_(None)).subquery()
    return db.session.scalars(sa.select(inner.c.tag).distinct().order_by(inner.c.tag).limit(100)).all()


def find_client(name: str, *, seen_by: Actor) -> Client | None:
    """The one client of exactly this name or code, for forms sent without script."""
    text = name.strip()
    rows = db.session.scalars(
        clients_seen_by(seen_by).where(
            Client.archived_at.is_(None),
            sa.or_(sa.func.lower(Client.name) == text.lower(), sa.func.lower(Client.code) == text.lower()),
        ).limit(2)
    ).all()
    return rows[0] if len(rows) == 1 else None


# Contacts

def get_contact(contact_id: UUID, *, seen_by: Actor) -> Contact:
    """With all addresses."""
    return get_or_404(
        sa.select(Contact).where(Contact.id == contact_id, reachable(seen_by)).options(selectinload(Contact.addresses))
        .execution_options(populate_existing=True)
    )


def contacts_of(client_id: UUID, *, seen_by: Actor) -> Sequence[ClientContact]:
    """A client's contacts with their addresses, the primary one first."""
    return db.session.scalars(
        sa.select(ClientContact).join(ClientContact.contact)
        .options(contains_eager(ClientContact.contact).selectinload(Contact.addresses))
        .where(ClientContact.client_id == client_id, *within_sight(seen_by, ClientContact.client_id))
        .order_by(Contact.archived_at.is_not(None), ClientContact.is_primary.desc(), Contact.sort_key)
    ).all()


def standings_of(contact_id: UUID, *, seen_by: Actor) -> Sequence[ClientContact]:
    """The clients a contact stands for."""
    return db.session.scalars(
        sa.select(ClientContact).join(ClientContact.client).options(contains_eager(ClientContact.client))
        .where(ClientContact.contact_id == contact_id, *within_sight(seen_by, ClientContact.client_id))
        .order_by(Client.sort_key)
    ).all()


def get_standing(client_id: UUID, contact_id: UUID, *, seen_by: Actor) -> ClientContact:
    return get_or_404(
        sa.select(ClientContact).join(ClientContact.client).join(ClientContact.contact)
        .options(contains_eager(ClientContact.client))
        .options(contains_eager(ClientContact.contact).selectinload(Contact.addresses))
        .where(ClientContact.client_id == client_id, ClientContact.contact_id == contact_id,
               *within_sight(seen_by, ClientContact.client_id))
    )


# Engagements

def get_engagement(engagement_id: UUID, *, seen_by: Actor) -> Engagement:
    """With its client and people."""
    return get_or_404(
        engagements_seen_by(seen_by).where(Engagement.id == engagement_id)
        .options(joinedload(Engagement.client, innerjoin=True))
        .options(joinedload(Engagement.partner), joinedload(Engagement.manager))
    )


def arrangements_of(engagement: Engagement, *, seen_by: Actor) -> Sequence[Arrangement]:
    """How it is billed, by the day from which each holds; those that were taken away last."""
    return db.session.scalars(
        sa.select(Arrangement).join(Engagement, Engagement.id == Arrangement.engagement_id)
        .where(Engagement.id == engagement.id, *within_sight(seen_by, Engagement.client_id, Engagement.id))
        .order_by(Arrangement.archived_at.is_not(None), Arrangement.from_on.nulls_first(), Arrangement.id)
        .execution_options(populate_existing=True)
    ).all()


def get_arrangement(arrangement_id: UUID, *, seen_by: Actor) -> Arrangement:
    return get_or_404(
        sa.select(Arrangement).join(Engagement, Engagement.id == Arrangement.engagement_id)
        .where(Arrangement.id == arrangement_id, *within_sight(seen_by, Engagement.client_id, Engagement.id))
    )


def engagements_of(client_id: UUID, *, seen_by: Actor, open_only: bool = False) -> Sequence[Engagement]:
    """A client's engagements with their arrangements, open ones first."""
    statement = engagements_seen_by(seen_by).where(Engagement.client_id == client_id)
    if open_only:
        statement = statement.where(Engagement.status == EngagementStatus.OPEN)
    return db.session.scalars(
        statement.options(joinedload(Engagement.partner), joinedload(Engagement.manager))
        .options(selectinload(Engagement.arrangements))
        .order_by(Engagement.status.desc(), Engagement.name, Engagement.id)
    ).all()


# Walls

def list_walls(client_id: UUID, *, seen_by: Actor) -> Sequence[sa.Row[Wall, str, str]]:
    """The walls around a client and its engagements, with the person's and engagement's names; for who may set them."""
    if not can_edit_walls(seen_by):
        return []
    around = sa.func.coalesce(Wall.client_id, Engagement.client_id)
    return db.session.execute(
        sa.select(Wall, Person.name, Engagement.name).join(Person, Person.id == Wall.person_id)
        .outerjoin(Engagement, Engagement.id == Wall.engagement_id)
        .where(around == client_id, *within_sight(seen_by, around)).order_by(Person.sort_key, Wall.id)
    ).all()


def get_wall(wall_id: UUID, *, seen_by: Actor) -> Wall:
    return get_or_404(
        sa.select(Wall).outerjoin(Engagement, Engagement.id == Wall.engagement_id)
        .where(Wall.id == wall_id, *within_sight(seen_by, sa.func.coalesce(Wall.client_id, Engagement.client_id)))
    )
