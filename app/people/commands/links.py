"""Single-use links: made here, shown by GET, used up by POST only."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import sqlalchemy as sa
from flask import current_app

from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import NotAllowed, NotFound, Refused
from app.core.ids import new_token, token_hash
from app.core.permissions import Role
from app.firm.queries import get_firm_facts
from app.people.models import LinkPurpose, Person, PersonLink, PersonState

LIFETIMES = {
    LinkPurpose.INVITE: dt.timedelta(days=7),
    LinkPurpose.RESET: dt.timedelta(hours=1),
    LinkPurpose.SIGN_IN: dt.timedelta(minutes=15),
    LinkPurpose.SETUP: dt.timedelta(days=1),
}
PATHS = {
    LinkPurpose.INVITE: "/invitations/link/",
    LinkPurpose.RESET: "/reset/link/",
    LinkPurpose.SIGN_IN: "/sign-in/link/",
    LinkPurpose.SETUP: "/setup/link/",
}
GONE = "This link no longer works: it was used, replaced or has expired. Ask for a new one."


def make_link(purpose: LinkPurpose, person: Person | None = None) -> str:
    """A new link's address, the former ones of its kind ended; the host is the configured one, never a request's."""
    token = new_token()
    with transaction() as session:
        end_links(purpose, person.id if person else None)
        session.add(PersonLink(
            person_id=person.id if person else None, purpose=purpose, token_hash=token_hash(token),
            created_at=now(), expires_at=now() + LIFETIMES[purpose],
        ))
    return str(current_app.config["SETTINGS"].public_url) + PATHS[purpose] + token


def end_links(purpose: LinkPurpose, person_id: UUID | None) -> None:
    """Let the open links of one kind and person die."""
    with transaction() as session:
        session.execute(
            sa.update(PersonLink)
            .where(PersonLink.purpose == purpose, PersonLink.person_id.is_not_distinct_from(person_id),
                   PersonLink.used_at.is_(None))
            .values(used_at=now())
        )


def find_link(purpose: LinkPurpose, token: str) -> PersonLink:
    """A link that still works, looked at without using it; raises NotFound."""
    link = db.session.scalar(sa.select(PersonLink).where(
        PersonLink.token_hash == token_hash(token), PersonLink.purpose == purpose,
        PersonLink.used_at.is_(None), PersonLink.expires_at > now(),
    ).execution_options(populate_existing=True))
    if link is None:
        raise NotFound(GONE)
    return link


def use_link(purpose: LinkPurpose, token: str) -> PersonLink:
    """Use a link up in the caller's transaction; of two at once only one gets it. Raises NotFound."""
    with transaction() as session:
        taken = session.execute(
            sa.update(PersonLink)
            .where(PersonLink.token_hash == token_hash(token), PersonLink.purpose == purpose,
                   PersonLink.used_at.is_(None), PersonLink.expires_at > now())
            .values(used_at=now()).returning(PersonLink.id).execution_options(synchronize_session=False)
        ).scalar_one_or_none()
        if taken is None:
            raise NotFound(GONE)
        return session.scalars(
            sa.select(PersonLink).where(PersonLink.id == taken).execution_options(populate_existing=True)
        ).one()


def make_sign_in_link(role: str) -> str:
    """A link that signs in as the first active person of a role: for development, refused in production."""
    if current_app.config["SETTINGS"].is_production:
        raise NotAllowed("Sign-in links for people of the firm exist in development only.")
    if role not in set(Role):
        raise Refused(f"There is no role {role!r}; there are {', '.join(Role)}.")
    person = db.session.scalar(
        sa.select(Person).where(Person.role == Role(role), Person.state == PersonState.ACTIVE)
        .order_by(Person.signed_in_at.desc().nulls_last(), Person.sort_key).limit(1)
    )
    if person is None:
        raise Refused(f"Nobody with the role {role} works here yet.")
    return make_link(LinkPurpose.SIGN_IN, person)


def make_setup_link() -> str:
    """The one-time link to the setup form of an empty firm; raises Refused once there is a firm."""
    if get_firm_facts() is not None:
        raise Refused("The firm has been set up already.")
    return make_link(LinkPurpose.SETUP)
