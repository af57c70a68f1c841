"""Working days: the public holidays of a country or region, and the firm's own closures."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache

NO_HOLIDAYS = "NONE"
US_FEDERAL = "US-FED"
_DAY = timedelta(days=1)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LABELS = {
    NO_HOLIDAYS: "Weekends only",
    US_FEDERAL: "United States, federal courts",
    "US-DC": "United States, District of Columbia (federal tax)",
    "GB-ENG": "England and Wales",
    "GB-SCT": "Scotland",
    "GB-NIR": "Northern Ireland",
}


class UnknownCalendar(ValueError):
    """No such holiday calendar; the message names the nearest that exist."""


class WorkingCalendar:
    """Which days are worked. Rolling leaves a working day where it is; next and previous always move."""

    def __init__(self, calendar_id: str, closures: frozenset[date], observed: bool) -> None:
        self.id = calendar_id
        self.closures = closures
        self.observed = observed

    def holidays(self, year: int) -> dict[date, str]:
        return dict(_public_days(self.id, self.observed, year).holidays)

    def is_working_day(self, day: date) -> bool:
        return self.why_closed(day) is None

    def why_closed(self, day: date) -> str | None:
        """The holiday, the closure or the weekday that keeps the firm away, or None on a working day."""
        year = _public_days(self.id, self.observed, day.year)
        if day in year.holidays:
            return year.holidays[day]
        if day in self.closures:
            return "Closed"
        if day.weekday() in year.weekend and day not in year.worked_weekend_days:
            return _WEEKDAYS[day.weekday()]
        return None

    def roll_forward(self, day: date) -> date:
        while not self.is_working_day(day):
            day += _DAY
        return day

    def roll_back(self, day: date) -> date:
        while not self.is_working_day(day):
            day -= _DAY
        return day

    def next_working_day(self, day: date) -> date:
        return self.roll_forward(day + _DAY)

    def previous_working_day(self, day: date) -> date:
        return self.roll_back(day - _DAY)

    def add_working_days(self, day: date, count: int) -> date:
        """The count-th working day after the day, before it for a negative count; the day itself for 0."""
        move = self.next_working_day if count > 0 else self.previous_working_day
        for _ in range(abs(count)):
            day = move(day)
        return day

    def count_working_days(self, start: date, end: date) -> int:
        """Working days from start on, before end."""
        return sum(self.is_working_day(start + timedelta(days=n)) for n in range((end - start).days))


def calendar_for(calendar_id: str, *, closures: Iterable[date] = (), observed: bool = True) -> WorkingCalendar:
    """Ids are a country, perhaps with a region: DE, DE-BY, US-DC; US-FED and NONE are our own.

    `US-DC+US-MA` is a union: a day off in either is no working day. Raises UnknownCalendar.
    """
    parts = dict.fromkeys(_canonical(part) for part in calendar_id.split("+"))
    return _calendar("+".join(parts), frozenset(closures), observed)


@lru_cache(maxsize=1)
def list_calendar_ids() -> list[tuple[str, str]]:
    """Every id with a name to choose by, our own two first, then by country."""
    import holidays
    from holidays.registry import COUNTRIES

    names = {
        code: "".join(f" {c}" if c.isupper() else c for c in entry[0]).strip()
        for entry in COUNTRIES.values()
        for code in entry[1:2]
    }
    found = {NO_HOLIDAYS: _LABELS[NO_HOLIDAYS], US_FEDERAL: _LABELS[US_FEDERAL]}
    for country, regions in sorted(holidays.list_supported_countries(include_aliases=False).items()):
        for calendar_id in (country, *(f"{country}-{region}" for region in regions)):
            name = names.get(country, country)
            region = calendar_id.removeprefix(country).removeprefix("-")
            found[calendar_id] = _LABELS.get(calendar_id, f"{name}, {region}" if region else name)
    return list(found.items())


class _Year:
    """One year of one calendar, as plain sets, so that a look-up costs no more than a dictionary's."""

    def __init__(self, days: dict[date, str], weekend: frozenset[int], worked: frozenset[date]) -> None:
        self.holidays = days
        self.weekend = weekend
        self.worked_weekend_days = worked


@lru_cache(maxsize=256)
def _calendar(calendar_id: str, closures: frozenset[date], observed: bool) -> WorkingCalendar:
    return WorkingCalendar(calendar_id, closures, observed)


@lru_cache(maxsize=4096)
def _public_days(calendar_id: str, observed: bool, year: int) -> _Year:
    if "+" in calendar_id:
        parts = [_public_days(part, observed, year) for part in calendar_id.split("+")]
        days = {day: name for part in reversed(parts) for day, name in part.holidays.items()}
        weekend = frozenset[int]().union(*(part.weekend for part in parts))
        worked = parts[0].worked_weekend_days.intersection(*(part.worked_weekend_days for part in parts))
        return _Year(days, weekend, worked)
    if calendar_id == NO_HOLIDAYS:
        return _Year({}, frozenset({5, 6}), frozenset())
    import holidays

    country, _, region = calendar_id.partition("-")
    subdivision = None if calendar_id == US_FEDERAL or not region else region
    found = holidays.country_holidays(
        country, subdiv=subdivision, years=[year], observed=observed, expand=False, language="en_US"
    )
    days = {day: name for day, name in found.items() if day.year == year}
    return _Year(days, frozenset(found.weekend), frozenset(getattr(found, "weekend_workdays", ())))


@lru_cache(maxsize=256)
def _canonical(calendar_id: str) -> str:
    wanted = calendar_id.strip().upper().replace("_", "-")
    if wanted == "UK" or wanted.startswith("UK-"):
        wanted = "GB" + wanted[2:]
    if wanted in (NO_HOLIDAYS, US_FEDERAL):
        return wanted
    import holidays

    supported = holidays.list_supported_countries(include_aliases=False)
    country, _, region = wanted.partition("-")
    if country in supported and not region:
        return country
    for known in supported.get(country, ()):
        if known.upper() == region:
            return f"{country}-{known}"
    raise UnknownCalendar(_unknown(calendar_id, country, supported))


def _unknown(calendar_id: str, country: str, supported: dict[str, list[str]]) -> str:
    name = calendar_id.strip()[:40]
    if country in supported:
        known = ", ".join([country, *(f"{country}-{region}" for region in supported[country][:12])])
        return f"There is no holiday calendar “{name}”; for {country} there are {known}."
    return f"There is no holiday calendar “{name}”; ids look like DE, GB-ENG or US-DC."
