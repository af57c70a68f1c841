"""Reading a table out of a file: CSV in whatever spelling, or a sheet of a workbook; what is not said is guessed.

What a file has besides its rows (lines above the header, totals below) is left out and told; what makes a row
doubtful (a cell too many, a quote without end) is told as an error of that row. Lines are counted as an editor shows
them, those of a workbook as the spreadsheet does.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import IO, Any

import structlog
from python_calamine import CalamineError, CalamineWorkbook

from app.core.errors import Refused
from app.core.reading import Limits, NotRead, read_bytes_apart
from app.exchange.encodings import OLDER, find_encoding

log = structlog.get_logger()

LARGEST, MOST_ROWS, MOST_COLUMNS, LONGEST_CELL = 10 << 20, 50_000, 300, 5_000
MOST_UNPACKED = 300 << 20
LIMITS = Limits(memory=1 << 30, seconds=30, wait=60, answer=96 << 20)
# A number that a workbook keeps stays one: how it was shown there is not how anybody wrote it.
Cell = str | float
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
UNOPENED = "The workbook cannot be opened; save the sheet as CSV instead."
TOO_MUCH = (
    "This file takes more memory or time to open than a list of clients needs: a value far out in the sheet does that. "
    "Nothing was read. Save the list alone as CSV and import that."
)
HEADER_WITHIN, MOST_REMARKS = 20, 1_000
TOP, MOST_SHOWN, MOST_SHEETS = 12, 12, 50
NO_ROWS = "The file holds no rows under a header."
_TOTALS = re.compile(r"(?:grand |sub)?totals?|sum|(?:gesamt)?summe|gesamt|totaal|totale|suma|total for .*",
                     re.IGNORECASE)
_NUMBER = re.compile(r"[\W\d]*\d[\W\d]*(?:cr|dr|[a-z]{3})?", re.IGNORECASE)
_WHEN = re.compile(
    r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day\b.*\b(?:19|20)\d\d\b.*"
    r"|\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?:[ T]\d{1,2}:\d\d.*)?"
    r"|(?:printed|exported|generated|created|as of|report date|page \d)\b.*\d.*)", re.IGNORECASE,
)  # fmt: skip
_FAULT = re.compile(rb"<c\b([^>]*)>(?:<f\b[^>]*(?:/>|>[^<]*</f>))?<v>(#[A-Z/0-9!?_]{1,20})</v>")
_EDGES = "\ufeff\u200b\u2060\u200e\u200f\u00ad \t\r\n\u00a0"


@dataclass(frozen=True)
class Remark:
    """What was noticed of a line: an error of its row or, where it is none, what was done about it."""

    line: int
    message: str
    column: str = ""
    read: str = ""
    error: bool = False


@dataclass(frozen=True)
class Table:
    """A header and its rows, each as long as the header; all text but for what a workbook keeps as a broken number.

    `lines` says in which line of the file each row begins. `reading` is how it was read: `sheet` of `sheets`, or
    `encoding`, and `header_line`; `top` are its first lines.
    """

    header: list[str]
    rows: list[list[Cell]]
    lines: list[int] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    reading: dict[str, Any] = field(default_factory=dict)


Line = tuple[int, list[Cell]]


@dataclass(frozen=True)
class Chosen:
    """What somebody has said of how a file is read; what is empty is guessed."""

    sheet: str = ""
    header_line: int | None = None
    encoding: str = ""


def read_table(content: bytes, words: Collection[str] = (), chosen: Chosen | None = None) -> Table:
    """Read in a process of its own. Refuses what holds no table, or too much of one.

    `words` are heads of columns, without case, by which sheet and header are found. Where somebody has chosen, a table
    without rows is an answer too: what they see of it says why.
    """
    if len(content) > LARGEST:
        raise Refused(f"The file is larger than {LARGEST >> 20} MB. Split it, then import the parts.", field="file")
    try:
        found = read_bytes_apart(
            parse_table, content, sorted(words), asdict(chosen) if chosen else None, limits=LIMITS
        )
    except NotRead as error:
        log.warning("import.not_read", why=error.why)
        raise Refused(TOO_MUCH, field="file") from error
    return Table(**{**found, "remarks": [Remark(**each) for each in found["remarks"]]})


def parse_table(
    file: IO[bytes], words: Sequence[str] = (), chosen: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The reading itself, in the process made for it."""
    content, said = file.read(LARGEST + 1), Chosen(**(chosen or {}))
    remarks: list[Remark] = []
    is_workbook = content.startswith(WORKBOOKS)
    reading: dict[str, Any] = {}
    if is_workbook:
        lines_of = _workbook(content, said.sheet, frozenset(words), reading)
    else:
        reading["encoding"] = said.encoding or find_encoding(content)
        lines_of = _csv(content, remarks, reading["encoding"], is_guess=not said.encoding)
    found = _filled(lines_of)
    at = _header_at(found, frozenset(words))
    if said.header_line is not None:
        at = next((n for n, (line, _) in enumerate(found) if line >= (said.header_line or 0)), len(found))
    reading["top"] = [[line, [str(_shown(cell))[:60] for cell in cells[:MOST_SHOWN]]] for line, cells in found[:TOP]]
    reading["header_line"] = found[at][0] if at < len(found) else said.header_line
    if len(found) < at + 2:
        if chosen is None:
            raise Refused(NO_ROWS, field="file")
        return {"header": [], "rows": [], "lines": [], "remarks": [], "reading": reading}
    table = _rows_under(found, at, remarks, is_workbook)
    if not table["rows"] and chosen is None:
        raise Refused(NO_ROWS, field="file")
    return {**table, "reading": reading}


def _filled(lines: Iterable[tuple[int, Sequence[Cell]]]) -> list[Line]:
    """The lines in which something stands, trimmed."""
    found: list[Line] = []
    for line, cells in lines:
        if len(found) > MOST_ROWS:
            raise Refused(f"The file has more than {MOST_ROWS:,} rows. Split it, then import the parts.", field="file")
        if len(cells) > MOST_COLUMNS:
            raise Refused(f"A row has more than {MOST_COLUMNS} columns: this does not look like a list.", field="file")
        if any(cleaned := [_clean(cell) for cell in cells]):
            found.append((line, cleaned))
    return found


def _rows_under(found: Sequence[Line], at: int, remarks: list[Remark], is_workbook: bool) -> dict[str, Any]:
    for line, cells in found[:at]:
        remarks.append(_left_out(line, cells, "stands above the header"))
    header = _heads(found[at], remarks)
    rows: list[list[Cell]] = []
    lines: list[int] = []
    for line, cells in found[at + 1 :]:
        if why := _no_client(cells, len(header)):
            remarks.append(_left_out(line, cells, why))
            continue
        if not is_workbook:
            remarks += _of_width(line, cells, header)
        for name, cell in zip(header, cells, strict=False):
            remarks += _of_cell(line, name, cell)
        rows.append([_shown(cell) for cell in (cells + [""] * len(header))[: len(header)]])
        lines.append(line)
    remarks.sort(key=lambda each: (not each.error, each.line))
    return {"header": header, "rows": rows, "lines": lines, "remarks": [vars(r) for r in remarks[:MOST_REMARKS]]}


def plain_head(name: str) -> str:
    """The head of a column as it is compared: without case and punctuation."""
    return " ".join(re.sub(r"[^\w]+|_", " ", name.casefold()).split())


def _header_at(found: Sequence[Line], words: frozenset[str]) -> int:
    """The line among the first that has most heads we know; the first one where none has any."""
    known = [
        sum(isinstance(cell, str) and plain_head(cell) in words for cell in cells)
        for _, cells in found[:HEADER_WITHIN]
    ]
    return max(range(len(known)), key=lambda at: (known[at], -at), default=0)


def _heads(line: Line, remarks: list[Remark]) -> list[str]:
    """The heads, each once: a second column of the same name would else be lost."""
    at, cells = line
    while cells and cells[-1] == "":
        cells = cells[:-1]
    header: list[str] = []
    for place, cell in enumerate(cells, 1):
        name = plain = str(cell) or f"Column {place}"
        number = 1
        while name in header:
            number += 1
            name = f"{plain} ({number})"
        if name != plain:
            remarks.append(Remark(at, f"“{plain}” heads two columns; this one is called “{name}” here.", name, plain))
        header.append(name)
    return header


def _no_client(cells: Sequence[Cell], width: int) -> str:
    """Why a line below the header is none of its rows, if it is none."""
    filled = [cell for cell in cells if cell != ""]
    first, rest = str(filled[0]), filled[1:]
    if width > 1 and _TOTALS.fullmatch(first.strip(" :")) and rest and all(_is_number(cell) for cell in rest):
        return "is a total of the list"
    if width > 2 and not rest and _WHEN.fullmatch(first):
        return "says when the list was made"
    return ""


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, float) or bool(_NUMBER.fullmatch(cell))


def _left_out(line: int, cells: Sequence[Cell], why: str) -> Remark:
    read = " ".join(str(cell) for cell in cells if cell != "")[:80]
    return Remark(line, f"“{read}” {why} and was left out.", read=read)


def _of_width(line: int, cells: Sequence[Cell], header: Sequence[str]) -> Iterator[Remark]:
    width = len(header)
    if any(cell != "" for cell in cells[width:]):
        read = " | ".join(str(cell) for cell in cells[width:])[:80]
        yield Remark(
            line, f"This row has {len(cells)} cells under a header of {width}, so they stand under the wrong heads. "
            "A cell with a comma in it is put in quotes.", header[-1], read, error=True,
        )  # fmt: skip
    elif len(cells) < width:
        yield Remark(line, f"This row has {len(cells)} cells under a header of {width}; the rest is taken as empty.")


def _of_cell(line: int, column: str, cell: Cell) -> Iterator[Remark]:
    if not isinstance(cell, str):
        return
    read = _shown(cell)
    if any("\udc80" <= char <= "\udcff" for char in cell):
        yield Remark(line, f"“{read}” holds a byte that is no text in UTF-8, the encoding of the rest of the file.",
                     column, str(read), error=True)
    elif odd := next((char for char in cell if char < " " and char not in "\t\r\n" or "\x7f" <= char <= "\x9f"), ""):
        yield Remark(line, f"“{read}” holds a sign that is no text (U+{ord(odd):04X}).", column, str(read), error=True)
    elif "\ufffd" in cell:
        yield Remark(line, f"“{read}” holds a sign that stands for a lost letter (U+FFFD): the file is in another "
                     "encoding, or was damaged before.", column, str(read), error=True)


def _shown(cell: Cell) -> Cell:
    """The cell without what cannot be kept or shown."""
    if not isinstance(cell, str):
        return cell
    return "".join(
        "\ufffd" if "\ud800" <= char <= "\udfff" or (char < " " and char not in "\t\r\n") or "\x7f" <= char <= "\x9f"
        else char for char in cell
    )


def _csv(
    content: bytes, remarks: list[Remark], encoding: str, *, is_guess: bool
) -> Iterator[tuple[int, list[Cell]]]:
    text = content.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "replace")
    if encoding in OLDER and is_guess:
        words = [word for word in text.split() if not word.isascii()][:3]
        remarks.append(Remark(
            1, f"The file is not in UTF-8 and was read as {OLDER[encoding]}: {', '.join(words)[:80]}. If these words "
            "look wrong, choose another encoding, or save the list as CSV in UTF-8.", read=", ".join(words)[:80],
        ))  # fmt: skip
    first = next((line for line in text.lstrip("\r\n").split("\n") if line.strip()), "")
    told = re.fullmatch(r"\"?sep=(.)\"?\s*", first.strip("\r\n"), re.IGNORECASE)
    sample = "".join(text.splitlines(keepends=True)[:HEADER_WITHIN])
    delimiter = told[1] if told else max(",;\t|", key=sample.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    is_first = True
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield begins, [_broken(error, begins, reader.line_num, text, remarks)]
            continue
        if told and is_first and any(cells):
            is_first = False
            continue
        yield begins, list(cells)


def _broken(error: csv.Error, begins: int, ends: int, text: str, remarks: list[Remark]) -> str:
    """A row that cannot be read, as far as one can see: it is an error of its line."""
    said = str(error)
    if "limit" in said:
        raise Refused(f"Line {begins} holds a cell of more than 100,000 signs: this does not look like a list.",
                      field="file") from error
    if "NUL" in said or "new-line" in said:
        raise Refused(f"Line {begins} cannot be read as CSV: {said}.", field="file") from error
    read = text.splitlines()[begins - 1][:80] if begins <= len(text.splitlines()) else ""
    if "unexpected end" in said:
        why = f"A quote (\") is opened here and never closed, so all down to line {ends} would be one cell."
    elif ends > begins:
        why = f"A quote (\") that is opened here closes in line {ends}, and text goes on after it."
    else:
        why = "Text goes on after a closing quote (\")."
    remarks.append(Remark(begins, f"{why} Close the quote or take it away.", "", read, error=True))
    return read


def _workbook(
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
    from app.exchange.clients.formats import other_list

    if len(names) == 1:
        return 0
    best, most = 0, -1
    for at in range(len(names)):
        try:
            rows = [(line, [_clean(cell) for cell in cells]) for line, cells in _sheet(book, at)]
        except Refused:
            continue
        found = [(line, cells) for line, cells in rows[: HEADER_WITHIN * 2] if any(cells)]
        head = _header_at(found, words)
        if len(found) < head + 2 or other_list([str(cell) for cell in found[head][1]]):
            continue
        known = sum(isinstance(cell, str) and plain_head(cell) in words for cell in found[head][1])
        if known > most:
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


def _clean(cell: Cell) -> Cell:
    return cell if isinstance(cell, float) else cell.strip(_EDGES).strip()[:LONGEST_CELL]


def _cell(cell: Any) -> Cell:
    if isinstance(cell, float) and math.isfinite(cell):
        return str(int(cell)) if cell.is_integer() else cell
    if isinstance(cell, dt.datetime) and cell.time() == dt.time():
        return cell.date().isoformat()
    return "" if cell is None else str(cell)
