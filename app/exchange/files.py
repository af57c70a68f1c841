"""Reading a table out of a file: CSV in whatever spelling, or a sheet of a workbook; what is not said is guessed.

What a file has besides its rows (lines above the header, totals below) is left out and told; what makes a row
doubtful (a cell too many, a quote without end) is told as an error of that row. Lines are counted as an editor shows
them, those of a workbook as the spreadsheet does.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import IO, Any

import structlog

from app.core.errors import Refused
from app.core.reading import Limits, NotRead, read_bytes_apart
from app.exchange.cells import Cell, Line, Remark, clean, header_at, shown
from app.exchange.delimited import lines_of_text
from app.exchange.encodings import find_encoding
from app.exchange.workbooks import MOST_COLUMNS, MOST_ROWS, TOO_MUCH, WORKBOOKS, lines_of_workbook

log = structlog.get_logger()

LARGEST = 10 << 20
# What is kept of an import is one row of a backup, with the file itself in hexadecimal: together below MOST_LINE of
# exchange.unpacking, or the backup could not be read again.
LIMITS = Limits(memory=1 << 30, seconds=30, wait=60, answer=40 << 20)
MOST_NOTICED, TOP, MOST_SHOWN = 1_000, 12, 12
NO_ROWS = "The file holds no rows under a header."
_TOTALS = re.compile(r"(?:grand |sub)?totals?|sum|(?:gesamt)?summe|gesamt|totaal|totale|suma|total for .*",
                     re.IGNORECASE)
_NUMBER = re.compile(r"(?:[a-z]{3} ?)?[\W\d]*\d[\W\d]*(?:cr|dr|[a-z]{3})?", re.IGNORECASE)
_WHEN = re.compile(
    r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day\b.*\b(?:19|20)\d\d\b.*"
    r"|\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?:[ T]\d{1,2}:\d\d.*)?"
    r"|(?:printed|exported|generated|created|as of|report date)\b.*\d.*)", re.IGNORECASE,
)  # fmt: skip
# What stands below a list whatever its width, and is no name: the page, who took it out and when, how many there are.
_FOOT = re.compile(
    r"page:? \d+(?: ?(?:of|/) ?\d+)?|end of (?:the )?(?:report|list|file)"
    r"|(?:printed|exported|generated|created|downloaded|report date|as of)\b(?: on| at| by|:).*\d.*", re.IGNORECASE,
)  # fmt: skip
_COUNT = re.compile(
    r"(?:(?:grand |sub)?totals?\b[ :]*)?\(?\d+ (?:clients?|contacts?|customers?|records?|rows?|entries)\)?"
    r"|(?:total|number of) (?:clients|contacts|customers|records|rows|entries)\b[ :]*\d*", re.IGNORECASE,
)  # fmt: skip


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
    if said.sheet and not is_workbook:
        raise Refused("This file is no workbook, so it has no sheets to choose from.", field="sheet")
    if said.encoding and is_workbook:
        raise Refused("A workbook says itself in which encoding it is.", field="encoding")
    if is_workbook:
        lines_of = lines_of_workbook(content, said.sheet, frozenset(words), reading)
    else:
        reading["encoding"] = said.encoding or find_encoding(content)
        lines_of = lines_of_text(content, remarks, reading["encoding"], is_guess=not said.encoding)
    found = _filled(lines_of)
    at = header_at(found, frozenset(words))
    if said.header_line is not None:
        at = next((n for n, (line, _) in enumerate(found) if line >= (said.header_line or 0)), len(found))
    reading["top"] = [[line, [str(shown(cell))[:60] for cell in cells[:MOST_SHOWN]]] for line, cells in found[:TOP]]
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
        if any(cleaned := [clean(cell) for cell in cells]):
            found.append((line, cleaned))
    return found


def _rows_under(found: Sequence[Line], at: int, remarks: list[Remark], is_workbook: bool) -> dict[str, Any]:
    for line, cells in found[:at]:
        remarks.append(_left_out(line, cells, "stands above the header"))
    header = _heads(found[at], remarks)
    rows: list[list[Cell]] = []
    lines: list[int] = []
    no_clients = {line: why for line, cells in found[at + 1 :] if (why := _no_client(cells, found[at][1]))}
    last = next(((line, cells) for line, cells in reversed(found[at + 1 :]) if line not in no_clients), None)
    if last and _is_unnamed_total(last[1], header):
        no_clients[last[0]] = "ends the list with numbers and no name"
    for line, cells in found[at + 1 :]:
        if line in no_clients:
            remarks.append(_left_out(line, cells, no_clients[line]))
            continue
        if not is_workbook:
            remarks += _of_width(line, cells, header)
        for name, cell in zip(header, cells, strict=False):
            remarks += _of_cell(line, name, cell)
        rows.append([shown(cell) for cell in (cells + [""] * len(header))[: len(header)]])
        lines.append(line)
    # Every error is kept: it is what keeps its row out.
    told = sorted((each for each in remarks if each.error), key=lambda each: each.line)
    told += sorted((each for each in remarks if not each.error), key=lambda each: each.line)[:MOST_NOTICED]
    return {"header": header, "rows": rows, "lines": lines, "remarks": [vars(each) for each in told]}


def _heads(line: Line, remarks: list[Remark]) -> list[str]:
    """The heads, each once: a second column of the same name would else be lost."""
    at, cells = line
    header: list[str] = []
    for place, cell in enumerate(_ended(cells), 1):
        name = plain = str(cell) or f"Column {place}"
        number = 1
        while name in header:
            number += 1
            name = f"{plain} ({number})"
        if name != plain:
            remarks.append(Remark(at, f"“{plain}” heads two columns; this one is called “{name}” here.", name, plain))
        header.append(name)
    return header


def _no_client(cells: Sequence[Cell], heads: Sequence[Cell]) -> str:
    """Why a line below the header is none of its rows, if it is none."""
    width = len(_ended(heads))
    filled = [cell for cell in cells if cell != ""]
    first, rest = str(filled[0]), filled[1:]
    are_numbers = all(_is_number(cell) for cell in rest)
    if [str(cell).casefold() for cell in _ended(cells)] == [str(cell).casefold() for cell in _ended(heads)]:
        return "is the header once more"
    if width > 1 and are_numbers and _TOTALS.fullmatch(first.strip(" :")):
        return "is a total of the list"
    if are_numbers and _COUNT.fullmatch(first):
        return "counts the list"
    if not rest and (_FOOT.fullmatch(first) or (width > 2 and _WHEN.fullmatch(first))):
        return "says when the list was made" if _WHEN.fullmatch(first) else "stands below the list"
    return ""


def _is_unnamed_total(cells: Sequence[Cell], header: Sequence[str]) -> bool:
    """Whether the last line has numbers alone, none of them in the first column. “7 Inc” is a name."""
    are_numbers = all(isinstance(cell, float) or re.fullmatch(r"[\W\d]+", cell) for cell in cells if cell != "")
    return len(header) > 1 and cells[0] == "" and are_numbers


def _ended(cells: Sequence[Cell]) -> list[Cell]:
    """The cells up to the last in which something stands."""
    return list(cells[: max((at for at, cell in enumerate(cells, 1) if cell != ""), default=0)])


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
    read = shown(cell)
    if any("\udc80" <= char <= "\udcff" for char in cell):
        yield Remark(line, f"“{read}” holds a byte that is no text in UTF-8, the encoding of the rest of the file.",
                     column, str(read), error=True)
    elif odd := next((char for char in cell if char < " " and char not in "\t\r\n" or "\x7f" <= char <= "\x9f"), ""):
        yield Remark(line, f"“{read}” holds a sign that is no text (U+{ord(odd):04X}).", column, str(read), error=True)
    elif "\ufffd" in cell:
        yield Remark(line, f"“{read}” holds a sign that stands for a lost letter (U+FFFD): the file is in another "
                     "encoding, or was damaged before.", column, str(read), error=True)
