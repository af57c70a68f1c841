"""Sending what was asked for: each mail by itself, outside of any transaction, again later when it fails."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import sqlalchemy as sa
import structlog
from flask import current_app

from app.activity.commands import record
from app.core.actors import SYSTEM
from app.core.clock import now
from app.core.db import transaction
from app.core.errors import FirmamentError
from app.core.locking import to_lock
from app.core.queue import MAIL, NOW, TookTooLong, background, enqueue
from app.core.storage import storage
from app.delivery.again import why_not
from app.delivery.letterhead import letterhead
from app.delivery.message import Outgoing, message_of
from app.delivery.models import Delivery, DeliveryState
from app.delivery.secrets import without_links
from app.delivery.smtp import MailRefused, MailUnreachable, hand_over

log = structlog.get_logger()
PAUSES = tuple(dt.timedelta(minutes=m) for m in (1, 5, 15, 60, 240, 720, 1440))
IN_HAND = dt.timedelta(minutes=5)
TOLD_AFTER = 3  # tries; then whoever sent it is told that it does not get through
EVENTS = {
    DeliveryState.SENT: "delivery.mail.send", DeliveryState.FAILED: "delivery.mail.fail",
    DeliveryState.DROPPED: "delivery.mail.drop",
}
SECONDS = 90  # for one mail; less than it is in hand


class CannotBeWritten(Exception):
    """No message can be made of what was asked for."""


@background("delivery.send", queue=MAIL, seconds=SECONDS)
def send_delivery(id: str) -> None:
    """Send one mail if it is due; whoever else asks for the same meanwhile finds it taken."""
    delivery = _take(UUID(id))
    if delivery is None:
        return
    if because := why_not(delivery):
        return _finish(delivery.id, DeliveryState.DROPPED, because)
    settings = current_app.config["SETTINGS"]
    try:
        files = [storage().get(file["key"]) for file in delivery.attachments]
        hand_over(_written(delivery, files), settings.smtp_url)
    except (MailRefused, CannotBeWritten) as error:
        _finish(delivery.id, DeliveryState.FAILED, str(error))
    except (MailUnreachable, FirmamentError) as error:
        _put_back(delivery.id, str(error))
    except TookTooLong:
        _put_back(delivery.id, f"The mail server took more than {SECONDS} s.")
    else:
        _finish(delivery.id, DeliveryState.SENT, "")


def _written(delivery: Delivery, files: list[bytes]) -> Outgoing:
    try:
        return message_of(delivery, letterhead().name, current_app.config["SETTINGS"], files)
    except FirmamentError:
        raise
    except Exception as error:  # whatever it is, trying again would meet it again
        raise CannotBeWritten(f"The message could not be written: {type(error).__name__}: {error}"[:500]) from error


@background("delivery.sweep", every=30, queue=NOW, seconds=60)
def sweep() -> None:
    """Find what is due and was lost on the way, or waits for another try; what runs out goes first here too."""
    with transaction() as session:
        due = session.execute(
            sa.select(Delivery.id, Delivery.useful_until)
            .where(Delivery.state == DeliveryState.QUEUED, Delivery.next_try_at <= now())
            .order_by(Delivery.useful_until.is_(None), Delivery.next_try_at).limit(500)
        ).all()
        for row in due:
            enqueue("delivery.send", id=str(row.id), first=row.useful_until is not None)


def _take(delivery_id: UUID) -> Delivery | None:
    if not current_app.config["SETTINGS"].smtp_url:
        return None
    with transaction() as session:
        delivery = session.scalar(
            to_lock(
                sa.select(Delivery).where(
                    Delivery.id == delivery_id, Delivery.state == DeliveryState.QUEUED, Delivery.next_try_at <= now()
                ),
                skip_taken=True,
            )
        )
        if delivery is None:
            return None
        delivery.tries += 1
        delivery.next_try_at = now() + IN_HAND
    return delivery


def _finish(delivery_id: UUID, state: DeliveryState, error: str) -> None:
    with transaction() as session:
        delivery = session.get_one(Delivery, delivery_id)
        delivery.state, delivery.next_try_at, delivery.error = state, None, error
        if state is DeliveryState.FAILED:
            delivery.failed_at = delivery.failed_at or now()
        delivery.text, delivery.html = without_links(delivery.text), without_links(delivery.html)
        delivery.sent_at = now() if state is DeliveryState.SENT else None
        _tell(EVENTS[state], delivery)
    if state is DeliveryState.FAILED:
        log.warning("mail.failed", delivery=str(delivery_id), error=error)


def _tell(kind: str, delivery: Delivery) -> None:
    """In the log; pages that show what it is about are told too."""
    topics = (f"{delivery.about_kind}:{delivery.about_id}",) if delivery.about_id else ()
    record(
        kind, delivery, by=SYSTEM, client_id=delivery.client_id, mail=delivery.kind, title=delivery.subject,
        about=delivery.about_kind, about_id=delivery.about_id, to=delivery.recipient, because=delivery.error,
        sent_by=delivery.sent_by, topics=topics,
    )


def _put_back(delivery_id: UUID, error: str) -> None:
    with transaction() as session:
        delivery = session.get_one(Delivery, delivery_id)
        given_up = delivery.tries > len(PAUSES)
        if not given_up:
            again_at = now() + PAUSES[delivery.tries - 1]
            delivery.next_try_at = min(again_at, delivery.useful_until or again_at)
            delivery.error, delivery.failed_at = error, delivery.failed_at or now()
            if delivery.tries == TOLD_AFTER:
                _tell("delivery.mail.delay", delivery)
    if given_up:
        _finish(delivery_id, DeliveryState.FAILED, error)
