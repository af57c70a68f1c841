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
    """`kept` is what happens to mail where no SMTP server is set: shown on the development page, never sent.

    `dropped` was not sent because it could help no more; `failed` was refused, or given up.
    """

    QUEUED = "queued"
    SENT = "sent"
    KEPT = "kept"
    FAILED = "failed"
    DROPPED = "dropped"


class Delivery(HasId, Base):
    """One mail to one address, as rendered but for the links, which go when it has gone. `key` sends it once.

    `sent_by`: whoever pressed, none for what goes out by itself. `useful_until`: when what it leads to runs out.
    `failed_at`: since when it does not get through. `settled_at`: somebody sent it again, or let it be.
    """

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
    sent_by: Mapped[UUID | None]
    useful_until: Mapped[dt.datetime | None]
    failed_at: Mapped[dt.datetime | None]
    settled_at: Mapped[dt.datetime | None]

    __table_args__ = (
        sa.Index("ix_delivery_queued", "next_try_at", postgresql_where=sa.text("state = 'queued'")),
        sa.Index("ix_delivery_failed", "failed_at",
                 postgresql_where=sa.text("failed_at IS NOT NULL AND settled_at IS NULL")),
        sa.Index("ix_delivery_about", "about_kind", "about_id"),
    )

    @property
    def is_over(self) -> bool:
        """It was not sent and is not tried again by itself."""
        return self.state in (DeliveryState.FAILED, DeliveryState.DROPPED)

    @property
    def is_open(self) -> bool:
        """It is on its way, or failed and nobody has seen to it."""
        return self.state in (DeliveryState.QUEUED, DeliveryState.FAILED) and self.settled_at is None


_attached = sa.func.jsonb_array_elements(Delivery.attachments).column_valued("attached", joins_implicitly=True)
stored(
    "attachment of mail", sa.cast(_attached, JSONB)["key"].astext, name=Delivery.id,
    where=(Delivery.state == DeliveryState.QUEUED,),
)
