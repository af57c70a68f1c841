"""The rates of tax by code and day: the one place that answers what a code charges on a date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa

from app.core.db import db
from app.core.errors import Refused
from app.firm.models import CATEGORIES, TaxCode, TaxRate, TaxTreatment

NO_CODE = "No tax is the firm's usual one; choose it under Settings, Tax rates."


@dataclass(frozen=True)
class Tax:
    """What a line keeps of its tax: percent in hundredths of the net, legend as the law asks it to be printed."""

    code: str
    treatment: TaxTreatment
    percent: Decimal
    legend: str

    @property
    def category(self) -> str:
        """The category of EN 16931 (UNCL 5305)."""
        return CATEGORIES[self.treatment]


@dataclass(frozen=True)
class TaxTable:
    """Every code with its rates. Read it once for whatever is decided together."""

    rates: Mapping[str, Sequence[TaxRate]]
    usual: str | None

    def pick(self, *codes: str | None) -> str:
        """The first code that is given, else the firm's usual one. Raises Refused when there is none."""
        found = next((code for code in codes if code), self.usual)
        if found is None:
            raise Refused(NO_CODE, field="tax_code")
        return found

    def on(self, code: str, day: dt.date) -> Tax:
        """What the code charges on a day. Raises Refused when nothing holds then: another rate is never guessed."""
        rows = self.rates.get(code, ())
        if rows and rows[0].of.archived_at is not None:
            raise Refused(f"The tax {code} is archived; choose another.", field="tax_code")
        for row in rows:
            if row.from_on <= day and (row.to_on is None or day < row.to_on):
                return Tax(code, row.treatment, row.percent, row.legend)
        raise Refused(
            f"The tax {code} charges nothing known on {day:%-d %B %Y}{_gap(rows, day)}. "
            "Give it a rate for that day under Settings, Tax rates, or choose another.",
            field="tax_code",
        )


def _gap(rows: Sequence[TaxRate], day: dt.date) -> str:
    ended = [row.to_on for row in rows if row.to_on is not None and row.to_on <= day]
    if ended:
        return f": it ended on {max(ended) - dt.timedelta(days=1):%-d %B %Y}"
    return f": it begins on {min(row.from_on for row in rows):%-d %B %Y}" if rows else ""


def tax_table() -> TaxTable:
    """One query."""
    rates: dict[str, list[TaxRate]] = {}
    for row in db.session.scalars(sa.select(TaxRate).where(TaxRate.archived_at.is_(None)).order_by(TaxRate.from_on)):
        rates.setdefault(row.code, []).append(row)
    return TaxTable(rates, next((code for code, rows in rates.items() if rows[0].of.is_default), None))


def check_tax_code(code: str | None, *, field: str = "tax_code") -> str | None:
    """A code that there is, or None. Raises Refused. One that is archived is refused when a bill would need it."""
    if code and db.session.get(TaxCode, code) is None:
        raise Refused("There is no such tax.", field=field)
    return code or None


def outside_code(*, field: str = "tax_code") -> str:
    """The firm's code for what lies outside the scope of tax. Raises Refused where it has none in use."""
    code = db.session.scalar(
        sa.select(TaxCode.code)
        .where(TaxCode.treatment == TaxTreatment.OUTSIDE, TaxCode.archived_at.is_(None))
        .order_by(TaxCode.code)
        .limit(1)
    )
    if code is None:
        raise Refused(
            "No tax of the firm lies outside the scope; add one under Settings, Tax rates, or take it back into use.",
            field=field,
        )
    return code
