"""Files of clients brought in, and what each client is called where it came from."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import CITEXT, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, HasId, MadeOnce
from app.core.number_format import FORMATS


class ImportKey(HasId, Base):
    """A client's key in the system it was imported from; importing it again finds it.

    `values` is what that system said last: a field that still holds it may be overwritten by the next import,
    a field that somebody edited since may not.
    """

    __tablename__ = "import_key"

    source: Mapped[str]
    key: Mapped[str]
    client_id: Mapped[UUID] = mapped_column(sa.ForeignKey("client.id"))
    run_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("run.id"))
    values: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")

    __table_args__ = (sa.UniqueConstraint("source", "key"), sa.Index("ix_import_key_client_id", "client_id"))


class ClientImport(MadeOnce, Base):
    """An uploaded file of clients, as read, with the mapping of its columns and, once started, its run.

    `lines` says where in the file each row begins, `remarks` what its reader noticed (files.Remark).
    `number_format` is a key of FORMATS: how its numbers are written, as somebody has said; else its columns tell.
    `content` is the file until the import starts, so that it can be read anew; `reading` how it was read (files.Table).
    """

    __tablename__ = "client_import"

    file_name: Mapped[str]
    source: Mapped[str]
    header: Mapped[list[str]]
    rows: Mapped[list[list[Any]]] = mapped_column(JSONB)
    lines: Mapped[list[Any]] = mapped_column(JSONB, default=list, server_default="[]")
    remarks: Mapped[list[Any]] = mapped_column(JSONB, default=list, server_default="[]")
    content: Mapped[bytes | None] = mapped_column(deferred=True)
    reading: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    mapping: Mapped[dict[str, Any]] = mapped_column(default=dict)
    number_format: Mapped[str | None]
    office_id: Mapped[UUID] = mapped_column(sa.ForeignKey("office.id"))
    portal_access: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[dt.datetime]
    created_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
    run_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("run.id"))
    undo_run_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("run.id"))
    report: Mapped[dict[str, Any]] = mapped_column(default=dict)

    __table_args__ = (
        sa.Index("ix_client_import_created_at", "created_at"),
        sa.CheckConstraint(sa.column("number_format").in_(FORMATS), name="number_format"),
    )


class ColumnMapping(HasId, Base):
    """What the columns of somebody's lists mean, kept under a name. `columns` are heads and what they are."""

    __tablename__ = "column_mapping"

    name: Mapped[str] = mapped_column(CITEXT, unique=True)
    source: Mapped[str]
    header: Mapped[list[str]]
    columns: Mapped[dict[str, Any]]
    number_format: Mapped[str | None]
    created_at: Mapped[dt.datetime]
    created_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))

    __table_args__ = (sa.CheckConstraint(sa.column("number_format").in_(FORMATS), name="number_format"),)


class ObjectCheck(Base):
    """When a stored object was last read again and compared with its digest; `found` says what was wrong."""

    __tablename__ = "object_check"

    key: Mapped[str] = mapped_column(primary_key=True)
    checked_at: Mapped[dt.datetime]
    found: Mapped[str] = mapped_column(default="")

    __table_args__ = (sa.Index("ix_object_check_found", "key", postgresql_where=sa.text("found <> ''")),)


class AnchorRecipient(Base):
    """A partner to whom the end of the event log is mailed."""

    __tablename__ = "anchor_recipient"

    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("person.id"), primary_key=True)
    since_at: Mapped[dt.datetime]
    added_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("person.id"))
