"""The cells and lines of a table as its file has them, and what was noticed of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# A number that a workbook keeps stays one: how it was shown there is not how anybody wrote it.
Cell = str | float
Line = tuple[int, list[Cell]]
HEADER_WITHIN, LONGEST_CELL = 20, 5_000
_EDGES = "\ufeff\u200b\u2060\u200e\u200f\u00ad \t\r\n\u00a0"


@dataclass(frozen=True)
class Remark:
    """What was noticed of a line: an error of its row or, where it is none, what was done about it."""

    line: int
    message: str
    column: str = ""
    read: str = ""
    error: bool = False


def plain_head(name: str) -> str:
    """The head of a column as it is compared: without case and punctuation."""
    return " ".join(re.sub(r"[^\w]+|_", " ", name.casefold()).split())


def known_heads(cells: Sequence[Cell], words: frozenset[str]) -> int:
    """How many of a line's cells are heads that we know."""
    return sum(isinstance(cell, str) and plain_head(cell) in words for cell in cells)


def header_at(found: Sequence[Line], words: frozenset[str]) -> int:
    """The line among the first that has most heads we know; the first one where none has any."""
    known = [known_heads(cells, words) for _, cells in found[:HEADER_WITHIN]]
    return max(range(len(known)), key=lambda at: (known[at], -at), default=0)


def clean(cell: Cell) -> Cell:
    return cell if isinstance(cell, float) else cell.strip(_EDGES).strip()[:LONGEST_CELL]


def shown(cell: Cell) -> Cell:
    """The cell without what cannot be kept or shown."""
    if not isinstance(cell, str):
        return cell
    return "".join(
        "\ufffd" if "\ud800" <= char <= "\udfff" or (char < " " and char not in "\t\r\n") or "\x7f" <= char <= "\x9f"
        else char for char in cell
    )
