"""Titles of jobs from a pattern: `{client} VAT {period}`."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter

from app.planning.periods import Period, PeriodPattern

MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
FIELDS = {
    "client": "the client's name",
    "service": "the service's name",
    "period": "the period's name, as Q3 2026",
    "year": "the year in which the period ends",
    "month": "the month in which the period ends",
    "quarter": "the quarter in which the period ends, as Q3",
    "start": "the period's first day",
    "end": "the period's last day",
}
MOST = 200


class BadTitle(ValueError):
    """The pattern cannot be used; the message says which fields exist."""


def check_title(pattern: str) -> None:
    """Raises BadTitle with a sentence."""
    _pieces(pattern)


def title(pattern: str, *, client: str, period: Period, periods: PeriodPattern, service: str = "") -> str:
    """The title, spaces tidied, at most 200 characters."""
    values = title_values(client=client, period=period, periods=periods, service=service)
    words = "".join(text + (values[name] if name else "") for text, name in _pieces(pattern))
    tidy = " ".join(words.split())
    return tidy if len(tidy) <= MOST else tidy[: MOST - 1].rstrip() + "…"


def title_values(*, client: str, period: Period, periods: PeriodPattern, service: str = "") -> Mapping[str, str]:
    last = period.last_day
    return {
        "client": client,
        "service": service,
        "period": periods.name(period),
        "year": str(last.year),
        "month": MONTH_NAMES[last.month - 1],
        "quarter": f"Q{(last.month + 2) // 3}",
        "start": period.start.isoformat(),
        "end": last.isoformat(),
    }


def _pieces(pattern: str) -> list[tuple[str, str]]:
    if not pattern.strip():
        raise BadTitle("A title is missing.")
    if len(pattern) > MOST:
        raise BadTitle(f"A title pattern has at most {MOST} characters.")
    try:
        parsed = list(Formatter().parse(pattern))
    except ValueError:
        raise BadTitle("A brace in the title has no partner; for a brace itself write it twice.") from None
    pieces = []
    for text, name, spec, conversion in parsed:
        if name is not None and (name not in FIELDS or spec or conversion):
            known = ", ".join(f"{{{field}}}" for field in FIELDS)
            raise BadTitle(f"A title has no field {{{name[:40]}}}; it knows {known}.")
        pieces.append((text, name or ""))
    return pieces
