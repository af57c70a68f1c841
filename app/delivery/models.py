"""Messages that leave the house."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, HasId
from app.core.stored import stored
from app.delivery.secrets import Letter


class DeliveryState(enum.StrEnum):
    """`kept` is what happens to mail where no SMTP server is set: shown on the development page, never sent."""

    QUEUED = "queued"
    SENT = "sent"
    KEPT = "kept"
    FAILED = "failed"


class Delivery(HasId, Base):
    """One mail to one address, as rendered but for the links, which go when it has gone. `key` sends it once."""

    __tablename__ = "delivery"

    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    recipient: Mapped[str]
    recipient_name: Mapped[str] = mapped_column(default="")
    contact_id: Mapped[UUID | None]
    person_id: Mapped[UUID | None]
    client_id: Mapped[UUID | None]
    about_kind: Mapped[str] = mapped_column(default="")
    about_id: Mapped[UUID | None]
    subject: Mapped[str]
    text: Mapped[str] = mapped_column(Letter)
    html: Mapped[str] = mapped_column(Letter)
    attachments: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    state: Mapped[DeliveryState] = mapped_column(default=DeliveryState.QUEUED)
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[dt.datetime | None]
    created_at: Mapped[dt.datetime]
    sent_at: Mapped[dt.datetime | None]
    error: Mapped[str] = mapped_column(default="")
    provider_id: Mapped[str] = mapped_column(default="")

    __table_args__ = (
        sa.Index("ix_delivery_queued", "next_try_at", postgresql_where=sa.text("state = 'queued'")),
        sa.Index("ix_delivery_about", "about_kind", "about_id"),
    )


_attached = sa.func.jsonb_array_elements(Delivery.attachments).column_valued("attached", joins_implicitly=True)
stored(
    "attachment of mail", sa.cast(_attached, JSONB)["key"].astext, name=Delivery.id,
    where=(Delivery.state == DeliveryState.QUEUED,),
)
