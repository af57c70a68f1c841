"""The whole firm in one file: every table as JSON Lines, every stored object, and a manifest with their hashes."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.config import Settings
from app.core.clock import now
from app.core.errors import Refused
from app.core.migration import wanted_mark
from app.core.storage import Storage

FORMAT = 1
MANIFEST = "manifest.json"
# Who is signed in where does not travel: after a restore everybody signs in anew.
LEFT_OUT = frozenset({"person_session", "contact_session", "person_link", "contact_link", "sign_in_attempt"})
BATCH = 2_000


@dataclass(frozen=True)
class Written:
    """What a backup holds: rows by table, objects and their bytes."""

    tables: dict[str, int]
    objects: int
    bytes: int


def table_names(connection: sa.Connection) -> list[str]:
    """Every table of the product that travels, in order of name."""
    names = connection.scalars(
        sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    )
    return [name for name in names if name not in LEFT_OUT and name != "alembic_version"]


def write_backup(settings: Settings, path: Path) -> Written:
    """Write everything as of one instant. The file appears whole, readable by its owner only, or not at all."""
    partial = path.with_name(path.name + ".part")
    partial.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
    try:
        with os.fdopen(descriptor, "wb") as stream, zipfile.ZipFile(stream, "w", allowZip64=True) as archive:
            with engine.connect().execution_options(
                isolation_level="REPEATABLE READ", stream_results=True
            ) as connection:
                tables = {name: _write_table(archive, connection, name) for name in table_names(connection)}
                keys = list(_object_keys(connection))
            objects = _write_objects(archive, Storage(settings), keys)
            manifest = {
                "format": FORMAT,
                "schema": wanted_mark(),
                "made_at": now().isoformat(),
                "tables": tables,
                "objects": objects,
            }
            archive.writestr(MANIFEST, json.dumps(manifest, indent=1, sort_keys=True), zipfile.ZIP_DEFLATED)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
        engine.dispose()
    return Written(
        {name: entry["rows"] for name, entry in tables.items()}, len(objects), sum(o["size"] for o in objects.values())
    )


def _write_table(archive: zipfile.ZipFile, connection: sa.Connection, name: str) -> dict[str, Any]:
    rows, digest = 0, hashlib.sha256()
    member = zipfile.ZipInfo(f"data/{name}.jsonl", date_time=(1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(member, "w", force_zip64=True) as out:
        for text in connection.scalars(sa.text(f'SELECT row_to_json(t)::text FROM "{name}" t')).yield_per(BATCH):
            line = text.encode() + b"\n"
            out.write(line)
            digest.update(line)
            rows += 1
    return {"rows": rows, "sha256": digest.hexdigest()}


def _object_keys(connection: sa.Connection) -> Iterator[str]:
    """Every object that a row points at."""
    columns = connection.execute(
        sa.text(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
            "AND column_name IN ('kept_key', 'preview_key', 'incoming_key', 'pdf_key', 'logo_key') ORDER BY 1, 2"
        )
    ).all()
    for table, column in columns:
        yield from connection.scalars(sa.text(f'SELECT DISTINCT "{column}" FROM "{table}" WHERE "{column}" <> \'\''))


def _write_objects(archive: zipfile.ZipFile, storage: Storage, keys: list[str]) -> dict[str, dict[str, Any]]:
    """Stream each object into the archive; one that storage no longer has is left out (`verify` reports it)."""
    written: dict[str, dict[str, Any]] = {}
    for key in sorted(set(keys)):
        if not storage.exists(key):
            continue
        digest, size = hashlib.sha256(), 0
        with archive.open(f"objects/{key}", "w", force_zip64=True) as out:
            for chunk in storage.chunks(key):
                out.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        written[key] = {"size": size, "sha256": digest.hexdigest(), "type": storage.content_type(key)}
    return written


def read_backup(settings: Settings, path: Path) -> Written:
    """Check the whole file, then load it into an empty firm in one transaction. Raises Refused with what is wrong."""
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise Refused(f"{path} cannot be read as a backup: {error}") from error
    with archive:
        manifest = _checked_manifest(archive)
        engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
        try:
            with engine.begin() as connection:
                _check_empty(connection, manifest)
                keys = _drop_foreign_keys(connection)
                for name in manifest["tables"]:
                    _load_table(archive, connection, name)
                _restore_foreign_keys(connection, keys)
                _advance_sequences(connection)
                storage = Storage(settings)
                for key, entry in manifest["objects"].items():
                    with archive.open(f"objects/{key}") as body:
                        storage.put(key, body.read(), entry["type"])
        finally:
            engine.dispose()
    objects = manifest["objects"]
    return Written(
        {name: entry["rows"] for name, entry in manifest["tables"].items()},
        len(objects),
        sum(entry["size"] for entry in objects.values()),
    )


def _checked_manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
    except (KeyError, ValueError) as error:
        raise Refused("The file has no manifest; it is not a backup or was cut short.") from error
    if manifest.get("format") != FORMAT:
        raise Refused(f"The backup has format {manifest.get('format')}; this version reads format {FORMAT}.")
    if manifest["schema"].split()[1] != wanted_mark().split()[1]:
        raise Refused(
            "The backup comes from another version of the schema; restore it with that version, then upgrade."
        )
    members = {f"data/{name}.jsonl": entry for name, entry in manifest["tables"].items()}
    members |= {f"objects/{key}": entry for key, entry in manifest["objects"].items()}
    for member, entry in members.items():
        digest = hashlib.sha256()
        try:
            with archive.open(member) as body:
                while chunk := body.read(1 << 20):
                    digest.update(chunk)
        except (KeyError, zipfile.BadZipFile, EOFError) as error:
            raise Refused(f"{member} is missing or damaged in the backup; nothing was restored.") from error
        if digest.hexdigest() != entry["sha256"]:
            raise Refused(f"{member} is not what the backup wrote; nothing was restored.")
    return manifest


def _check_empty(connection: sa.Connection, manifest: dict[str, Any]) -> None:
    present = set(table_names(connection))
    if unknown := set(manifest["tables"]) - present:
        raise Refused(f"The backup has tables that this version does not know: {', '.join(sorted(unknown))}.")
    for name in sorted(present):
        if connection.scalar(sa.text(f'SELECT EXISTS (SELECT FROM "{name}")')):
            raise Refused(f"This place is not empty (table {name}). A backup is restored into an empty place only.")


def _drop_foreign_keys(connection: sa.Connection) -> list[tuple[str, str, str]]:
    """Take the foreign keys off, and our own triggers out of the way: what is loaded was judged when it was made."""
    keys = [
        (row.tab, row.name, row.definition)
        for row in connection.execute(
            sa.text(
                "SELECT conrelid::regclass::text AS tab, conname AS name, pg_get_constraintdef(oid) AS definition "
                "FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace ORDER BY 1, 2"
            )
        )
    ]
    for table, name, _ in keys:
        connection.exec_driver_sql(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    for name in table_names(connection):
        connection.exec_driver_sql(f'ALTER TABLE "{name}" DISABLE TRIGGER USER')
    return keys


def _restore_foreign_keys(connection: sa.Connection, keys: list[tuple[str, str, str]]) -> None:
    for name in table_names(connection):
        connection.exec_driver_sql(f'ALTER TABLE "{name}" ENABLE TRIGGER USER')
    for table, name, definition in keys:
        connection.exec_driver_sql(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')


def _load_table(archive: zipfile.ZipFile, connection: sa.Connection, name: str) -> None:
    insert = sa.text(f'INSERT INTO "{name}" SELECT * FROM json_populate_recordset(null::"{name}", CAST(:rows AS json))')
    batch: list[str] = []
    with archive.open(f"data/{name}.jsonl") as lines:
        for line in lines:
            batch.append(line.decode())
            if len(batch) == BATCH:
                connection.execute(insert, {"rows": f"[{','.join(batch)}]"})
                batch.clear()
    if batch:
        connection.execute(insert, {"rows": f"[{','.join(batch)}]"})


def _advance_sequences(connection: sa.Connection) -> None:
    """Sequences go on behind the highest number that was restored."""
    connection.exec_driver_sql("SELECT setval('event_id_seq', (SELECT coalesce(max(id), 0) + 1 FROM event), false)")
    for table, column in (("ledger_transaction", "id"),):
        connection.exec_driver_sql(
            f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), "
            f"(SELECT coalesce(max({column}), 0) + 1 FROM {table}), false)"
        )
