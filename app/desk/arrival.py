"""Who comes with a cookie: their session, their firm and their walls in one question to the database."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import contains_eager

from app.clients.models import Wall
from app.core.db import db
from app.core.ids import token_hash
from app.firm.models import Firm
from app.firm.queries import FACTS, FirmFacts
from app.people.models import Person, PersonSession
from app.people.queries import is_live

_walls = (
    sa.select(sa.func.json_agg(sa.func.json_build_array(Wall.client_id, Wall.engagement_id)))
    .where(Wall.person_id == PersonSession.person_id).correlate(PersonSession).scalar_subquery()
)
_arriving = (
    sa.select(PersonSession, _walls.label("walls"), *FACTS)
    .join(PersonSession.person).join(Firm, Firm.set_up_at.is_not(None))
    .options(contains_eager(PersonSession.person)).execution_options(populate_existing=True)
)


@dataclass(frozen=True)
class Arrival:
    """A live session with all that the guard asks about whoever it belongs to."""

    row: PersonSession
    person: Person
    firm: FirmFacts
    walls: list[tuple[UUID | None, UUID | None]]


def find_arrival(token: str) -> Arrival | None:
    found = db.session.execute(_arriving.where(PersonSession.token_hash == token_hash(token))).one_or_none()
    if found is None or not is_live(found[0]):
        return None
    walls = [(_id(client), _id(engagement)) for client, engagement in found.walls or ()]
    return Arrival(found[0], found[0].person, FirmFacts(*found[2:]), walls)


def _id(text: str | None) -> UUID | None:
    return UUID(text) if text else None
