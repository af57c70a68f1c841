"""How often work recurs, and over which periods for one client: their year end, their VAT stagger, by reference."""

from __future__ import annotations

from typing import Protocol

from app.catalogue.models import Cadence
from app.planning.periods import MonthDay, PeriodKind, PeriodPattern, vat_quarters

WORDS: dict[Cadence, str] = {
    Cadence.ONCE: "Once", Cadence.MONTH: "Each month", Cadence.QUARTER: "Each calendar quarter",
    Cadence.VAT_QUARTER: "Each VAT quarter of the client", Cadence.HALF_YEAR: "Each half of the client's year",
    Cadence.YEAR: "Each year to the client's year end", Cadence.CALENDAR_YEAR: "Each calendar year",
    Cadence.TAX_YEAR: "Each British tax year, to 5 April",
}


class Years(Protocol):
    """What a client says about its year."""

    @property
    def year_end_month(self) -> int | None: ...
    @property
    def year_end_day(self) -> int | None: ...
    @property
    def vat_stagger(self) -> int | None: ...


def pattern_of(cadence: Cadence, client: Years) -> PeriodPattern | None:
    """The periods that this client's jobs are about; None for what is done once. Year ends default to 31 December."""
    year_end = MonthDay(client.year_end_month or 12, client.year_end_day or 31)
    match cadence:
        case Cadence.ONCE:
            return None
        case Cadence.MONTH:
            return PeriodPattern(PeriodKind.MONTH)
        case Cadence.QUARTER:
            return PeriodPattern(PeriodKind.QUARTER)
        case Cadence.VAT_QUARTER:
            return vat_quarters(client.vat_stagger or 1)
        case Cadence.HALF_YEAR:
            return PeriodPattern(PeriodKind.HALF_YEAR, year_end)
        case Cadence.YEAR:
            return PeriodPattern(PeriodKind.YEAR, year_end)
        case Cadence.CALENDAR_YEAR:
            return PeriodPattern(PeriodKind.YEAR)
        case Cadence.TAX_YEAR:
            return PeriodPattern(PeriodKind.TAX_YEAR, MonthDay(4, 5))
