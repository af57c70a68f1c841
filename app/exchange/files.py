"""Reading a table out of a file: CSV in whatever spelling, or the first sheet of a workbook."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO, Any

import structlog
from python_calamine import CalamineError, CalamineWorkbook

from app.core.errors import Refused
from app.core.reading import Limits, NotRead, read_bytes_apart

log = structlog.get_logger()

LARGEST, MOST_ROWS, MOST_COLUMNS, LONGEST_CELL = 10 << 20, 50_000, 300, 5_000
# A number that a workbook keeps stays one: how it was shown there is not how anybody wrote it.
Cell = str | float
UNOPENED = "The workbook cannot be opened; save the sheet as CSV instead."
TOO_MUCH = (
    "This file takes more memory or time to open than a list of clients needs: a value far out in the sheet does that. "
    "Nothing was read. Save the list alone as CSV and import that."
)
MOST_UNPACKED = 300 << 20
LIMITS = Limits(memory=1 << 30, seconds=30, wait=60, answer=96 << 20)
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


@dataclass(frozen=True)
class Table:
    """A header and its rows, each as long as the header; all text but for what a workbook keeps as a broken number."""

    header: list[str]
    rows: list[list[Cell]]


def read_table(content: bytes) -> Table:
    """Read in a process of its own. Refuses what holds no table, or too much of one."""
    if len(content) > LARGEST:
        raise Refused(f"The file is larger than {LARGEST >> 20} MB. Split it, then import the parts.", field="file")
    try:
        return Table(**read_bytes_apart(parse_table, content, limits=LIMITS))
    except NotRead as error:
        log.warning("import.not_read", why=error.why)
        raise Refused(TOO_MUCH, field="file") from error


def parse_table(file: IO[bytes]) -> dict[str, Any]:
    """The reading itself, in the process made for it."""
    content = file.read(LARGEST + 1)
    lines: Iterable[Sequence[Cell]] = _workbook(content) if content.startswith(WORKBOOKS) else _csv(content)
    found: list[list[Cell]] = []
    for line in lines:
        if len(found) > MOST_ROWS:
            raise Refused(f"The file has more than {MOST_ROWS:,} rows. Split it, then import the parts.", field="file")
        if len(line) > MOST_COLUMNS:
            raise Refused(f"A row has more than {MOST_COLUMNS} columns: this does not look like a list.", field="file")
        found.append([_clean(cell) for cell in line])
    while found and not any(found[0]):
        found.pop(0)
    if not any(map(any, found[1:])):
        raise Refused("The file holds no rows under a header.", field="file")
    header = [str(name).lstrip("\ufeff").strip() or f"Column {at}" for at, name in enumerate(found[0], 1)]
    width = len(header)
    return {"header": header, "rows": [(row + [""] * width)[:width] for row in found[1:]]}


def _csv(content: bytes) -> Iterable[list[str]]:
    text = _decoded(content)
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t|", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        yield from reader
    except csv.Error as error:
        raise Refused(f"Line {reader.line_num} cannot be read as CSV: {error}.", field="file") from error


def _decoded(content: bytes) -> str:
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252", "latin-1"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Refused("The file is not text that can be read; save it as CSV in UTF-8.", field="file")


def _workbook(content: bytes) -> Iterable[list[Cell]]:
    _check_amount(content)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        if not book.sheet_names:
            return []
        sheet = book.get_sheet_by_index(0)
        if sheet.height > MOST_ROWS + 1 or sheet.width > MOST_COLUMNS:
            raise Refused(f"The sheet is larger than {MOST_ROWS:,} rows by {MOST_COLUMNS} columns.", field="file")
        return [[_cell(cell) for cell in row] for row in sheet.to_python()]
    except (CalamineError, ValueError, OSError) as error:
        raise Refused(UNOPENED, field="file") from error


def _check_amount(content: bytes) -> None:
    """What the archive that a workbook is says of itself, before anything of it is unpacked."""
    if not content.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise Refused(UNOPENED, field="file") from error
    if unpacked > MOST_UNPACKED:
        raise Refused(TOO_MUCH, field="file")


def _clean(cell: Cell) -> Cell:
    return cell if isinstance(cell, float) else cell.replace("\x00", "").strip()[:LONGEST_CELL]


def _cell(cell: Any) -> Cell:
    if isinstance(cell, float) and math.isfinite(cell):
        return str(int(cell)) if cell.is_integer() else cell
    if isinstance(cell, dt.datetime) and cell.time() == dt.time():
        return cell.date().isoformat()
    return "" if cell is None else str(cell)
