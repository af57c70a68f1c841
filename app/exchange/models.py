"""What an imported client is called where it came from."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, HasId


class ImportKey(HasId, Base):
    """A client's key in the system it was imported from; importing it again finds it."""

    __tablename__ = "import_key"

    source: Mapped[str]
    key: Mapped[str]
    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client.id"))
    run_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("run.id"))

    __table_args__ = (sa.UniqueConstraint("source", "key"), sa.Index("ix_import_key_client_id", "client_id"))
