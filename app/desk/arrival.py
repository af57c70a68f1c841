"""Who comes with a cookie: their session, their firm and their walls in one question to the database."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import contains_eager, load_only

from app.clients.models import Wall
from app.core.db import db
from app.core.ids import token_hash
from app.firm.models import Entity, Firm, Office
from app.firm.queries import FACTS, FirmFacts
from app.notifications.queries import unread_of
from app.people.models import Person, PersonSession
from app.people.queries import is_live
from app.timekeeping.queries import has_timers

_TOKEN = sa.bindparam("token_hash", type_=sa.LargeBinary)
_person = sa.select(PersonSession.person_id).where(PersonSession.token_hash == _TOKEN).scalar_subquery()
_walls = (
    sa.select(sa.func.json_agg(sa.func.json_build_array(Wall.client_id, Wall.engagement_id)))
    .where(Wall.person_id == PersonSession.person_id).correlate(PersonSession).scalar_subquery()
)
_country = (
    sa.select(Entity.country).join(Office, Office.entity_id == Entity.id)
    .where(Office.id == Person.office_id).correlate(Person).scalar_subquery()
)
_arriving = (
    sa.select(PersonSession, _walls.label("walls"), *FACTS, _country.label("country"))
    .join(PersonSession.person).join(Firm, Firm.set_up_at.is_not(None)).where(PersonSession.token_hash == _TOKEN)
    .options(
        load_only(
            PersonSession.person_id, PersonSession.last_seen_at, PersonSession.expires_at, PersonSession.revoked_at,
            PersonSession.second_factor_at, PersonSession.confirmed_at,
        ),
        contains_eager(PersonSession.person).load_only(
            Person.name, Person.initials, Person.role, Person.grade, Person.office_id, Person.state, Person.totp_secret,
            Person.number_format,
        ),
    ).execution_options(populate_existing=True)
)
_with_frame = _arriving.add_columns(unread_of(_person), has_timers(_person))


@dataclass(frozen=True)
class Frame:
    """What the frame around every page shows of a person: how much is new, and whether there are timers."""

    unread: int
    has_timers: bool


@dataclass(frozen=True)
class Arrival:
    """A live session with all that the guard asks about whoever it belongs to; the frame only where one is drawn.

    `country` is where their office's entity is.
    """

    row: PersonSession
    person: Person
    firm: FirmFacts
    walls: list[tuple[UUID | None, UUID | None]]
    country: str = ""
    frame: Frame | None = None


def find_arrival(token: str, *, with_frame: bool = False) -> Arrival | None:
    """Whoever this session belongs to. Behind walls the frame is left to those who know them: it counts everything."""
    found = db.session.execute(
        _with_frame if with_frame else _arriving, {"token_hash": token_hash(token)}
    ).one_or_none()
    if found is None or not is_live(found[0]):
        return None
    walls = [(_id(client), _id(engagement)) for client, engagement in found.walls or ()]
    facts = FirmFacts(*found[2 : 2 + len(FACTS)])
    frame = Frame(found[-2], found[-1]) if with_frame and not walls else None
    return Arrival(found[0], found[0].person, facts, walls, found.country or "", frame)


def _id(text: str | None) -> UUID | None:
    return UUID(text) if text else None
