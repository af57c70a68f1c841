"""How contacts get in and out of the portal: sign-in links, sessions, devices. A request's link is its own room's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import current_app
from flask_babel import lazy_gettext as _l
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import load_only
from sqlalchemy.sql.dml import ReturningUpdate

from app.activity.commands import record
from app.clients.access import contact_actor
from app.clients.models import AddressKind, Client, ClientContact, Contact, ContactAddress, ContactLink, ContactSession
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.ids import new_id, new_token, token_hash
from app.core.permissions import authorize
from app.core.queue import send_or_refuse
from app.delivery.commands import send_mail
from app.delivery.letterhead import Desk
from app.firm.models import Firm
from app.firm.queries import FACTS, FirmFacts
from app.people.commands.throttle import Door, begin_try

LINK_LIFETIME = dt.timedelta(minutes=15)
SESSION_LIFETIME = dt.timedelta(days=30)
IDLE = dt.timedelta(days=10)
SEEN_EVERY = dt.timedelta(minutes=5)
ASKING = Door("portal", per_account=6, per_address=40)
MOST_NAMED = 10


@dataclass(frozen=True)
class LinkHolder:
    """Whom a sign-in link would let in."""

    contact_id: UUID
    name: str


@dataclass(frozen=True)
class PortalVisit:
    """A contact's live session with the clients it reaches, by name; `request_id` when it came by a request's link."""

    session_id: UUID
    contact_id: UUID
    name: str
    language: str
    request_id: UUID | None
    last_seen_at: dt.datetime
    clients: dict[UUID, str]
    desks: dict[UUID, Desk]
    firm: FirmFacts

    @property
    def client_ids(self) -> tuple[UUID, ...]:
        return tuple(self.clients)


def is_system(by: Actor) -> bool:
    return by.is_system


def _is_that_contact(by: Actor, contact_id: UUID) -> bool:
    return by.is_system or (by.is_contact and by.id == contact_id)


def ask_for_sign_in(email: str, *, by: Actor, address: str) -> None:
    """Ask for a sign-in link. It takes as long and says the same whether the address is known or not."""
    authorize(by, is_system)
    begin_try(ASKING, email, address)
    send_or_refuse("clients.sign_in_mail", email=email.strip()[:254])


def send_sign_in_links(email: str, *, by: Actor) -> int:
    """One mail with a link for each contact who has this address and may use the portal; returns how many links."""
    authorize(by, is_system)
    with transaction():
        found = db.session.execute(
            sa.select(Contact.id, Contact.name, Contact.language, sa.func.array_agg(Client.name.distinct()))
            .join(ContactAddress, ContactAddress.contact_id == Contact.id)
            .join(ClientContact, ClientContact.contact_id == Contact.id)
            .join(Client, Client.id == ClientContact.client_id)
            .where(ContactAddress.kind == AddressKind.EMAIL, ContactAddress.value == email,
                   Contact.archived_at.is_(None), ClientContact.portal_access, Client.archived_at.is_(None))
            .group_by(Contact.id, Contact.name, Contact.language).order_by(Contact.name).limit(MOST_NAMED)
        ).all()
        if found:
            _mail_links(email, found)
    return len(found)


def _mail_links(email: str, found: Sequence[sa.Row[UUID, str, str, Sequence[str]]]) -> None:
    links = [{"name": row[1], "clients": row[3], "url": make_sign_in_link(row[0])} for row in found]
    send_mail(
        key=f"portal-sign-in:{new_id()}", kind="clients.sign_in", to=email, name=found[0][1] if len(found) == 1 else "",
        language=found[0][2], subject=_l("Your link to sign in"), template="portal_sign_in",
        contact_id=found[0][0] if len(found) == 1 else None,
        context={"links": links, "minutes": int(LINK_LIFETIME.total_seconds() // 60)}, until=now() + LINK_LIFETIME,
    )


def make_sign_in_link(contact_id: UUID) -> str:
    """A new address that signs this contact in once, within fifteen minutes."""
    token = new_token()
    with transaction() as session:
        session.add(ContactLink(
            id=new_id(), contact_id=contact_id, token_hash=token_hash(token), created_at=now(),
            expires_at=now() + LINK_LIFETIME, used_at=None,
        ))
    return f"{current_app.config['SETTINGS'].public_url}/portal/link/sign-in/{token}"


def send_step_up(contact_id: UUID, *, by: Actor, address: str) -> None:
    """Somebody who came by a request's link asks for a sign-in link: it goes to the contact's own first address."""
    authorize(by, _is_that_contact, contact_id)
    email = db.session.scalar(
        sa.select(ContactAddress.value)
        .where(ContactAddress.contact_id == contact_id, ContactAddress.kind == AddressKind.EMAIL)
        .order_by(ContactAddress.position).limit(1)
    )
    begin_try(ASKING, email or str(contact_id), address)
    if email:
        send_or_refuse("clients.sign_in_mail", email=email)


def find_sign_in_link(token: str) -> LinkHolder | None:
    """Whom the link would let in, without using it; None when it never was one, is used or too old."""
    row = db.session.execute(
        sa.select(Contact.id, Contact.name).join(ContactLink, ContactLink.contact_id == Contact.id)
        .where(ContactLink.token_hash == token_hash(token), ContactLink.used_at.is_(None),
               ContactLink.expires_at > now(), Contact.archived_at.is_(None))
    ).one_or_none()
    return LinkHolder(*row) if row else None


def use_sign_in_link(token: str, *, by: Actor, agent: str, address: str) -> str | None:
    """Use the link up and open a session; its token, or None. Of two who press at once, one gets in."""
    authorize(by, is_system)
    with transaction() as session:
        contact_id = session.scalar(
            sa.update(ContactLink)
            .where(ContactLink.token_hash == token_hash(token), ContactLink.used_at.is_(None),
                   ContactLink.expires_at > now())
            .values(used_at=now()).returning(ContactLink.contact_id)
        )
        if contact_id is None:
            return None
        return open_contact_session(contact_id, by=by, agent=agent, address=address)


def open_contact_session(
    contact_id: UUID, *, by: Actor, agent: str, address: str, request_id: UUID | None = None,
    client_id: UUID | None = None,
) -> str | None:
    """A new browser session of this contact, for everything or for one request only. None for an archived contact."""
    authorize(by, is_system)
    contact = db.session.get(Contact, contact_id)
    if contact is None or contact.archived_at is not None:
        return None
    token = new_token()
    with transaction() as session:
        row = ContactSession(
            id=new_id(), contact_id=contact_id, request_id=request_id, token_hash=token_hash(token), created_at=now(),
            last_seen_at=now(), expires_at=now() + SESSION_LIFETIME, revoked_at=None, address=address,
            agent=agent[:300],
        )
        session.add(row)
        actor = contact_actor(contact, request_id=request_id, request_client=client_id, address=address)
        record("clients.session.opened", contact, by=actor, client_id=client_id, session=row.id, request=request_id)
    return token


_visit = sa.func.portal_visit(
    sa.bindparam("token_hash", type_=sa.LargeBinary()), sa.bindparam("now", type_=sa.DateTime(timezone=True)),
    sa.bindparam("idle_since", type_=sa.DateTime(timezone=True)),
).table_valued("session_id", "contact_id", "contact_name", "language", "request_id", "last_seen_at", "client_ids",
               "client_names", sa.column("desks", JSONB))
_visiting: sa.Select[*tuple[Any, ...]] = (
    sa.select(*_visit.c, *FACTS).join_from(_visit, Firm, Firm.set_up_at.is_not(None))
)


def find_visit(token: str) -> PortalVisit | None:
    """The visit that a cookie stands for: not ended, not run out, not idle for ten days, its contact still there.

    On the portal's own connection it begins here: from now on, and to the end of this transaction, the contact's own
    rows are seen.
    """
    at = now()
    row = db.session.execute(
        _visiting, {"token_hash": token_hash(token), "now": at, "idle_since": at - IDLE}
    ).one_or_none()
    if row is None:
        return None
    desks = dict(zip(row[6], (Desk(*desk) for desk in row[8]), strict=True))
    return PortalVisit(row[0], row[1], row[2], row[3], row[4], row[5], dict(zip(row[6], row[7], strict=True)),
                       desks, FirmFacts(*row[9:]))


def touch_session(session_id: UUID, *, by: Actor) -> None:
    """It was seen just now."""
    authorize(by, is_system)
    with transaction() as session:
        session.execute(
            sa.update(ContactSession).where(ContactSession.id == session_id).values(last_seen_at=now())
        )


def end_visit(token: str, *, by: Actor) -> None:
    """Sign this browser out; its cookie is worth nothing afterwards."""
    authorize(by, is_system)
    with transaction() as session:
        ended = session.execute(_end(ContactSession.token_hash == token_hash(token))).one_or_none()
        if ended is not None:
            contact = session.get_one(Contact, ended.contact_id)
            record("clients.session.ended", contact, by=by, session=ended.id)


def _end(*which: sa.ColumnElement[bool]) -> ReturningUpdate[UUID, UUID]:
    """End these sessions; those that somebody else has ended meanwhile do not count."""
    return (
        sa.update(ContactSession).where(*which, ContactSession.revoked_at.is_(None)).values(revoked_at=now())
        .returning(ContactSession.id, ContactSession.contact_id)
    )


def list_sessions(*, seen_by: Actor) -> Sequence[ContactSession]:
    """A contact's own live browsers, the last seen first."""
    return db.session.scalars(
        sa.select(ContactSession).options(load_only(
            ContactSession.id, ContactSession.contact_id, ContactSession.request_id, ContactSession.created_at,
            ContactSession.last_seen_at, ContactSession.address, ContactSession.agent,
        )).where(ContactSession.contact_id == seen_by.id, ContactSession.revoked_at.is_(None),
                 ContactSession.expires_at > now()).order_by(ContactSession.last_seen_at.desc())
    ).all()


def end_sessions(contact_id: UUID, *, by: Actor, only: UUID | None = None) -> int:
    """Sign a contact out everywhere, or on one device; returns how many sessions ended."""
    authorize(by, _is_that_contact, contact_id)
    with transaction() as session:
        mine = [ContactSession.contact_id == contact_id, *([ContactSession.id == only] if only else [])]
        ids = session.execute(_end(*mine)).all()
        if ids:
            contact = session.get_one(Contact, contact_id)
            record("clients.session.ended", contact, by=by, sessions=len(ids))
    return len(ids)


def forget_old_access(*, by: Actor) -> None:
    """Links a month after they died and sessions a quarter of a year after: nobody looks at them any more."""
    authorize(by, is_system)
    with transaction() as session:
        session.execute(sa.delete(ContactLink).where(ContactLink.expires_at < now() - dt.timedelta(days=30)))
        session.execute(sa.delete(ContactSession).where(ContactSession.expires_at < now() - dt.timedelta(days=90)))
