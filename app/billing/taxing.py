"""Which tax falls on what a bill charges: by code, and by the day of each supply."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from app.billing.amounts import TaxSum
from app.core.wording import amount
from app.firm.countries import usual
from app.firm.models import Entity, TaxPoint, TaxTreatment, percent_words
from app.firm.taxes import Tax, TaxTable

Piece = TypeVar("Piece")


@dataclass(frozen=True)
class Taxing:
    """The table of rates with the entity's rule: which day of a line decides. `day` is the date of the bill."""

    table: TaxTable
    entity: Entity
    day: dt.date

    def code(self, *codes: str | None) -> str:
        """The first code that is given, the most particular one first; else the entity's, else the firm's."""
        return self.table.pick(*codes, self.entity.tax_code)

    def on(self, code: str, supplied_on: dt.date) -> Tax:
        """The tax of what was supplied on a day. Raises Refused when its code has no rate then."""
        return self.table.on(code, self.day if self.entity.tax_point is TaxPoint.ISSUE else supplied_on)

    def split(self, code: str, pieces: Iterable[tuple[dt.date, Piece]]) -> dict[Tax, list[Piece]]:
        """What was supplied on several days, by the tax that falls on it; in the order of the days."""
        found: dict[Tax, list[Piece]] = {}
        for day, piece in sorted(pieces, key=lambda pair: pair[0]):
            found.setdefault(self.on(code, day), []).append(piece)
        return found


def tax_facts(tax: Tax) -> dict[str, Any]:
    """The columns of a line that its tax fills."""
    return {
        "tax_code": tax.code,
        "tax_treatment": tax.treatment,
        "tax_percent": tax.percent,
        "tax_category": tax.category,
        "tax_legend": tax.legend,
    }


def same_tax(line: Any, tax: Tax) -> bool:
    """Whether a line says of its tax what the table says."""
    return all(getattr(line, name) == value for name, value in tax_facts(tax).items())


def said_of(sums: Sequence[TaxSum], currency: str) -> str:
    """`20 % = 200.00 and exempt`: the taxes of a bill in a sentence."""
    words = [
        f"{percent_words(each.percent)} % = {amount(each.tax, currency)}"
        if each.treatment is TaxTreatment.STANDARD
        else each.treatment.value.replace("_", " ")
        for each in sums
    ]
    return " and ".join(words) or "nothing"


def changed_tax(before: Sequence[TaxSum], after: Sequence[TaxSum], entity: Entity, currency: str, when: str) -> str:
    """What is said when the tax of a bill became another: both figures, those that stayed left out."""
    gone = [each for each in before if each not in after]
    come = [each for each in after if each not in before]
    word = usual(entity.country).tax
    return (
        f"{word} was {said_of(gone, currency)} when this was {when}; it is {said_of(come, currency)} now. "
        "Look at it again."
    )


def sum_of(lines: Iterable[Mapping[str, Any]], name: str) -> Decimal:
    return sum((line[name] for line in lines), Decimal(0))
