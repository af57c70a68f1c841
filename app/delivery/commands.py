"""Asking for a mail: rendered and kept in the caller's transaction, sent after it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from babel import Locale, UnknownLocaleError
from flask import current_app, render_template
from flask_babel import force_locale, gettext
from flask_babel.speaklater import LazyString

from app.activity.commands import record
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.locking import lock_row
from app.core.permissions import authorize
from app.core.queue import enqueue
from app.delivery.again import anew
from app.delivery.letterhead import Letterhead, letterhead
from app.delivery.models import Delivery, DeliveryState
from app.delivery.policy import can_see_to
from app.delivery.secrets import has_lost_its_link, with_link

_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]+")
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\\x00-\x1f\x7f]+@[^\s@<>,;:\"()\[\]\\\x00-\x1f\x7f]+")


def send_mail(
    *,
    key: str,
    kind: str,
    to: str,
    subject: Any,
    template: str,
    name: str = "",
    context: Mapping[str, Any] | None = None,
    language: str = "en",
    contact_id: UUID | None = None,
    person_id: UUID | None = None,
    client_id: UUID | None = None,
    about: Any = None,
    attachments: Sequence[Mapping[str, str]] = (),
    by: Actor | None = None,
    until: dt.datetime | None = None,
) -> Delivery:
    """Render `mail/<template>.html` and `.txt` in the recipient's language and keep them to be sent after the commit.

    Asked twice with one `key`, the mail is made once and the first one is returned. `subject` may be a lazy text.
    An attachment is {name, key, content_type}; its bytes lie in storage under `key`. Legal in a unit of work only.
    `by`: whoever is told when it does not get through. `until`: when its link runs out; such a mail goes before others.
    """
    address = one_address(to)
    existing = db.session.scalar(sa.select(Delivery).where(Delivery.key == key))
    if existing is not None:
        return existing
    head = letterhead() if person_id else letterhead(client_id, contact_id)
    words = _rendered(template, subject, context or {}, language, head)
    sendable = bool(current_app.config["SETTINGS"].smtp_url)
    values: dict[str, Any] = {
        "key": key, "kind": kind, "recipient": address, "recipient_name": one_line(name), "contact_id": contact_id,
        "person_id": person_id, "client_id": client_id, "about_kind": about.__tablename__ if about is not None else "",
        "about_id": about.id if about is not None else None, "attachments": [dict(a) for a in attachments],
        "created_at": now(), "state": DeliveryState.QUEUED if sendable else DeliveryState.KEPT,
        "next_try_at": now() if sendable else None, "sent_by": by.person_id if by else None, "useful_until": until,
        **words,
    }
    return _kept_once(values)


def _kept_once(values: dict[str, Any]) -> Delivery:
    """The row of a mail, made unless its key was used already, and its sending."""
    key = values["key"]
    made: Delivery | None = db.session.scalar(
        sa.dialects.postgresql.insert(Delivery).values(values).on_conflict_do_nothing(index_elements=["key"])
        .returning(Delivery)
    )
    if made is None:  # somebody else's transaction was first
        return db.session.scalars(sa.select(Delivery).where(Delivery.key == key)).one()
    if made.state is DeliveryState.QUEUED:
        enqueue("delivery.send", id=str(made.id), first=made.useful_until is not None)
    return made


def copy_mail(delivery: Delivery, *, to: str, by: Actor, link: str = "") -> Delivery:
    """The same letter once more, to this address; what held a link that lets somebody in, only with a new `link`."""
    authorize(by, can_see_to, delivery)
    if has_lost_its_link(delivery.text) and not link:
        raise Refused("Its link is gone, so it cannot be sent again as it is.")
    sendable = bool(current_app.config["SETTINGS"].smtp_url)
    kept = ("kind", "recipient_name", "contact_id", "person_id", "client_id", "about_kind", "about_id", "attachments",
            "subject")
    return _kept_once({
        "key": f"again:{delivery.id}", "recipient": one_address(to), "created_at": now(), "sent_by": by.person_id,
        "state": DeliveryState.QUEUED if sendable else DeliveryState.KEPT, "next_try_at": now() if sendable else None,
        **{name: getattr(delivery, name) for name in kept},
        "text": with_link(delivery.text, link), "html": with_link(delivery.html, link),
    })


def send_again(delivery: Delivery, *, by: Actor) -> None:
    """Send once more what was refused or given up: with a fresh link, to the address that holds now."""
    authorize(by, can_see_to, delivery)
    with transaction():
        _hold(delivery)
        write = anew(delivery)
        if write is not None:
            write(delivery, by)
        else:
            copy_mail(delivery, to=delivery.recipient, by=by)
        delivery.settled_at = now()
        record("delivery.mail.again", delivery, by=by, client_id=delivery.client_id, title=delivery.subject)


def let_be(delivery: Delivery, *, by: Actor) -> None:
    """It need not arrive any more: it leaves the list of what failed."""
    authorize(by, can_see_to, delivery)
    with transaction():
        _hold(delivery)
        delivery.settled_at = now()
        record("delivery.mail.let_be", delivery, by=by, client_id=delivery.client_id, title=delivery.subject)


def _hold(delivery: Delivery) -> None:
    lock_row(delivery)
    if delivery.settled_at is not None:
        raise Refused("Somebody has seen to this mail already.")
    if not delivery.is_over:
        raise Refused("This mail is still being sent, or has arrived.")


def one_line(text: str) -> str:
    """Text for a header: no line ends or other control characters, at most 300 characters."""
    return _CONTROL.sub(" ", text).strip()[:300]


def one_address(text: str) -> str:
    """Exactly one plain address; raises Refused for anything that a mail header could read otherwise."""
    address = text.strip()
    if len(address) > 254 or _ADDRESS.fullmatch(address) is None:
        raise Refused("This is not one e-mail address.", field="email")
    return address


def _rendered(
    template: str, subject: Any, context: Mapping[str, Any], language: str, head: Letterhead
) -> dict[str, str]:
    locale = _locale(language, head.english)
    with force_locale(str(locale)):
        around = {
            "firm": head, "accent": head.accent, "lang": locale.language, "text_direction": locale.text_direction,
            "public_url": current_app.config["SETTINGS"].public_url,
            # A lazy text calls itself safe HTML, whatever stands in it: as a plain text it is escaped.
            **{key: str(value) if isinstance(value, LazyString) else value for key, value in context.items()},
        }
        return {
            "subject": one_line(str(subject)),
            "html": render_template(f"mail/{template}.html", **around),
            "text": render_template(f"mail/{template}.txt", **around).strip() + "\n" + _foot(head),
        }


def _foot(head: Letterhead) -> str:
    """How the sender is reached, under the text; nothing where a letter goes to nobody's client."""
    desk = head.desk
    if desk is None:
        return ""
    person = [gettext("Looked after by %(name)s", name=desk.person)] if desk.person else []
    return "".join(f"{line}\n" for line in (*person, desk.address_line, desk.phone, desk.email) if line)


def _locale(language: str, english: Locale) -> Locale:
    if language in ("", "en"):
        return english
    try:
        return Locale.parse(language, sep="-" if "-" in language else "_")
    except (UnknownLocaleError, ValueError):
        return english
