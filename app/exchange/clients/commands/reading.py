"""Storing an uploaded file of clients as it was read, and saying what its columns mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.clients.policy import can_import
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.locking import lock_row
from app.core.number_format import FORMATS, usual_format
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.exchange.cells import Remark
from app.exchange.clients.amounts import Amounts, amounts_of
from app.exchange.clients.compare import Action, Planned
from app.exchange.clients.formats import HEADS, Source, checked_mapping, guess_mapping, recognise, refuse_other_lists
from app.exchange.encodings import CHOICES
from app.exchange.files import Chosen, Table, read_table
from app.exchange.models import ClientImport
from app.firm.models import Entity, Office


def read_import(
    import_id: UUID, file_name: str, content: bytes, office_id: UUID, *, by: Actor, source: Source | None = None,
    portal_access: bool = False, chosen: Chosen | None = None,
) -> ClientImport:
    """Read an uploaded file, recognise its source, guess its columns. Nothing is kept yet."""
    authorize(by, can_import)
    table = _read(content, chosen)
    refuse_other_lists(table.header)
    source = source or recognise(table.header)
    return ClientImport(
        id=import_id, file_name=file_name[-200:], source=source.value, header=table.header, rows=table.rows,
        lines=table.lines, remarks=[asdict(remark) for remark in table.remarks],
        mapping=guess_mapping(table.header, source), office_id=office_id, portal_access=portal_access,
        created_at=now(), created_by=by.person_id, report={}, content=content, reading=table.reading,
    )


def keep_import(found: ClientImport, *, by: Actor) -> ClientImport:
    """Keep a file as read, so that its columns and matches can be decided on. Nothing is imported yet."""
    authorize(by, can_import)
    with transaction() as session:
        found.made_from = digest_of(found.file_name, found.header, found.rows, found.office_id, found.portal_access)
        existing = made_before(ClientImport, found.id, found.made_from)
        if existing is not None:
            return existing
        session.add(found)
        record("exchange.import.read", found, by=by, name=found.file_name, source=found.source, rows=len(found.rows))
        return found


def read_anew(found: ClientImport, chosen: Chosen, *, by: Actor) -> None:
    """Read the file once more, with the sheet, the line of the header or the encoding that somebody has chosen.

    Where the header is another one, its columns are guessed anew. Refused once the import has started.
    """
    authorize(by, can_import)
    if found.content is None:
        raise Refused("This file is not kept any more. Upload it once more.")
    table = _read(found.content, chosen)
    with transaction():
        lock_row(found, "run_id", "source", "header")
        if found.run_id:
            raise Refused("This import has already started.")
        if table.header != found.header:
            source = recognise(table.header)
            found.source, found.mapping = source.value, guess_mapping(table.header, source)
        found.header, found.rows, found.lines, found.reading = table.header, table.rows, table.lines, table.reading
        found.remarks = [asdict(remark) for remark in table.remarks]


def _read(content: bytes, chosen: Chosen | None) -> Table:
    if chosen and chosen.encoding and chosen.encoding not in CHOICES:
        raise Refused(f"Choose one of the encodings shown: {', '.join(CHOICES)}.", field="encoding")
    return read_table(content, HEADS, chosen)


def map_columns(
    found: ClientImport, mapping: Mapping[str, str], office_id: UUID, *, by: Actor, portal_access: bool,
    number_format: str | None = None, source: Source | None = None,
) -> None:
    """Say anew what the columns mean and, with a key of FORMATS, how numbers are written in them.

    Another source's columns are guessed anew. Refused once the import has started.
    """
    authorize(by, can_import)
    if number_format is not None and number_format not in FORMATS:
        raise Refused("Choose one of the formats shown.", field="number_format")
    with transaction():
        lock_row(found, "run_id", "source", "header")
        if found.run_id:
            raise Refused("This import has already started.")
        source = source or Source(found.source)
        if source.value != found.source:
            found.source, mapping = source.value, guess_mapping(found.header, source)
        found.mapping = checked_mapping(found.header, mapping, source)
        found.office_id, found.portal_access, found.number_format = office_id, portal_access, number_format


def entity_of(found: ClientImport) -> Entity:
    """Whose clients they become: they are in its currency."""
    return db.session.scalars(
        sa.select(Entity).join(Office, Office.entity_id == Entity.id).where(Office.id == found.office_id)
    ).one()


def amounts_in(found: ClientImport) -> Amounts:
    """How the amounts of the file are read; of several formats that all say the same, as the entity's country does."""
    entity = entity_of(found)
    return amounts_of(
        found.header, found.rows, found.mapping, entity.currency, said=found.number_format,
        usual=usual_format(entity.country),
    )


def remarks_of(found: ClientImport) -> list[Remark]:
    """What was noticed when the file was read."""
    return [Remark(**each) for each in found.remarks]


def warnings_of(found: ClientImport, planned: Sequence[Planned]) -> list[dict[str, Any]]:
    """What was noticed and is no error: lines left out, the encoding, columns of one name, namesakes of two codes."""
    noticed = [(r.line, r.column, r.read, r.message) for r in remarks_of(found) if not r.error]
    for one in planned:
        if one.action in (Action.CREATE, Action.MATCH):
            noticed += [(w.row, w.column, w.read, w.message) for w in one.prospect.warnings]
    return [dict(zip(("line", "column", "read", "message"), each, strict=True)) for each in noticed]


