"""The end of the event log by mail to those partners who want it: out of reach of whoever owns database and storage."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.activity.queries import Anchor
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.locking import take_turn
from app.core.permissions import Role, authorize
from app.delivery.commands import send_mail
from app.exchange.models import AnchorRecipient
from app.firm.policy import can_edit_settings
from app.firm.queries import the_firm
from app.people.models import Person, PersonState

DAILY, BACKUP = "daily", "backup"


@dataclass(frozen=True)
class Partner:
    """A partner who may be mailed, and whether they are."""

    id: UUID
    name: str
    email: str
    wanted: bool


def can_mail_anchors(by: Actor) -> bool:
    return by.is_system


def _partners() -> sa.Select[Person, UUID]:
    """Rows of a partner and, if they are mailed, their id again."""
    return (
        sa.select(Person, AnchorRecipient.person_id)
        .outerjoin(AnchorRecipient, AnchorRecipient.person_id == Person.id)
        .where(Person.role == Role.PARTNER, Person.state == PersonState.ACTIVE).order_by(Person.sort_key)
    )  # fmt: skip


def list_anchor_partners(*, seen_by: Actor) -> Sequence[Partner]:
    """The partners who work here, each with whether the log's end is mailed to them."""
    if not can_edit_settings(seen_by):
        return []
    rows = db.session.execute(_partners())
    return [Partner(person.id, person.name, person.email, wanted is not None) for person, wanted in rows]


def choose_anchor_recipients(wanted: Collection[UUID], *, by: Actor) -> None:
    """From now on the log's end is mailed to these partners and to nobody else. Who no longer gets it is told so."""
    authorize(by, can_edit_settings)
    with transaction() as session:
        take_turn("recipients of anchors")
        partners = {person.id: person for person, _ in session.execute(_partners())}
        if set(wanted) - set(partners):
            raise Refused("Only partners who work here can be mailed.", field="partner")
        before = set(session.scalars(sa.select(AnchorRecipient.person_id)))
        added, gone = set(wanted) - before, before - set(wanted)
        if not added | gone:
            return
        session.execute(sa.delete(AnchorRecipient).where(AnchorRecipient.person_id.in_(gone)))
        session.add_all(AnchorRecipient(person_id=each, since_at=now(), added_by=by.person_id) for each in added)
        names = {person.id: person.name for person in session.scalars(
            sa.select(Person).where(Person.id.in_(added | gone | set(wanted)))
        )}  # fmt: skip
        record(
            "exchange.anchor.readdress", the_firm(), by=by, to=sorted(names[each] for each in wanted),
            added=sorted(names[each] for each in added), gone=sorted(names[each] for each in gone),
        )  # fmt: skip
        for each in gone & set(partners):
            _mail(partners[each], f"anchor-ended:{each}:{now().isoformat()}", "exchange.anchor.ended",
                  "The end of the event log is no longer mailed to you", "anchor_ended", {})


def mail_anchor(anchor: Anchor, occasion: str, *, by: Actor) -> int:
    """Mail where the log ends to whoever wants it, once an occasion and end. Returns how many were asked for."""
    authorize(by, can_mail_anchors)
    if not anchor.position:
        return 0
    with transaction() as session:
        wanted = [person for person, chosen in session.execute(_partners()) if chosen is not None]
        for person in wanted:
            key = f"anchor:{occasion}:{anchor.position}:{anchor.hash[:16]}:{person.id}"
            _mail(person, key, "exchange.anchor", f"Where the event log of {the_firm().name} ends: {anchor.position}",
                  "anchor", {"anchor": anchor, "occasion": occasion, "at": now()})
    return len(wanted)


def _mail(person: Person, key: str, kind: str, subject: str, template: str, context: dict[str, object]) -> None:
    send_mail(
        key=key, kind=kind, to=person.email, name=person.name, person_id=person.id, subject=subject,
        template=template, context={"name": person.name, **context},
    )  # fmt: skip
