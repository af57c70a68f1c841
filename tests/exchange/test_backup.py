"""Everything out, and in again elsewhere, equal."""

from __future__ import annotations

import hashlib
import json
import random
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.billing.commands.issue import approve_invoice
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.models import Invoice
from app.config import Settings
from app.core.backing.provision import make_bucket
from app.core.db import db
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.storage import Storage, StorageUnavailable
from app.core.stored import stored_kinds
from app.exchange import archive as archives
from app.exchange.archive import MANIFEST, MARK
from app.exchange.backup import table_names, write_backup
from app.exchange.restore import SEQUENCES, read_backup
from app.factory import create_app
from app.firm.models import Firm
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import make_cast
from tests.plumbing import TestServices, cloned_database, empty_bucket

pytestmark = pytest.mark.real


def digest(settings: Settings) -> dict[str, str]:
    """A hash of every table's rows, whatever their order."""
    engine = sa.create_engine(settings.database_url)
    with engine.connect() as connection:
        found = {}
        for name in table_names(connection):
            rows = connection.scalars(sa.text(f'SELECT row_to_json(t)::text FROM "{name}" t')).all()
            found[name] = hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()
    engine.dispose()
    return found


EMPTY = hashlib.sha256(b"").hexdigest()


def assert_nothing_left_behind(settings: Settings) -> None:
    assert set(digest(settings).values()) == {EMPTY}
    assert list(Storage(settings).keys()) == []
    assert list(Storage(settings).unfinished()) == []


@contextmanager
def another_place(firm: Settings, services: TestServices) -> Iterator[Settings]:
    """An empty database and an empty bucket."""
    with cloned_database(services) as elsewhere:
        elsewhere = replace(elsewhere, s3_bucket=f"{firm.s3_bucket}-elsewhere")
        make_bucket(elsewhere)
        empty_bucket(elsewhere)
        yield elsewhere
        empty_bucket(elsewhere)


@pytest.fixture
def firm(real_app: Flask) -> Iterator[Settings]:
    """A firm with a bill and a stored object behind it, committed."""
    from app.core.db import transaction

    settings: Settings = real_app.config["SETTINGS"]
    empty_bucket(settings)
    with real_app.app_context():
        with transaction() as session:
            cast = make_cast()
            make_rate("100")
            make_entry(cast)
            cast.firm.logo_key = "kept/logo"
            session.flush()
        approve_invoice(make_draft(cast), by=cast.actor(cast.bea))
        Storage(settings).put("kept/logo", b"a picture", "image/png")
        Storage(settings).put("kept/what no row names", b"for a mail", "text/plain")
        db.session.remove()
    yield settings
    empty_bucket(settings)


@pytest.fixture
def backup(firm: Settings, tmp_path: Path) -> Path:
    write_backup(firm, tmp_path / "firm.zip")
    return tmp_path / "firm.zip"


def test_a_restored_firm_is_equal_row_by_row_and_object_by_object(
    firm: Settings, services: TestServices, tmp_path: Path
) -> None:
    written = write_backup(firm, tmp_path / "firm.zip")
    assert (tmp_path / "firm.zip").stat().st_mode & 0o077 == 0
    with another_place(firm, services) as elsewhere:
        restored = read_backup(elsewhere, tmp_path / "firm.zip")
        assert (restored, digest(elsewhere)) == (written, digest(firm))
        assert Storage(elsewhere).get("kept/logo") == b"a picture"
        assert Storage(elsewhere).content_type("kept/logo") == "image/png"
        assert Storage(elsewhere).get("kept/what no row names") == b"for a mail"


def test_work_goes_on_everywhere_after_a_restore(firm: Settings, services: TestServices, backup: Path) -> None:
    with another_place(firm, services) as elsewhere:
        read_backup(elsewhere, backup)
        app = create_app(elsewhere)
        app.config["QUEUE_INLINE"] = []
        with app.app_context():
            from tests.make import Cast

            cast = _cast_again(Cast)
            entry = make_entry(cast, narrative="After the restore")
            note = approve_invoice(make_draft(cast), by=cast.actor(cast.bea))
            facts = PaymentFacts(
                client_id=note.payer_id, entity_id=note.entity_id, received_on=note.issued_on, amount=note.gross,
                currency=note.currency,
            )  # fmt: skip
            record_payment(new_id(), facts, by=cast.actor(cast.bea))
            assert entry.id and db.session.scalar(sa.select(sa.func.count()).select_from(Invoice)) == 2
            for row in db.session.execute(SEQUENCES).all():
                highest = db.session.scalar(sa.text(f"SELECT max({row.col}) FROM {row.tab}"))
                assert db.session.scalar(sa.text(f"SELECT nextval('{row.name}')")) > (highest or 0), row.name
            db.session.remove()
            for engine in db.engines.values():
                engine.dispose()


def _cast_again(kind: type[Any]) -> Any:
    """The cast of a firm that is in the database already."""
    from app.clients.models import Client, Engagement
    from app.people.models import Person

    people = {person.name.lower(): person for person in db.session.scalars(sa.select(Person))}
    acme = db.session.scalars(sa.select(Client).where(Client.name == "Acme Ltd")).one()
    work = db.session.scalars(sa.select(Engagement).where(Engagement.client_id == acme.id)).one()
    cast = object.__new__(kind)
    cast.__dict__.update(people, acme=acme, acme_work=work)
    return cast


def test_every_sequence_of_the_schema_belongs_to_a_column(firm: Settings) -> None:
    engine = sa.create_engine(firm.database_url)
    with engine.connect() as connection:
        found = {row.name: row.tab for row in connection.execute(SEQUENCES)}
    engine.dispose()
    assert found["event_id_seq"] == "event" and None not in found.values()
    assert {"ledger_transaction", "account_balance"} <= set(found.values())


def test_every_key_of_storage_that_the_schema_has_is_registered(firm: Settings) -> None:
    """A column that names an object is known to backup and to the proof of objects."""
    named = {
        f"{table.name}.{column.name}" for table in db.metadata.sorted_tables for column in table.columns
        if column.name.endswith("_key") and column.name not in ("sort_key", "step_key", "on_key")
    }  # fmt: skip
    known = {str(statement.selected_columns[0].element) for statement in stored_kinds().values()}  # type: ignore[attr-defined]
    assert named <= known, named - known


def test_a_place_that_is_not_empty_is_left_alone(firm: Settings, backup: Path) -> None:
    before = digest(firm)
    with pytest.raises(Refused, match="not empty"):
        read_backup(firm, backup)
    assert digest(firm) == before
    assert Storage(firm).get("kept/logo") == b"a picture"


def test_an_object_that_lies_there_already_stays_and_a_different_one_is_refused(
    firm: Settings, services: TestServices, backup: Path
) -> None:
    with another_place(firm, services) as elsewhere:
        Storage(elsewhere).put("kept/logo", b"another one", "image/png")
        with pytest.raises(Refused, match="Storage holds another object under kept/logo"):
            read_backup(elsewhere, backup)
        assert Storage(elsewhere).get("kept/logo") == b"another one"
        assert set(digest(elsewhere).values()) == {EMPTY}
        Storage(elsewhere).put("kept/logo", b"a picture", "image/png")
        assert read_backup(elsewhere, backup).objects == 2


def test_a_flipped_bit_anywhere_is_seen_and_nothing_is_left_behind(
    firm: Settings, services: TestServices, backup: Path, tmp_path: Path
) -> None:
    whole, bad = backup.read_bytes(), tmp_path / "bad.zip"
    chance = random.Random(7)
    with zipfile.ZipFile(backup) as archive:
        starts = [member.header_offset for member in archive.infolist()]
        directory = archive.start_dir
    ends = [*range(len(whole) - 120, len(whole)), *range(directory, directory + 60)]
    places = [*ends, *(start + chance.randrange(60) for start in starts), *chance.sample(range(len(whole)), 150)]
    with another_place(firm, services) as elsewhere:
        for place in places:
            flipped = bytearray(whole)
            flipped[place] ^= 1 << chance.randrange(8)
            bad.write_bytes(flipped)
            with pytest.raises(Refused) as refusal:
                read_backup(elsewhere, bad)
            assert "\n" not in str(refusal.value), place
        assert_nothing_left_behind(elsewhere)


def test_a_file_that_was_cut_short_or_grew_is_refused(
    firm: Settings, services: TestServices, backup: Path, tmp_path: Path
) -> None:
    bad, whole = tmp_path / "bad.zip", backup.read_bytes()
    with another_place(firm, services) as elsewhere:
        for body in (*(whole[:length] for length in (0, 1, 22, 100, -1, -65, -1000)), whole + b"more", b"no backup"):
            bad.write_bytes(body)
            with pytest.raises(Refused, match="damaged or was cut short"):
                read_backup(elsewhere, bad)
        with pytest.raises(Refused, match="cannot be read: No such file"):
            read_backup(elsewhere, tmp_path / "none.zip")
        assert_nothing_left_behind(elsewhere)


Members = dict[str, bytes]
Change = Callable[[Members, dict[str, Any]], None]


def rewritten(backup: Path, target: Path, change: Change, *, honest: bool = True) -> Path:
    """A backup as somebody would make it who knows the format: whole, sealed, its digests right."""
    with zipfile.ZipFile(backup) as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    manifest = json.loads(members.pop(MANIFEST))
    change(members, manifest)
    for name, part in manifest["tables"].items() if honest and isinstance(manifest.get("tables"), dict) else ():
        body = members.get(f"data/{name}.jsonl")
        if body is not None and isinstance(part, dict):
            part |= {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    if manifest:
        manifest.pop("sha256", None)
        spelled = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
        members[MANIFEST] = json.dumps(manifest | {"sha256": hashlib.sha256(spelled).hexdigest()}).encode()
    with target.open("wb") as stream, archives.new_archive(stream) as out:
        for name, body in members.items():
            out.writestr(name, body, zipfile.ZIP_STORED if name.startswith("objects/") else zipfile.ZIP_DEFLATED)
    return target


def _without_manifest(members: Members, manifest: dict[str, Any]) -> None:
    manifest.clear()


def _fewer_tables(members: Members, manifest: dict[str, Any]) -> None:
    del manifest["tables"]["posting"], members["data/posting.jsonl"]


def _a_table_not_named(members: Members, manifest: dict[str, Any]) -> None:
    del manifest["tables"]["posting"]


def _no_tables(members: Members, manifest: dict[str, Any]) -> None:
    del manifest["tables"]


def _a_list_of_tables(members: Members, manifest: dict[str, Any]) -> None:
    manifest["tables"] = list(manifest["tables"])


def _a_size_of_words(members: Members, manifest: dict[str, Any]) -> None:
    manifest["objects"]["kept/logo"]["size"] = "nine"


def _an_unknown_table(members: Members, manifest: dict[str, Any]) -> None:
    manifest["tables"]["secret"] = {"rows": 0, "size": 0, "sha256": EMPTY}
    members["data/secret.jsonl"] = b""


def _an_unknown_member(members: Members, manifest: dict[str, Any]) -> None:
    members["../../run.sh"] = b"echo"


def _a_lost_row(members: Members, manifest: dict[str, Any]) -> None:
    members["data/posting.jsonl"] = members["data/posting.jsonl"].split(b"\n", 1)[1]


def _a_lost_event(members: Members, manifest: dict[str, Any]) -> None:
    manifest["chain"] = {"position": 12, "hash": "00"}


def _a_column_less(members: Members, manifest: dict[str, Any]) -> None:
    rows = [json.loads(line) for line in members["data/posting.jsonl"].splitlines()]
    members["data/posting.jsonl"] = b"".join(
        json.dumps({key: value for key, value in row.items() if key != "invoice_id"}).encode() + b"\n" for row in rows
    )


def _a_value_of_another_type(members: Members, manifest: dict[str, Any]) -> None:
    body = members["data/posting.jsonl"]
    members["data/posting.jsonl"] = body.replace(b'"line":1', b'"line":"one"')


def _no_json(members: Members, manifest: dict[str, Any]) -> None:
    members["data/client.jsonl"] = b"{" * 100_000


def _a_broken_reference(members: Members, manifest: dict[str, Any]) -> None:
    members["data/office.jsonl"], manifest["tables"]["office"]["rows"] = b"", 0


def _a_bomb(members: Members, manifest: dict[str, Any]) -> None:
    members["data/client.jsonl"] = b" " * (80 << 20)


def _another_schema(members: Members, manifest: dict[str, Any]) -> None:
    manifest["schema"] = "firmament 0000 00"


def _a_changed_object(members: Members, manifest: dict[str, Any]) -> None:
    members["objects/kept/what no row names"] = b"for a mall"


REFUSALS = {
    _without_manifest: "damaged or was cut short",
    _fewer_tables: "The backup lacks tables: posting",
    _a_table_not_named: "does not hold what its manifest names: data/posting.jsonl",
    _no_tables: "damaged or was cut short",
    _a_list_of_tables: "damaged or was cut short",
    _a_size_of_words: "damaged or was cut short",
    _an_unknown_table: "tables that this version does not know: secret",
    _an_unknown_member: r"does not hold what its manifest names: \.\./\.\./run\.sh",
    _a_lost_row: "rows, the manifest says",
    _a_lost_event: "event log ends at 0, its manifest says 12",
    _a_column_less: "is no row of that table",
    _a_value_of_another_type: "does not take what the backup holds",
    _no_json: "damaged or was cut short",
    _a_broken_reference: "does not take what the backup holds",
    _a_bomb: "unpack to far more",
    _another_schema: "another version of the schema",
    _a_changed_object: "objects/kept/what no row names is not what the backup wrote",
}


def test_a_backup_that_is_not_what_it_should_be_restores_nothing(
    firm: Settings, services: TestServices, backup: Path, tmp_path: Path
) -> None:
    with another_place(firm, services) as elsewhere:
        for change, words in REFUSALS.items():
            bad = rewritten(backup, tmp_path / "bad.zip", change)
            with pytest.raises(Refused, match=words) as refusal:
                read_backup(elsewhere, bad)
            assert "\n" not in str(refusal.value)
            assert_nothing_left_behind(elsewhere)
        assert read_backup(elsewhere, backup).objects == 2


def test_a_backup_of_the_first_format_is_told_apart(firm: Settings, services: TestServices, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as old:
        old.writestr(MANIFEST, json.dumps({"format": 1, "schema": "firmament 0003 00", "tables": {}, "objects": {}}))
    with another_place(firm, services) as elsewhere, pytest.raises(Refused, match="format 1; this version reads"):
        read_backup(elsewhere, tmp_path / "old.zip")


def test_storage_that_stops_in_the_middle_leaves_nothing_behind(
    firm: Settings, services: TestServices, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = Storage.put_stream, []

    def stops(self: Storage, key: str, body: Any, content_type: str) -> None:
        if seen:
            raise StorageUnavailable("File storage cannot be reached just now.")
        seen.append(key)
        real(self, key, body, content_type)

    monkeypatch.setattr(Storage, "put_stream", stops)
    with another_place(firm, services) as elsewhere:
        with pytest.raises(StorageUnavailable):
            read_backup(elsewhere, backup)
        assert seen
        assert_nothing_left_behind(elsewhere)


class Long:
    """Many bytes, made as they are read; asking for all of them at once is an error."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1, /) -> bytes:
        assert 0 <= size <= 8 << 20
        taken = min(size, self.left)
        self.left -= taken
        return b"x" * taken


def test_a_large_object_goes_out_and_in_piece_by_piece(
    firm: Settings, services: TestServices, tmp_path: Path
) -> None:
    size = 64 << 20
    Storage(firm).put_stream("kept/large", Long(size), "application/octet-stream")
    with another_place(firm, services) as elsewhere:
        tracemalloc.start()
        try:
            write_backup(firm, tmp_path / "firm.zip")
            read_backup(elsewhere, tmp_path / "firm.zip")
            assert tracemalloc.get_traced_memory()[1] < 40 << 20
        finally:
            tracemalloc.stop()
        assert Storage(elsewhere).size("kept/large") == size
        assert Storage(elsewhere).sha256("kept/large") == Storage(firm).sha256("kept/large")


def test_firm_is_found_again_with_its_seal_at_the_end_of_the_file(firm: Settings, backup: Path) -> None:
    whole = backup.read_bytes()
    assert whole[-64 - len(MARK) : -64] == MARK
    assert hashlib.sha256(whole[:-64]).hexdigest().encode() == whole[-64:]
    with zipfile.ZipFile(backup) as archive:
        assert archive.testzip() is None and Firm.__tablename__ in str(archive.namelist())
