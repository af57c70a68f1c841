"""The whole firm in one file: every table as JSON Lines, every stored object, and a manifest with their hashes."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from app.activity.queries import Anchor
from app.config import Settings
from app.core.clock import now
from app.core.migration import wanted_mark
from app.core.storage import ObjectMissing, Storage
from app.core.stored import stored_keys
from app.exchange.anchors import put_anchor
from app.exchange.archive import (
    MANIFEST,
    Manifest,
    ObjectPart,
    TablePart,
    new_archive,
    object_member,
    table_member,
)

# Who is signed in where does not travel: after a restore everybody signs in anew.
LEFT_OUT = frozenset({"person_session", "contact_session", "person_link", "contact_link", "sign_in_attempt"})
BATCH = 2_000
NOTHING_SEALED = Anchor(0, "")


@dataclass(frozen=True)
class Written:
    """What a backup holds: rows by table, objects and their bytes, keys of objects that storage had lost, and where
    the event log ended."""

    tables: dict[str, int]
    objects: int
    bytes: int
    missing: tuple[str, ...] = ()
    chain: Anchor = NOTHING_SEALED

    @classmethod
    def of(cls, manifest: Manifest) -> Written:
        return cls(
            {name: part.rows for name, part in manifest.tables.items()},
            len(manifest.objects),
            sum(part.size for part in manifest.objects.values()),
            manifest.missing,
            manifest.chain,
        )


def table_names(connection: sa.Connection) -> list[str]:
    """Every table of the product that travels, in order of name."""
    names = connection.scalars(
        sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    )
    return [name for name in names if name not in LEFT_OUT and name != "alembic_version"]


def write_backup(settings: Settings, path: Path) -> Written:
    """Write everything as of one instant. The file appears whole, readable by its owner only, or not at all.

    All that lies in the bucket travels, whoever put it there: what belongs to a row is not for this room to know.
    """
    partial = path.with_name(path.name + ".part")
    partial.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
    storage = Storage(settings)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            with new_archive(stream) as archive:
                with engine.connect().execution_options(
                    isolation_level="REPEATABLE READ", stream_results=True
                ) as connection:
                    chain = chain_end(connection)
                    tables = {name: _write_table(archive, connection, name) for name in table_names(connection)}
                    known = set(stored_keys(connection))
                keys = sorted(dict(storage.keys()))
                objects = dict(_write_objects(archive, storage, keys))
                manifest = Manifest(
                    schema=wanted_mark(),
                    made_at=now().isoformat(),
                    chain=chain,
                    tables=tables,
                    objects=objects,
                    missing=tuple(sorted(known - set(objects))),
                )
                archive.writestr(MANIFEST, manifest.to_json(), zipfile.ZIP_DEFLATED)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
        if chain.position:
            put_anchor(chain, storage)
    finally:
        partial.unlink(missing_ok=True)
        engine.dispose()
    return Written.of(manifest)


def chain_end(connection: sa.Connection) -> Anchor:
    """Where the event chain ends; position 0 while nothing is sealed."""
    row = connection.execute(
        sa.text("SELECT position, encode(hash, 'hex') AS hash FROM event_seal ORDER BY position DESC LIMIT 1")
    ).one_or_none()
    return Anchor(row.position, row.hash) if row else Anchor(0, "")


def _write_table(archive: zipfile.ZipFile, connection: sa.Connection, name: str) -> TablePart:
    rows, size, digest = 0, 0, hashlib.sha256()
    member = zipfile.ZipInfo(table_member(name), date_time=(1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(member, "w", force_zip64=True) as out:
        for text in connection.scalars(sa.text(f'SELECT row_to_json(t)::text FROM "{name}" t')).yield_per(BATCH):
            line = text.encode() + b"\n"
            out.write(line)
            digest.update(line)
            rows, size = rows + 1, size + len(line)
    return TablePart(rows, size, digest.hexdigest())


def _write_objects(
    archive: zipfile.ZipFile, storage: Storage, keys: Iterable[str]
) -> Iterator[tuple[str, ObjectPart]]:
    """Stream each object into the archive; one that went meanwhile is left out."""
    for key in keys:
        try:
            stored = storage.open(key)
        except ObjectMissing:
            continue
        digest, size = hashlib.sha256(), 0
        with archive.open(object_member(key), "w", force_zip64=True) as out:
            for chunk in stored.chunks:
                out.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        yield key, ObjectPart(size, digest.hexdigest(), stored.content_type)
