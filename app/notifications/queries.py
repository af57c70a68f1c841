"""Reading one's own inbox."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.approvals.models import Approval
from app.approvals.queries import unwalled_approvals
from app.billing.models import Invoice
from app.billing.sight import hidden_bills
from app.clients.models import Client, Contact
from app.clients.policy import within_sight
from app.core.actors import SYSTEM, Actor
from app.core.db import db, get_or_404
from app.core.ids import parse_id
from app.delivery.models import Delivery
from app.notifications.models import Notice
from app.notifications.words import icon_of, place_of, words_of
from app.people.models import Person

PER_PAGE = 50


@dataclass(frozen=True)
class Line:
    """A notice in words."""

    id: UUID
    actor: str
    words: str
    client: str
    icon: str
    url: str
    at: dt.datetime
    is_new: bool


def list_notices(*, seen_by: Actor, unread: bool = False, page: int = 1) -> tuple[list[Line], bool]:
    """The newest first; two queries more for the names."""
    statement = (
        sa.select(Notice, Client.name).outerjoin(Client, Client.id == Notice.client_id).where(*_own(seen_by))
        .order_by(Notice.created_at.desc(), Notice.id.desc()).limit(PER_PAGE + 1).offset((page - 1) * PER_PAGE)
    )
    if unread:
        statement = statement.where(Notice.read_at.is_(None))
    rows = db.session.execute(statement).all()
    names = _names([row[0] for row in rows])
    lines = [
        Line(
            n.id, names.get(n.data.get("actor") or "", SYSTEM.name), words_of(n), client or "", icon_of(n), place_of(n),
            n.created_at, n.read_at is None,
        )
        for n, client in rows[:PER_PAGE]
    ]
    return lines, len(rows) > PER_PAGE


def count_notices(*, seen_by: Actor, unread: bool = False) -> int:
    """How many that list holds over all its pages."""
    counting = sa.select(sa.func.count()).select_from(Notice).where(*_own(seen_by))
    return db.session.scalar(counting.where(Notice.read_at.is_(None)) if unread else counting) or 0


def count_unread(*, seen_by: Actor) -> int:
    """How many are new; counting stops at a hundred."""
    return db.session.scalar(sa.select(_unread(*_own(seen_by)))) or 0


def unread_of(person_id: sa.ScalarSelect[UUID]) -> sa.ScalarSelect[int]:
    """The same as one value, for the question that brings a person in; it knows of no walls."""
    return _unread(Notice.person_id == person_id)


def _unread(*conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    rows = sa.select(Notice.id).where(*conditions, Notice.read_at.is_(None)).limit(100).subquery()
    return sa.select(sa.func.count()).select_from(rows).scalar_subquery()


def get_notice(notice_id: UUID, *, seen_by: Actor) -> Notice:
    return get_or_404(sa.select(Notice).where(Notice.id == notice_id, *_own(seen_by)))


def _own(seen_by: Actor) -> list[sa.ColumnElement[bool]]:
    """One's own, less what a wall has hidden since."""
    if not seen_by.is_person:
        return [sa.false()]
    own = [Notice.person_id == seen_by.id, *within_sight(seen_by, Notice.client_id, Notice.engagement_id)]
    hidden, unwalled = hidden_bills(seen_by), unwalled_approvals(seen_by)
    if hidden is not None:
        own.append(sa.or_(Notice.subject_kind != Invoice.__tablename__, Notice.subject_id.not_in(hidden)))
        with_it = sa.exists().where(Delivery.id == Notice.subject_id, Delivery.about_id.in_(hidden))
        own.append(sa.or_(Notice.subject_kind != Delivery.__tablename__, ~with_it))
    if unwalled:
        there = sa.exists().where(Approval.id == Notice.subject_id, *unwalled)
        own.append(sa.or_(Notice.subject_kind != Approval.__tablename__, there))
    return own


def _names(notices: Sequence[Notice]) -> dict[str, str]:
    ids = {each for notice in notices if (each := parse_id(notice.data.get("actor") or ""))}
    if not ids:
        return {}
    people = sa.select(Person.id, Person.name).where(Person.id.in_(ids))
    contacts = sa.select(Contact.id, Contact.name).where(Contact.id.in_(ids))
    return {str(row[0]): row[1] for row in db.session.execute(sa.union_all(people, contacts))}
