"""Reading a day as people write it, and never as another one: what can be read two ways is asked about.

- Day and month as numbers, parted by anything but points: where both orders give a day (`03/04/2026`) it is refused
  with both, the reader's own first; where one does (`31/12/2026`, `12/31/2026`) it is that one.
- With points the day comes first (`03.04.2026`): no country writes them with the month first.
- The year first means year, month, day (`2026-04-03`, `2026年4月3日`).
- `3rd April 2026` is `3 April 2026`.
- With the month's name, in the reader's language or in English, there is one reading: as both are written in a refusal.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from babel import Locale
from babel.dates import format_date
from flask_babel import gettext as _

from app.core.errors import Refused
from app.core.wording import FALLBACK, MONTH_FIRST

LONGEST = 60
WAYS = (
    "full", "long", "medium", "d MMMM y", "d MMM y", "d LLLL y", "MMMM d y", "MMM d y", "EEEE d MMMM y", "EEE d MMM y",
)
_PIECES = re.compile(r"\d+|[^\d\s.,/()-]+")
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b")
_POINTED = re.compile(r"\s*\d+\s*\.\s*\d+\s*\.\s*\d+\s*\.?\s*")


def read_day(text: str, reader: Locale) -> dt.date:
    """The day that somebody typed. Raises Refused with a sentence, with both readings where there are two."""
    readings = readings_of(text, reader)
    if not readings:
        raise Refused(_("Write the date like %(day)s.", day=_said(dt.date(2025, 12, 31), reader)))
    if len(readings) > 1:
        one, other = reversed(readings) if reader.territory in MONTH_FIRST else readings
        raise Refused(_("“%(text)s” can be read as %(one)s or as %(other)s; write the one that you mean.",
                        text=text, one=_said(one, reader), other=_said(other, reader)))
    return readings[0]


def _said(day: dt.date, reader: Locale) -> str:
    """`3 April 2026`: as a sentence says it, and as it is read again."""
    return format_date(day, "long", reader)


def readings_of(text: str, reader: Locale) -> list[dt.date]:
    """Every day that the text can mean, the one with the day first before the one with the month first."""
    if len(text) > LONGEST:
        return []
    pieces = _pieces(text)
    numbers = [piece for piece in pieces if piece.isdecimal()]
    if len(numbers) == 3:
        found = _numbered(numbers, pointed=bool(_POINTED.fullmatch(unicodedata.normalize("NFKC", text))))
    elif len(numbers) == 2:
        year, day = sorted(numbers, key=len, reverse=True)
        found = _days([(year, str(month), day) for month in range(1, 13)])
    else:
        return []
    if pieces == numbers and len(numbers) == 3:
        return found
    return [day for day in found if pieces in _said_ways(day, reader)]


def _pieces(text: str) -> list[str]:
    """Its numbers and words, composed again after folding: ΐ folds into three characters."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    folded = _ORDINAL.sub("", folded)
    return [piece.lstrip("0") or "0" if piece.isdecimal() and len(piece) < 3 else piece
            for piece in _PIECES.findall(folded)]


def _numbered(numbers: Sequence[str], *, pointed: bool) -> list[dt.date]:
    one, two, three = numbers
    if len(one) == 4:
        return _days([(one, two, three)])
    found = _days([(three, two, one), (three, one, two)])
    return found[:1] if pointed else found


def _days(written: Sequence[tuple[str, str, str]]) -> list[dt.date]:
    """Those of (year, month, day) that are days, each once."""
    found: dict[dt.date, None] = {}
    for year, month, day in written:
        if len(year) == 4 and len(month) <= 2 and len(day) <= 2:
            try:
                found[dt.date(int(year), int(month), int(day))] = None
            except ValueError:
                continue
    return list(found)


@lru_cache(4_096)
def _said_ways(day: dt.date, reader: Locale) -> list[list[str]]:
    """How a day is written with words, in the reader's language or in English."""
    return [_pieces(format_date(day, way, language)) for language in (FALLBACK, reader) for way in WAYS]
