"""How the amounts of a file are written: as somebody says, else as all of its cells together tell; never guessed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.core.errors import Refused
from app.core.money import exponent, parse_amount, round_amount, signs_of, write_amount
from app.core.number_format import FORMATS, find_formats
from app.exchange.cells import Cell

AMOUNTS = ("balance",)


@dataclass(frozen=True)
class Amounts:
    """The currency of a file's amounts, the key of their format, and whether somebody said so or the cells told.

    `unclear` are cells that are one amount in one format that suits the whole column and another in another one.
    """

    currency: str
    key: str
    said: bool = False
    unclear: frozenset[str] = frozenset()
    columns: tuple[str, ...] = ()

    def read(self, cell: Cell, text: str) -> Decimal:
        """An amount of the file. Raises Refused with what it might be."""
        if isinstance(cell, float):
            number = Decimal(f"{cell:.15g}")
            if number != round_amount(number, self.currency):
                raise Refused(f"{self.currency} has {exponent(self.currency)} decimals; {number:f} has more.")
            return number
        if text in self.unclear:
            one, other = self.readings(text)
            raise Refused(f"“{text[:40]}” can be read as {one} or as {other}; say how this file writes numbers.")
        return parse_amount(text, self.currency, FORMATS[self.key])

    def readings(self, text: str) -> tuple[str, str]:
        """The smallest and the largest amount that a text is in a format, as the file's reader writes them."""
        units, decimals = signs_of(self.currency), exponent(self.currency)
        found = {each.suits(text, decimals, units=units) for each in FORMATS.values()} - {None}
        numbers = sorted((number for number in found if number is not None), key=abs)
        return tuple(write_amount(n, self.currency, FORMATS[self.key]) for n in (numbers[0], numbers[-1]))  # type: ignore[return-value]


def amounts_of(
    header: Sequence[str], rows: Sequence[Sequence[Cell]], mapping: Mapping[str, str], currency: str, *,
    said: str | None, usual: str,
) -> Amounts:
    """How the amounts of a file are written. `usual` is taken where it does not matter which of several formats is."""
    columns = tuple(column for column, target in mapping.items() if target in AMOUNTS)
    if said is not None:
        return Amounts(currency, said, said=True, columns=columns)
    texts = _texts(header, rows, columns)
    fitting, unclear = find_formats(texts, exponent(currency), units=signs_of(currency))
    key = max(fitting, key=lambda each: (_groups_as(each, texts), each == usual), default=usual)
    return Amounts(currency, key, unclear=frozenset(unclear), columns=columns)


def _groups_as(key: str, texts: Sequence[str]) -> bool:
    """Whether digits are grouped anywhere as in this format: of several that suit a column it is the plainest."""
    group = FORMATS[key].group.replace("\u00a0", " ").replace("\u2019", "'")
    return any(group in text.replace("\u2019", "'") for text in texts)


def _texts(header: Sequence[str], rows: Sequence[Sequence[Cell]], columns: Collection[str]) -> list[str]:
    places = [at for at, column in enumerate(header) if column in columns]
    cells = (row[at] for row in rows for at in places)
    return [" ".join(cell.split()) for cell in cells if isinstance(cell, str) and any(map(str.isdigit, cell))]
