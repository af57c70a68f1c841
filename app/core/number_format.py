"""How people write numbers, and reading what they wrote without ever guessing. Nothing here knows a database or a page.

A `NumberFormat` has one sign before the decimals and one between groups of digits. Reading under it:

- Before the decimals stands the format's own sign, once, and a digit follows it. More decimals than there can be
  (two for EUR, three for KWD, none for JPY) are refused.
- Digits stand in groups of three, parted by the format's own sign, by spaces or by apostrophes, one kind in a number
  (the last two are the decimals' sign nowhere). Where the format groups in the Indian way, `12,34,567` is good too.
  A grouped number does not begin with a nought: `0,500` is nobody's five hundred.
- One comma or point that groups, with exactly three digits after it, might be before three decimals to somebody else.
  Where three decimals can be (`1,500` in KWD to an English reader, `1.234` per cent to a German one) it is refused.
  Where they cannot (`1,500` in EUR or JPY) it groups.
- The sign before decimals is taken at its word where the decimals fit: `1.500` in KWD to an English reader is one and
  a half, as the format itself writes it.
- Whatever does not read so is refused, with both readings (`1.000` in EUR to an English reader: 1.00 or 1,000.00) or
  with the one that it would have in another format.

What one format writes with `write` reads back as itself, and in no other format as anything else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.numbers import get_decimal_symbol, get_group_symbol, get_minus_sign_symbol

LONGEST_WHOLE = 12
_SPACE, _APOSTROPHE = " ", "'"
_SIGNS_OF = {
    **dict.fromkeys("\u00a0\u202f\u2009\u2007\u2002\u2003\t", _SPACE),
    **dict.fromkeys("\u2019\u2018\u02bc\uff07", _APOSTROPHE),
    **dict.fromkeys("\u2212\ufe63\uff0d\u2010\u2011\u2013", "-"),
    **dict.fromkeys("\u200e\u200f\u061c\ufeff\u2060", ""),
    "\uff08": "(",
    "\uff09": ")",
}
_WRITTEN_WITH = frozenset("0123456789.,' ")
_FREE = (_SPACE, _APOSTROPHE)
_POINTS = (".", ",")


class Unreadable(ValueError):
    """What was typed is no number under the format. `readings` is what it might be: none, one or two numbers.

    `decimals` is set where only that is wrong: the number has more of them than it can have.
    """

    def __init__(self, text: str, readings: Sequence[Decimal] = (), decimals: int | None = None) -> None:
        super().__init__(text)
        self.text, self.readings, self.decimals = text, tuple(readings), decimals


class Negative(Unreadable):
    """It is below zero where nothing can be."""


class TooLarge(Unreadable):
    """It has more digits than anything has."""


class OtherUnit(Unreadable):
    """It names a currency or a unit that it is not in."""


@dataclass(frozen=True)
class NumberFormat:
    """`decimal` and `group` as they are written; `minus` as it is written; `indian` groups 12,34,567."""

    decimal: str
    group: str
    indian: bool = False
    minus: str = "-"

    def write(self, number: Decimal | int, decimals: int | None = None, *, grouped: bool = True) -> str:
        """The number with so many decimals, rounded half up; with as many as it has when none are given."""
        value = Decimal(number)
        if decimals is not None:
            value = value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
        whole, _, part = f"{abs(value):f}".partition(".")
        if decimals is None:
            part = part.rstrip("0")
        if grouped:
            whole = self.group.join(_groups(whole, self.indian))
        minus = self.minus if value < 0 else ""
        return minus + whole + (self.decimal + part if part else "")

    def read(
        self, text: str, decimals: int, *, signed: bool = True, units: Collection[str] = (), whole: int = LONGEST_WHOLE
    ) -> Decimal:
        """The one number that this is under the format, with at most so many decimals and digits before them.

        `units` may stand before or behind it: `£`, `GBP`, `%`. Raises Unreadable.
        """
        body, is_negative = _signed(self._plain(text), units)
        if not set(body) <= _WRITTEN_WITH or not body:
            raise (OtherUnit if _names_a_unit(body) else Unreadable)(text)
        parts = self._parts(body)
        if parts is None or len(parts[1]) > decimals or self._may_be_decimals(body, decimals):
            raise self._refusal(text, body, parts, decimals, is_negative)
        if len(parts[0].lstrip("0")) > whole:
            raise TooLarge(text)
        number = _number(*parts)
        if is_negative and number and not signed:
            raise Negative(text)
        return -number if is_negative and number else number

    def suits(self, text: str, decimals: int, *, units: Collection[str] = ()) -> Decimal | None:
        """The number that this would be if it were known to be written in this format; None where it is not.

        For finding out how a column is written: what `read` refuses because it could be written in another is one.
        """
        body, is_negative = _signed(self._plain(text), units)
        parts = self._parts(body)
        if parts is None or len(parts[1]) > decimals:
            return None
        return -_number(*parts) if is_negative else _number(*parts)

    def _plain(self, text: str) -> str:
        """Arabic has signs of its own that mean one thing only: they stand for the format's."""
        return _plain(text.replace("\u066b", self.decimal).replace("\u066c", self.group))

    def _parts(self, body: str) -> tuple[str, str] | None:
        """The digits before and behind the decimals' sign, or None where this is not written in this format."""
        return _split(body, self.decimal, (_plain(self.group) or _SPACE, *_FREE), self.indian)

    def _may_be_decimals(self, body: str, decimals: int) -> bool:
        """Whether the one comma or point that groups could as well stand before three decimals."""
        group = _plain(self.group)
        return decimals >= 3 and group in _POINTS and body.count(group) == 1 and self.decimal not in body

    def _refusal(
        self, text: str, body: str, parts: tuple[str, str] | None, decimals: int, is_negative: bool
    ) -> Unreadable:
        found = [-reading if is_negative else reading for reading in _readings(body, decimals)]
        too_fine = parts is not None and len(parts[1]) > decimals
        return Unreadable(text, found, decimals if too_fine and len(found) < 2 else None)


# The formats that a person chooses from, by how 1234.56 looks in them.
FORMATS: dict[str, NumberFormat] = {
    "1,234.56": NumberFormat(".", ","),
    "1.234,56": NumberFormat(",", "."),
    "1 234,56": NumberFormat(",", "\u00a0"),
    "1'234.56": NumberFormat(".", "\u2019"),
    "12,34,567.89": NumberFormat(".", ",", indian=True),
}
PLAIN = FORMATS["1,234.56"]


@lru_cache(maxsize=256)
def format_of(locale: Locale) -> NumberFormat:
    """How a language in a country writes numbers (CLDR)."""
    grouping = locale.decimal_formats[None].grouping
    return NumberFormat(
        get_decimal_symbol(locale), get_group_symbol(locale), grouping == (3, 2), get_minus_sign_symbol(locale)
    )


@lru_cache(maxsize=256)
def usual_format(country: str) -> str:
    """The format to choose in a country (ISO 3166), by the language that most there speak; a key of FORMATS."""
    try:
        return key_of(Locale.parse(f"und_{country}"))
    except (UnknownLocaleError, ValueError):
        return "1,234.56"


def key_of(locale: Locale) -> str:
    """The key of the one among FORMATS in which a language in a country writes numbers."""
    found = format_of(locale)
    return next(
        key for key, known in FORMATS.items()
        if (known.decimal, _plain(known.group), known.indian) == (found.decimal, _plain(found.group), found.indian)
    )


def _plain(text: str) -> str:
    """Digits of any script as 0 to 9, every kind of space, apostrophe and minus as one, no marks of direction."""
    return "".join(
        _SIGNS_OF.get(char, str(unicodedata.decimal(char)) if char.isdecimal() else char) for char in text
    ).strip()


def _signed(plain: str, units: Iterable[str]) -> tuple[str, bool]:
    """The digits and signs alone, and whether a minus or brackets stand around them; nothing else is taken off."""
    body, minus, seen = plain, False, False
    marks = sorted((mark for unit in units if (mark := _plain(unit).casefold())), key=len, reverse=True)
    for _ in range(3):
        folded = body.casefold()
        if body.startswith("(") and body.endswith(")") and not minus:
            body, minus = body[1:-1].strip(), True
        elif body.startswith("-") and not minus:
            body, minus = body[1:].strip(), True
        elif body.endswith("-") and not minus:
            body, minus = body[:-1].strip(), True
        elif not seen and len(folded) == len(body):
            before = next((mark for mark in marks if folded.startswith(mark)), "")
            behind = next((mark for mark in marks if folded.endswith(mark)), "")
            if before:
                body, seen = body[len(before):].strip(), True
            elif behind:
                body, seen = body[: -len(behind)].strip(), True
    return body, minus


def _number(whole: str, part: str) -> Decimal:
    return Decimal(f"{whole}.{part}" if part else whole)


def _names_a_unit(body: str) -> bool:
    """Whether letters or a sign of currency stand before or behind a number."""
    first, last = 0, len(body)
    while first < last and _is_unit(body[first]):
        first += 1
    while first < last and _is_unit(body[last - 1]):
        last -= 1
    middle = body[first:last].strip()
    return middle != body and bool(middle) and set(middle) <= _WRITTEN_WITH


def _is_unit(char: str) -> bool:
    return char.isalpha() or unicodedata.category(char) == "Sc" or char == "%"


def _groups(whole: str, indian: bool) -> list[str]:
    """The digits from the left, in groups."""
    found = [whole[-3:]]
    rest, size = whole[:-3], 2 if indian else 3
    while rest:
        found.append(rest[-size:])
        rest = rest[:-size]
    return found[::-1]


def _split(body: str, decimal: str, groups: Iterable[str], indian: bool) -> tuple[str, str] | None:
    whole, sign, part = body.partition(decimal)
    if sign and not _is_digits(part):
        return None
    if _is_digits(whole) or (sign and not whole):
        return whole or "0", part
    for group in dict.fromkeys(groups):
        pieces = whole.split(group)
        if group == decimal or len(pieces) == 1 or not all(map(_is_digits, pieces)) or pieces[0].startswith("0"):
            continue
        joined = "".join(pieces)
        if pieces == _groups(joined, False) or (indian and pieces == _groups(joined, True)):
            return joined, part
    return None


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _readings(body: str, decimals: int) -> list[Decimal]:
    """What this may be to somebody: its one sign before three decimals or between groups, else as others write."""
    signs = [char for char in body if char in _POINTS]
    if len(signs) == 1:
        whole, _, part = body.partition(signs[0])
        if _is_digits(whole) and _is_digits(part) and len(part) == 3:
            return _different(Decimal(f"{whole}.{part}"), Decimal(whole + part))
    found = []
    for decimal, group in (_POINTS, _POINTS[::-1]):
        parts = _split(body, decimal, (group, *_FREE), True)
        if signs and parts and len(parts[1]) <= decimals:
            found.append(_number(*parts))
    return _different(*found)


def _different(*numbers: Decimal) -> list[Decimal]:
    return list(dict.fromkeys(number for number in numbers if number < 10**LONGEST_WHOLE))


def find_formats(texts: Iterable[str], decimals: int, *, units: Collection[str] = ()) -> tuple[list[str], list[str]]:
    """How a column is written, of which nobody says it: the keys of FORMATS that suit all of these texts, and the
    texts that are not the same number in all of those. Without such texts any of the formats will do.
    """
    numbers: dict[str, dict[str, Decimal | None]] = {}
    for text in texts:
        if text not in numbers:
            numbers[text] = {key: FORMATS[key].suits(text, decimals, units=units) for key in FORMATS}
    fitting = [key for key in FORMATS if all(found[key] is not None for found in numbers.values())]
    unclear = [text for text, found in numbers.items() if len({found[key] for key in fitting}) > 1]
    return fitting, unclear
