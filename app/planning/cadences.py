"""How often work recurs, and over which periods: the client's year end, VAT stagger and payroll, by reference."""

from __future__ import annotations

import datetime as dt
from typing import Protocol

from app.catalogue.models import Cadence
from app.clients.models import PayrollFrequency
from app.planning.periods import MonthDay, PeriodKind, PeriodPattern, vat_quarters

WORDS: dict[Cadence, str] = {
    Cadence.ONCE: "Once", Cadence.MONTH: "Each month", Cadence.QUARTER: "Each calendar quarter",
    Cadence.VAT_QUARTER: "Each VAT quarter of the client", Cadence.HALF_YEAR: "Each half of the client's year",
    Cadence.YEAR: "Each year to the client's year end", Cadence.CALENDAR_YEAR: "Each calendar year",
    Cadence.TAX_YEAR: "Each British tax year, to 5 April", Cadence.PAYROLL: "Each pay period of the client",
}


class Years(Protocol):
    """What a client says about its year."""

    @property
    def year_end_month(self) -> int | None: ...
    @property
    def year_end_day(self) -> int | None: ...
    @property
    def vat_stagger(self) -> int | None: ...
    @property
    def payroll_frequency(self) -> PayrollFrequency | None: ...
    @property
    def first_pay_day(self) -> dt.date | None: ...


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
        case Cadence.PAYROLL:
            return pay_periods(client.payroll_frequency, client.first_pay_day)


DAYS = {PayrollFrequency.WEEKLY: 7, PayrollFrequency.FORTNIGHTLY: 14, PayrollFrequency.FOUR_WEEKLY: 28}


def pay_periods(frequency: PayrollFrequency | None, first: dt.date | None) -> PeriodPattern:
    """Each ends on a pay day. Monthly: on the first one's day of the month, or the month's last. Unsaid: by the month.
    """
    if frequency is None or first is None:
        return PeriodPattern(PeriodKind.MONTH)
    if frequency is PayrollFrequency.MONTHLY:
        last = (first + dt.timedelta(days=1)).day == 1
        return PeriodPattern(PeriodKind.MONTH, MonthDay(1, 31 if last else first.day))
    return PeriodPattern(PeriodKind.DAYS, days=DAYS[frequency], ends_on=first)
