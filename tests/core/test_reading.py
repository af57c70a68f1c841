"""Whatever reads bytes from outside does so in a process of its own, and no bomb gets past its limits."""

from __future__ import annotations

import ast
import copy
import io
import json
import resource
import signal
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.core import reading
from app.core.errors import Refused
from app.core.reading import Limits, NotRead, read_bytes_apart
from app.documents.inspection.kinds import Unacceptable
from app.documents.inspection.look import look_at
from app.exchange.anchors import differences_from
from app.exchange.archive import MANIFEST, new_archive, whole_archive
from app.exchange.files import parse_table, read_table
from app.exchange.letters import plain_text
from app.exchange.unpacking import digest_of_body
from app.firm.commands.firm import redrawn
from app.ledger.rate_files import prove_ecb, text_of
from tests.core.readers import break_down, die, echo, hoard, refuse, sleep, spin, talk, tell_what_it_knows

ROOT = Path(__file__).parents[2]
SMALL = Limits(memory=256 << 20, seconds=1, wait=3, answer=1 << 20)
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def processor_seconds() -> float:
    """What this process and the readers that it waited for have used: the same on a busy machine."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def test_a_reader_gets_the_bytes_and_its_words_and_answers() -> None:
    assert read_bytes_apart(echo, "Zoë".encode(), 1, "a", limits=SMALL) == ["Zoë", [1, "a"]]
    with pytest.raises(Refused, match=r"It is no list\.") as refused:
        read_bytes_apart(refuse, b"", limits=SMALL)
    assert refused.value.field == "file" and not isinstance(refused.value, NotRead)


@pytest.mark.parametrize("reader", [hoard, spin, sleep, talk, die, break_down])
def test_what_a_reader_does_wrong_ends_with_its_process(reader: Callable[..., Any]) -> None:
    begun, before = processor_seconds(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(NotRead, match="Save it again"):
        read_bytes_apart(reader, b"", limits=SMALL)
    assert processor_seconds() - begun < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


def test_a_reader_knows_none_of_our_secrets() -> None:
    assert set(read_bytes_apart(tell_what_it_knows, b"", limits=SMALL)) <= {
        "LANG", "LC_CTYPE", "MALLOC_ARENA_MAX", "PATH", "PYTHONPATH",
    }


def test_readers_wait_for_a_turn_and_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PATIENCE", 0)
    taken = [reading._turns.acquire(blocking=False) for _ in range(reading.AT_ONCE)]
    try:
        with pytest.raises(Refused, match="in a minute"):
            read_bytes_apart(echo, b"", limits=SMALL)
    finally:
        for _ in filter(None, taken):
            reading._turns.release()
    assert read_bytes_apart(echo, b"a", limits=SMALL) == ["a", []]


def archive(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as made:
        for name, body in members:
            made.writestr(name, body)
    return out.getvalue()


def workbook(sheet: str, *, entities: str = "", more: tuple[tuple[str, bytes], ...] = ()) -> bytes:
    """The smallest workbook (ECMA-376) around this sheet."""
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">'
        '<sheets><sheet name="List" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'{entities}<worksheet xmlns="{MAIN}">{sheet}</worksheet>',
    }
    return archive(*((name, f'<?xml version="1.0"?>{text}'.encode()) for name, text in parts.items()), *more)


def text(at: str, value: str) -> str:
    return f'<c r="{at}" t="inlineStr"><is><t>{value}</t></is></c>'


def far_out(dimension: str = "") -> bytes:
    return workbook(
        f'{dimension}<sheetData><row r="1">{text("A1", "Name")}</row>'
        f'<row r="1048576">{text("XFD1048576", "x")}</row></sheetData>'
    )


def laughs() -> bytes:
    names = "abcdefghij"
    lines = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip(names, names[1:], strict=False))
    entities = f'<!DOCTYPE w [<!ENTITY a "{"ha" * 50}">{lines}]>'
    return workbook(f'<sheetData><row r="1">{text("A1", "&j;")}</row></sheetData>', entities=entities)


TAKES_MORE = "takes more memory or time to open"
LISTS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "one value in the last cell of a sheet": (TAKES_MORE, far_out),
    "the same, and the sheet says it is small": (TAKES_MORE, lambda: far_out('<dimension ref="A1:B2"/>')),
    "a sheet of nothing, a thousandfold packed": (
        TAKES_MORE, lambda: workbook("<sheetData>" + " " * (400 << 20) + "</sheetData>")
    ),
    "entities within entities": ("cannot be opened", laughs),
    "a thousand columns": ("more than 300 columns", lambda: b",".join([b"Name"] * 100_000) + b"\nx\n"),
    "one endless line": ("more than 100,000 signs", lambda: b"Name\n" + b"x" * (2 << 20)),
    "one endless cell in quotes": ("more than 100,000 signs", lambda: b'Name\n"' + b"x\n" * (1 << 20)),
    "nothing but line ends": ("no rows under a header", lambda: b"Name\n" + b"\n" * ((10 << 20) - 10)),
    "nothing but delimiters": ("more than 300 columns", lambda: b"Name\n" + b"," * ((10 << 20) - 10)),
    "a broken old workbook": ("cannot be opened", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 4_096),
}


@pytest.mark.parametrize("what", LISTS)
def test_no_list_takes_the_web_down_and_the_person_is_told(what: str) -> None:
    says, make = LISTS[what]
    content, before, begun = make(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, processor_seconds()
    with pytest.raises(Refused, match=says) as refused:
        read_table(content)
    assert refused.value.field == "file" and refused.value.message.endswith((".", "list."))
    assert processor_seconds() - begun < 40
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10


def boasting(size: int) -> bytes:
    """A workbook whose archive says that one of its members is this large."""
    out = io.BytesIO(workbook(f'<sheetData><row r="1">{text("A1", "Name")}</row><row r="2">{text("A2", "x")}</row>'
                              "</sheetData>", more=(("more", b""),)))
    with zipfile.ZipFile(out, "a") as made:
        made.getinfo("more").file_size = size
        made.comment = b"so that it is written anew"
    return out.getvalue()


def corner(at: str) -> bytes:
    row = at.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return workbook(f'<sheetData><row r="1">{text("A1", "Name")}</row><row r="{row}">{text(at, "x")}</row></sheetData>')


@pytest.mark.parametrize(("says", "just", "over"), [
    ("A row has more than 300 columns", lambda: b"a," * 299 + b"a\nx\n", lambda: b"a," * 300 + b"a\nx\n"),
    ("Line 2 holds a cell of more than 100,000 signs", lambda: b"Name\n" + b"x" * 100_000,
     lambda: b"Name\n" + b"x" * 131_073),
    ("The sheet is larger than", lambda: corner("KN2"), lambda: corner("KO2")),
    ("The sheet is larger than", lambda: corner("A50001"), lambda: corner("A50002")),
    (TAKES_MORE, lambda: boasting(290 << 20), lambda: boasting(301 << 20)),
], ids=["columns", "a cell", "a wide sheet", "a long sheet", "an archive"])
def test_a_list_is_read_up_to_its_limits_and_refused_beyond_by_the_one_it_broke(
    says: str, just: Callable[[], bytes], over: Callable[[], bytes]
) -> None:
    assert len(parse_table(io.BytesIO(just()))["rows"]) == 1
    with pytest.raises(Refused, match=says):
        parse_table(io.BytesIO(over()))


def deep(levels: int) -> bytes:
    """A mail within a mail within a mail."""
    parts = "".join(f'Content-Type: multipart/mixed; boundary="b{at}"\n\n--b{at}\n' for at in range(levels))
    return f"MIME-Version: 1.0\n{parts}".encode()


@pytest.mark.parametrize("mail", [
    deep(1_500), b"MIME-Version: 1.0\nContent-Type: text/plain; charset=no-such\n\nx",
    b"MIME-Version: 1.0\nContent-Type: text/plain; charset=zlib\n\nx",
], ids=["nested", "unknown signs", "packed signs"])
def test_a_saved_mail_that_breaks_its_reader_is_refused_in_words(mail: bytes, tmp_path: Path) -> None:
    path = tmp_path / "anchor.eml"
    path.write_bytes(mail)
    with pytest.raises(NotRead, match="or is damaged"):
        list(differences_from(str(path)))


def test_a_packed_list_of_rates_is_unpacked_no_further_than_a_list_goes() -> None:
    bomb = archive(("eurofxref.csv", bytes(48 << 20)))
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="larger than 10 MB"):
            text_of(bomb)
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


def test_a_list_of_rates_of_one_endless_cell_is_refused() -> None:
    with pytest.raises(Refused, match="cannot be read as CSV"):
        prove_ecb(io.BytesIO(b"Date, USD\n" + b"1" * 131_073), "2026-01-01")


def png(width: int, height: int, body: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def long_text_in_picture() -> bytes:
    """A picture of one point with a remark that unpacks to 100 MB."""
    whole = png(1, 1, zlib.compress(b"\0\xff\xff\xff"))
    data = b"Comment\0\0" + zlib.compress(b"x" * (100 << 20), 9)
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    return whole[:33] + chunk + whole[33:]


PICTURES: dict[str, Callable[[], bytes]] = {
    "50,000 by 50,000": lambda: png(50_000, 50_000, zlib.compress(bytes(50_000), 9)),
    "two thousand million lines": lambda: png(1, 2**31 - 1, zlib.compress(bytes(1_000))),
    "cut short": lambda: png(4_000, 3_000, zlib.compress(bytes(1_000))),
}


@pytest.mark.parametrize("what", PICTURES)
def test_no_picture_gets_far(what: str, tmp_path: Path) -> None:
    with pytest.raises(Refused):
        redrawn(PICTURES[what]())
    with pytest.raises(Unacceptable, match=r"\.$"):
        seen(PICTURES[what](), "a.png", tmp_path)


def seen(content: bytes, name: str, tmp_path: Path) -> Any:
    path = tmp_path / "file"
    path.write_bytes(content)
    with path.open("rb") as file:
        return look_at(file, len(content), name)


def stream(data: bytes, words: str) -> bytes:
    return f"1 0 obj <<{words} /Filter /FlateDecode /Length {len(data)}>> stream\n".encode() + data + b"\nendstream"


def test_a_pdf_whose_objects_unpack_without_end_is_looked_at_within_limits(tmp_path: Path) -> None:
    packed = zlib.compress(bytes(200 << 20), 9)
    content = b"%PDF-1.7\n" + b"".join(stream(packed, "/Type /ObjStm /N 1 /First 1") for _ in range(20)) + b"\n%%EOF"
    begun = processor_seconds()
    assert seen(content, "a.pdf", tmp_path).look.download_only
    assert processor_seconds() - begun < 40


def test_what_breaks_a_reader_of_documents_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.documents.inspection.look.MEMORY", 120 << 20)
    body = io.BytesIO()
    Image.new("RGB", (9_000, 9_000), "white").save(body, "PNG")
    with pytest.raises(Unacceptable, match="more memory or time"):
        seen(body.getvalue(), "a.png", tmp_path)


def test_a_remark_in_a_picture_does_not_unpack_without_end(tmp_path: Path) -> None:
    with pytest.raises(Unacceptable, match="cannot be read"):
        seen(long_text_in_picture(), "a.png", tmp_path)


def sealed(
    *members: tuple[str, bytes], manifest: dict[str, Any] | bytes, pack: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """A backup as somebody would make it who knows the format: sealed, with a manifest that fits."""
    out = io.BytesIO()
    with new_archive(out) as made:
        for name, body in members:
            made.writestr(name, body, pack)
        if isinstance(manifest, dict):
            manifest = json.dumps(manifest | {"sha256": digest_of_body(manifest)}).encode()
        made.writestr(MANIFEST, manifest, zipfile.ZIP_DEFLATED)
    return out.getvalue()


WHOLE: dict[str, Any] = {
    "format": 2, "schema": "s", "made_at": "", "chain": {"position": 0, "hash": ""}, "tables": {}, "objects": {},
    "missing": [],
}


def of_client(body: bytes, pack: int = zipfile.ZIP_DEFLATED) -> bytes:
    tables = {"client": {"rows": 1, "size": len(body), "sha256": "0" * 64}}
    return sealed(("data/client.jsonl", body), manifest=WHOLE | {"tables": tables}, pack=pack)


def of_objects(pack: int, *, size: int = 100_000, twice: bool = False) -> bytes:
    """A backup of one stored object; `twice` gives it a second name for the same bytes."""
    part = {"size": size, "sha256": "0" * 64, "type": ""}
    manifest = WHOLE | {"objects": {"a": part, "b": part} if twice else {"a": part}}
    out = io.BytesIO()
    with new_archive(out) as made:
        made.writestr("objects/a", bytes(100_000), pack)
        if twice:
            other = copy.copy(made.getinfo("objects/a"))
            other.filename = "objects/b"
            made.filelist.append(other)
        made.writestr(MANIFEST, json.dumps(manifest | {"sha256": digest_of_body(manifest)}))
    return out.getvalue()


BACKUPS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "rows of nothing, a thousandfold packed": ("would unpack to far more", lambda: of_client(b" " * (80 << 20))),
    "a line without end": ("has a row of more than", lambda: of_client(b"1" * (65 << 20), zipfile.ZIP_STORED)),
    "brackets within brackets": ("is damaged", lambda: of_client(b"[" * 1_000_000)),
    "a number of a million digits": ("is damaged", lambda: of_client(b"9" * 1_000_000)),
    "a manifest of brackets": ("is damaged", lambda: sealed(manifest=b"[" * 1_000_000)),
    "twenty thousand members": (
        "does not hold what its manifest names", lambda: sealed(*((str(n), b"") for n in range(20_000)), manifest=WHOLE)
    ),
    "another kind of file": ("is damaged", far_out),
    "packed objects": ("objects/a is packed in a way", lambda: of_objects(zipfile.ZIP_DEFLATED)),
    "two objects in one place": ("claims to hold more than it can", lambda: of_objects(zipfile.ZIP_STORED, twice=True)),
    "an object of another size": (
        "objects/a has another size than the manifest", lambda: of_objects(zipfile.ZIP_STORED, size=1)
    ),
}


@pytest.mark.parametrize("what", BACKUPS)
def test_no_backup_takes_down_who_reads_it(what: str, tmp_path: Path) -> None:
    path, (says, make) = tmp_path / "firm.zip", BACKUPS[what]
    path.write_bytes(make())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Refused, match=rf"{says}.*Nothing was restored\."), whole_archive(path):
        pass
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


def test_whoever_reads_foreign_bytes_is_told_when_its_reader_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "firm.zip"
    path.write_bytes(of_client(b"{}"))
    monkeypatch.setattr(reading, "_run", lambda *_: -signal.SIGKILL)

    def opened() -> None:
        with whole_archive(path):
            pass

    readers: dict[str, Callable[[], Any]] = {
        "lists and workbooks": lambda: read_table(b"Name\nA\n"), "logos": lambda: redrawn(png(1, 1, b"")),
        "documents": lambda: seen(b"%PDF-1.7", "a.pdf", tmp_path),
        "mail": lambda: read_bytes_apart(plain_text, b"Subject: x"),
        "exchange rates": lambda: read_bytes_apart(prove_ecb, b"x", "2026-01-01"), "backups": opened,
    }
    for what, read in readers.items():
        with pytest.raises((Refused, Unacceptable)) as told:
            read()
        assert str(told.value).endswith((".", "that.")), what


PARSERS = {
    "PIL", "pi_heif", "pypdf", "pypdfium2", "python_calamine", "puremagic", "zipfile", "tarfile", "zlib", "gzip", "csv",
    "message_from_bytes", "message_from_file", "BytesParser",
}
# What these read or write, and why no process of its own is needed.
READS_ELSEWHERE = {
    "app/core/assets.py": "writes our own files smaller",
    "app/core/csv_out.py": "writes lists",
    "app/core/wording.py": "hashes our own templates",
    "app/exchange/archive.py": "writes backups, and opens one that was taken apart in a process of its own before",
    "app/exchange/backup.py": "writes backups",
    "app/exchange/restore.py": "as the archive",
}


def test_no_parser_of_foreign_bytes_is_used_but_where_a_process_of_its_own_calls_it() -> None:
    """Modules that use a parser are those named here and those whose entry `read_apart` is given."""
    users = set()
    for path in (*ROOT.glob("app/**/*.py"), *ROOT.glob("portal/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import)
                else [node.module or "", *(alias.name for alias in node.names)] if isinstance(node, ast.ImportFrom)
                else []
            )
            if any(name.split(".")[0] in PARSERS for name in names):
                users.add(str(path.relative_to(ROOT)))
    assert users - set(READS_ELSEWHERE) == {
        "app/documents/inspection/archives.py", "app/documents/inspection/drawings.py",
        "app/documents/inspection/pdfs.py", "app/documents/inspection/pictures.py",
        "app/documents/inspection/sniff.py", "app/exchange/delimited.py", "app/exchange/letters.py",
        "app/exchange/unpacking.py", "app/exchange/workbooks.py", "app/firm/logos.py", "app/ledger/rate_files.py",
    }
    assert set(READS_ELSEWHERE) <= users
