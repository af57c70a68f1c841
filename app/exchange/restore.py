"""Loading a backup into an empty place: all of it, or nothing and a sentence that says why not."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from app.activity.queries import Anchor
from app.config import Settings
from app.core.errors import FirmamentError, Refused
from app.core.migration import wanted_mark
from app.core.storage import ObjectMissing, Storage
from app.exchange.archive import (
    Counted,
    Manifest,
    ObjectPart,
    TablePart,
    object_member,
    table_member,
    whole_archive,
)
from app.exchange.backup import Written, chain_end, table_names

BATCH, BATCH_BYTES = 2_000, 8 << 20
LOCK = 7_140_003


def read_backup(settings: Settings, path: Path) -> Written:
    """Check the whole file, then load it into an empty firm in one transaction. Raises Refused with what is wrong.

    Objects are put last, before that transaction commits; if anything fails, those that were put are removed again.
    """
    with whole_archive(path) as (archive, manifest):
        storage = Storage(settings)
        engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
        try:
            with _removed_on_failure(storage) as put, _told(), engine.begin() as connection:
                _load(archive, manifest, connection)
                for key, part in manifest.objects.items():
                    _put_object(archive, storage, key, part, put)
        finally:
            engine.dispose()
    return Written.of(manifest)


def _load(archive: zipfile.ZipFile, manifest: Manifest, connection: sa.Connection) -> None:
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    _check_fits(connection, manifest)
    keys = _drop_foreign_keys(connection)
    _check_empty(connection)
    for name, part in manifest.tables.items():
        _load_table(archive, connection, name, part)
    _restore_foreign_keys(connection, keys)
    _advance_sequences(connection)
    _check_chain(chain_end(connection), manifest.chain)


@contextmanager
def _removed_on_failure(storage: Storage) -> Iterator[list[str]]:
    """The keys put meanwhile; gone again when something fails, however it fails."""
    put: list[str] = []
    try:
        yield put
    except BaseException as failure:
        left = [key for key in put if not _removed(storage, key)]
        if left and isinstance(failure, FirmamentError):
            raise Refused(
                f"{failure.message} {len(left)} objects could not be removed from storage again, first {left[0]}."
            ) from failure
        raise


def _removed(storage: Storage, key: str) -> bool:
    try:
        storage.delete(key)
    except FirmamentError:
        return False
    return True


@contextmanager
def _told() -> Iterator[None]:
    """What the database does not take, said in a sentence."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise Refused(f"The database stopped in the middle, and nothing was restored: {_first_line(error)}") from error
    except SQLAlchemyError as error:
        raise Refused(f"The database does not take what the backup holds, and nothing was restored: "
                      f"{_first_line(error)}") from error


def _first_line(error: SQLAlchemyError) -> str:
    lines = str(getattr(error, "orig", None) or error).splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _check_fits(connection: sa.Connection, manifest: Manifest) -> None:
    """The backup is of this very schema, table by table, and the place is empty."""
    if manifest.schema.split()[1:2] != wanted_mark().split()[1:2]:
        raise Refused(
            "The backup comes from another version of the schema; restore it with that version, then upgrade."
        )
    present, named = set(table_names(connection)), set(manifest.tables)
    if unknown := named - present:
        raise Refused(f"The backup has tables that this version does not know: {', '.join(sorted(unknown)[:5])}.")
    if lacking := present - named:
        raise Refused(f"The backup lacks tables: {', '.join(sorted(lacking)[:5])}. Nothing was restored.")
    _check_empty(connection)


def _check_empty(connection: sa.Connection) -> None:
    for name in table_names(connection):
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


_COLUMNS = sa.text("""
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = :name AND is_generated = 'NEVER' ORDER BY ordinal_position
""")
_MADE = sa.text("""
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = :name AND is_generated <> 'NEVER'
""")


def _load_table(archive: zipfile.ZipFile, connection: sa.Connection, name: str, part: TablePart) -> None:
    columns = list(connection.scalars(_COLUMNS, {"name": name}))
    wanted = {*columns, *connection.scalars(_MADE, {"name": name})}
    listed = ", ".join(f'"{column}"' for column in columns)
    insert = sa.text(
        f'INSERT INTO "{name}" ({listed}) OVERRIDING SYSTEM VALUE '
        f'SELECT {listed} FROM json_populate_recordset(null::"{name}", CAST(:rows AS json))'
    )
    batch: list[str] = []
    size = rows = 0
    with archive.open(table_member(name)) as stream:
        body = Counted(stream, table_member(name), part)
        while line := body.readline():
            rows += 1
            if not _is_row(line, wanted):
                raise Refused(f"Line {rows} of {table_member(name)} is no row of that table. Nothing was restored.")
            batch.append(line.decode())
            size += len(line)
            if len(batch) == BATCH or size > BATCH_BYTES:
                connection.execute(insert, {"rows": f"[{','.join(batch)}]"})
                batch.clear()
                size = 0
        body.finish()
    if batch:
        connection.execute(insert, {"rows": f"[{','.join(batch)}]"})
    if rows != part.rows:
        raise Refused(f"{table_member(name)} has {rows} rows, the manifest says {part.rows}. Nothing was restored.")


def _is_row(line: bytes, wanted: set[str]) -> bool:
    """Whether a line is one JSON object with the table's very columns: a lacking one would be taken as empty."""
    row: Any = json.loads(line)
    return isinstance(row, dict) and row.keys() == wanted


# Every sequence there is, with the column whose values it gives; without one it stands by itself.
SEQUENCES = sa.text("""
    SELECT s.oid::regclass::text AS name, min(d.refobjid::regclass::text) AS tab, min(quote_ident(a.attname)) AS col
    FROM pg_class s
    LEFT JOIN (
        SELECT objid AS sequence, refobjid, refobjsubid FROM pg_depend  -- owned by a column, identities too
        WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND refobjsubid > 0
          AND deptype IN ('a', 'i')
        UNION
        SELECT d.refobjid, f.adrelid, f.adnum FROM pg_depend d  -- or in a column's default
        JOIN pg_attrdef f ON f.oid = d.objid
        WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'n'
    ) AS d ON d.sequence = s.oid
    LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE s.relkind = 'S' AND s.relnamespace = 'public'::regnamespace
    GROUP BY s.oid ORDER BY 1
""")


def _advance_sequences(connection: sa.Connection) -> None:
    """Sequences go on behind the highest number that was restored."""
    for row in connection.execute(SEQUENCES).all():
        if row.tab is None:
            raise Refused(f"The sequence {row.name} belongs to no column, so nobody knows where it stood.")
        connection.exec_driver_sql(
            f"SELECT setval('{row.name}', (SELECT coalesce(max({row.col}), 0) + 1 FROM {row.tab}), false)"
        )


def _check_chain(found: Anchor, written: Anchor) -> None:
    if found != written:
        raise Refused(
            f"The backup's event log ends at {found.position}, its manifest says {written.position}, or the links "
            "differ there. Nothing was restored."
        )


def _put_object(archive: zipfile.ZipFile, storage: Storage, key: str, part: ObjectPart, put: list[str]) -> None:
    """Stream one object into storage. One that lies there already must be the same and is left as it is."""
    with archive.open(object_member(key)) as stream:
        body = Counted(stream, object_member(key), part)
        if storage.exists(key):
            if not _is_there(storage, key, part):
                raise Refused(f"Storage holds another object under {key}. Nothing was restored.")
            return
        put.append(key)
        storage.put_stream(key, body, part.type)
        body.finish()


def _is_there(storage: Storage, key: str, part: ObjectPart) -> bool:
    try:
        return storage.size(key) == part.size and storage.sha256(key).hex() == part.sha256
    except ObjectMissing:
        return False
