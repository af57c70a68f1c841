"""The lines of a sheet of a workbook: the one that is named, or the one that looks like a list of clients."""

from __future__ import annotations

import datetime as dt
import io
import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from app.core.errors import Refused
from app.exchange.cells import HEADER_WITHIN, Cell, clean, header_at, known_heads
from app.exchange.clients.formats import other_list

WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
MOST_ROWS, MOST_COLUMNS, MOST_SHEETS = 50_000, 300, 50
MOST_UNPACKED = 300 << 20
UNOPENED = "The workbook cannot be opened; save the sheet as CSV instead."
TOO_MUCH = (
    "This file takes more memory or time to open than a list of clients needs: a value far out in the sheet does that. "
    "Nothing was read. Save the list alone as CSV and import that."
)
_FAULT = re.compile(rb"<c\b([^>]*)>(?:<f\b[^>]*(?:/>|>[^<]*</f>))?<v>(#[A-Z/0-9!?_]{1,20})</v>")


def lines_of_workbook(
    content: bytes, name: str, words: frozenset[str], reading: dict[str, Any]
) -> Iterable[tuple[int, list[Cell]]]:
    """The lines of the sheet of this name; without one, of the first that looks like a list of clients."""
    _check_amount(content)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        names = book.sheet_names[:MOST_SHEETS]
        if not names:
            return []
        if name and name not in names:
            raise Refused("The workbook has no sheet of this name.", field="sheet")
        at = names.index(name) if name else _likeliest(book, names, words)
        reading |= {"sheets": names, "sheet": names[at]}
        return _sheet(book, at, content)
    except (CalamineError, ValueError, OSError) as error:
        raise Refused(UNOPENED, field="file") from error


def _likeliest(book: CalamineWorkbook, names: Sequence[str], words: frozenset[str]) -> int:
    """The sheet with a header of clients; the first one where none has any."""
    if len(names) == 1:
        return 0
    best, most = 0, -1
    for at in range(len(names)):
        try:
            rows = [(line, [clean(cell) for cell in cells]) for line, cells in _sheet(book, at)]
        except (Refused, CalamineError):  # too large a sheet, or a chart
            continue
        found = [(line, cells) for line, cells in rows[: HEADER_WITHIN * 2] if any(cells)]
        head = header_at(found, words)
        if len(found) < head + 2 or other_list([str(cell) for cell in found[head][1]]):
            continue
        if (known := known_heads(found[head][1], words)) > most:
            best, most = at, known
    return best


def _sheet(book: CalamineWorkbook, at: int, content: bytes = b"") -> list[tuple[int, list[Cell]]]:
    sheet = book.get_sheet_by_index(at)
    if sheet.height > MOST_ROWS + 1 or sheet.width > MOST_COLUMNS:
        raise Refused(f"The sheet is larger than {MOST_ROWS:,} rows by {MOST_COLUMNS} columns.", field="file")
    top, left = sheet.start or (0, 0)
    rows = [[_cell(cell) for cell in row] for row in sheet.to_python()]
    for line, column, value in _faults(content, at):
        # The library gives an empty cell for one that the spreadsheet could not work out.
        if 0 <= line - top < len(rows) and 0 <= column - left < len(rows[line - top]):
            rows[line - top][column - left] = value
    return list(enumerate(rows, top + 1))


def _faults(content: bytes, number: int) -> Iterator[tuple[int, int, str]]:
    """Row, column (from 0) and name of each cell of this sheet of an XLSX that holds an error."""
    if not content.startswith(b"PK"):
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = set(archive.namelist())
        if "xl/workbook.xml" not in names or "xl/_rels/workbook.xml.rels" not in names:
            return
        sheets = re.findall(rb"<sheet\b[^>]*\br:id=\"([^\"]+)\"", archive.read("xl/workbook.xml"))
        targets = {
            found[1]: target[1].decode().lstrip("/").removeprefix("xl/")
            for relation in re.findall(rb"<Relationship\b[^>]*>", archive.read("xl/_rels/workbook.xml.rels"))
            if (found := re.search(rb"\bId=\"([^\"]+)\"", relation))
            and (target := re.search(rb"\bTarget=\"([^\"]+)\"", relation))
        }
        part = f"xl/{targets.get(sheets[number], '')}" if number < len(sheets) else ""
        if part not in names:
            return
        for found in _FAULT.finditer(archive.read(part)):
            at = re.search(rb"\br=\"([A-Z]{1,3})(\d{1,7})\"", found[1])
            if at and b't="e"' in found[1]:
                column = 0
                for letter in at[1]:
                    column = column * 26 + letter - 64
                yield int(at[2]) - 1, column - 1, found[2].decode()


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


def _cell(cell: Any) -> Cell:
    if isinstance(cell, float) and math.isfinite(cell):
        return str(int(cell)) if cell.is_integer() else cell
    if isinstance(cell, dt.datetime) and cell.time() == dt.time():
        return cell.date().isoformat()
    return "" if cell is None else str(cell)
