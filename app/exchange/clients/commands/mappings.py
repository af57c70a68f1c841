"""Keeping under a name what the columns of a list mean, and using it for the next one."""

from __future__ import annotations

import sqlalchemy as sa

from app.activity.commands import record
from app.clients.names import clean_name
from app.clients.policy import can_import
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.locking import lock_row, take_turn
from app.core.permissions import authorize
from app.exchange.cells import plain_head
from app.exchange.clients.formats import Source, checked_mapping
from app.exchange.clients.queries import heads_of
from app.exchange.models import ClientImport, ColumnMapping

LONGEST = 80


def save_mapping(found: ClientImport, name: str, *, by: Actor) -> ColumnMapping:
    """Keep the columns of this import. A name that stands for the same header already stands for these from now on."""
    authorize(by, can_import)
    name = _checked(name, "save_as")
    with transaction() as session:
        take_turn("names of columns")
        kept = _named(name)
        if kept is not None and heads_of(kept.header) != heads_of(found.header):
            raise Refused(f"{kept.name} stands for another header already. Choose another name.", field="save_as")
        if kept is None:
            kept = ColumnMapping(id=new_id(), name=name, created_at=now(), created_by=by.person_id)
        kept.source, kept.header, kept.columns = found.source, list(found.header), dict(found.mapping)
        kept.number_format = found.number_format
        session.add(kept)
        record("exchange.mapping.save", kept, by=by, name=kept.name)
        return kept


def use_mapping(found: ClientImport, kept: ColumnMapping, *, by: Actor) -> None:
    """Let the columns of this import mean what was kept. Refused once the import has started."""
    authorize(by, can_import)
    with transaction():
        lock_row(found, "run_id", "source", "header")
        if found.run_id:
            raise Refused("This import has already started.")
        means = {plain_head(head): target for head, target in kept.columns.items()}
        wanted = {column: means.get(plain_head(column), "") for column in found.header}
        found.source, found.number_format = kept.source, kept.number_format
        found.mapping = checked_mapping(found.header, wanted, Source(kept.source))


def rename_mapping(kept: ColumnMapping, name: str, *, by: Actor) -> None:
    authorize(by, can_import)
    name = _checked(name, "name")
    with transaction():
        take_turn("names of columns")
        other = _named(name)
        if other is not None and other.id != kept.id:
            raise Refused(f"There is a {other.name} already. Choose another name.", field="name")
        if name != kept.name:
            record("exchange.mapping.rename", kept, by=by, name=name, before=kept.name)
            kept.name = name


def delete_mapping(kept: ColumnMapping, *, by: Actor) -> None:
    """Imports that used it stay as they are."""
    authorize(by, can_import)
    with transaction() as session:
        gone = sa.delete(ColumnMapping).where(ColumnMapping.id == kept.id).returning(ColumnMapping.id)
        if session.execute(gone.execution_options(synchronize_session=False)).one_or_none() is not None:
            record("exchange.mapping.delete", kept, by=by, name=kept.name)


def _named(name: str) -> ColumnMapping | None:
    return db.session.scalar(sa.select(ColumnMapping).where(ColumnMapping.name == name))


def _checked(name: str, field: str) -> str:
    name = clean_name(name, field=field)
    if len(name) > LONGEST:
        raise Refused(f"A name has at most {LONGEST} characters.", field=field)
    return name
