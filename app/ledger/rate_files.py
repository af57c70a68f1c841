"""Files of exchange rates as the European Central Bank publishes them. Nothing here reads the database.

Both of its lists are taken: `eurofxref.csv` (one day, `25 November 2026`) and `eurofxref-hist.csv` (a line a day,
`2026-11-25`). A cell is units of the column's currency for one euro, always with a point; `N/A` is no rate that day.
Source: ECB, "Euro foreign exchange reference rates".
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import IO

from app.core.errors import Refused

EURO = "EUR"
LARGEST = 10 << 20
STEP = Decimal("1e-10")
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip
_CODE = re.compile(r"[A-Z]{3}", re.ASCII)
_RATE = re.compile(r"\d{1,9}(\.\d{1,10})?", re.ASCII)
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_SPELLED = re.compile(r"(\d{1,2}) ([A-Za-z]+) (\d{4})", re.ASCII)
_NONE = "N/A"


@dataclass(frozen=True)
class Quotes:
    """One day of a file: units of each currency for one euro, and the line that says so."""

    line: int
    on: dt.date
    rates: Mapping[str, Decimal]


@dataclass(frozen=True)
class Problem:
    """What is wrong with a line, as a text editor counts them."""

    line: int
    message: str


@dataclass
class RateTable:
    """A file as read: its days in order, the newest first, and its bad lines."""

    currencies: Sequence[str]
    days: list[Quotes] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def text_of(content: bytes) -> str:
    """The list inside an upload: as it is, or alone in the archive that the ECB offers. Raises Refused."""
    if content.startswith(b"PK\x03\x04"):
        content = _unpacked(content)
    if len(content) > LARGEST:
        raise Refused(f"The file is larger than {LARGEST >> 20} MB.", field="file")
    try:
        return content.decode("utf-8-sig").replace("\x00", "")
    except UnicodeDecodeError:
        raise Refused("The file is not text. The ECB's list is a CSV file, alone or in a ZIP.", field="file") from None


def prove_ecb(file: IO[bytes], today: str) -> tuple[None, bytes]:
    """The list inside an upload, once it has been read to its end; in the process made for it."""
    text = text_of(file.read(LARGEST + 1))
    read_ecb(text, today=dt.date.fromisoformat(today))
    return None, text.encode()


def _unpacked(content: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
            if len(names) != 1:
                raise Refused("The archive holds no single CSV file.", field="file")
            with archive.open(names[0]) as packed:
                return packed.read(LARGEST + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise Refused("The archive cannot be opened.", field="file") from error


def read_ecb(text: str, *, today: dt.date) -> RateTable:
    """Read a list of the ECB. What it is not is Refused; a line that cannot be read is a problem of its own."""
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    header = [cell.strip() for cell in next(_lines(reader), [])]
    while header and not header[-1]:
        header.pop()
    codes = header[1:]
    if not codes or header[0] != "Date" or not all(map(_CODE.fullmatch, codes)):
        raise Refused(
            "This is not a list of the ECB: its first line is “Date” and then the currencies. Take eurofxref.csv or "
            "eurofxref-hist.csv.", field="file",
        )  # fmt: skip
    if len(set(codes)) != len(codes) or EURO in codes:
        raise Refused("A currency stands twice in the first line, or the euro itself does.", field="file")
    found = RateTable(codes)
    seen: dict[dt.date, Quotes] = {}
    for cells in _lines(reader):
        try:
            day = _day(reader.line_num, [cell.strip() for cell in cells], codes, today)
            if (before := seen.get(day.on)) is None:
                seen[day.on] = day
            elif before.rates != day.rates:
                raise ValueError(f"{day.on} stands in line {before.line} too, with other rates.")
        except ValueError as error:
            found.problems.append(Problem(reader.line_num, str(error)))
    found.days = sorted(seen.values(), key=lambda day: day.on, reverse=True)
    if not (found.days or found.problems):
        raise Refused("The file holds no rates under its first line.", field="file")
    return found


def _lines(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """The lines that hold anything."""
    try:
        yield from (cells for cells in reader if any(cell.strip() for cell in cells))
    except csv.Error as error:
        raise Refused(f"The file cannot be read as CSV: {error}.", field="file") from error


def _day(line: int, cells: list[str], codes: Sequence[str], today: dt.date) -> Quotes:
    """One line; raises ValueError with what is wrong with it."""
    while len(cells) > len(codes) + 1 and not cells[-1]:
        cells.pop()
    if len(cells) != len(codes) + 1:
        raise ValueError(f"It holds {len(cells)} cells; under this first line there are {len(codes) + 1}.")
    on = _date(cells[0])
    if on > today:
        raise ValueError(f"{on} has not come yet.")
    rates = {}
    for code, cell in zip(codes, cells[1:], strict=True):
        if cell == _NONE:
            continue
        if not _RATE.fullmatch(cell) or not Decimal(cell):
            raise ValueError(f"“{cell[:20]}” for {code} is no rate; the ECB writes them like 1.0512.")
        rates[code] = Decimal(cell)
    return Quotes(line, on, rates)


def _date(text: str) -> dt.date:
    iso, spelled = _ISO.fullmatch(text), _SPELLED.fullmatch(text)
    try:
        if iso:
            return dt.date(int(iso[1]), int(iso[2]), int(iso[3]))
        if spelled:
            return dt.date(int(spelled[3]), _MONTHS.index(spelled[2].lower()) + 1, int(spelled[1]))
    except ValueError:
        pass
    raise ValueError(f"“{text[:30]}” is no date; the ECB writes 2026-11-25 or 25 November 2026.")


def worth(day: Quotes, currency: str, base: str) -> Decimal | None:
    """Units of base for one unit of currency, by both legs of this one day; None where one of them is missing."""
    ours, theirs = (Decimal(1) if code == EURO else day.rates.get(code) for code in (base, currency))
    if ours is None or theirs is None:
        return None
    return (ours / theirs).quantize(STEP, ROUND_HALF_UP) or None


def is_cross(currency: str, base: str) -> bool:
    """Whether a rate goes through the euro, which every rate of the ECB is against."""
    return EURO not in (currency, base)
