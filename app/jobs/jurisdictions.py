"""What day it is where a deadline is kept."""

from __future__ import annotations

import datetime as dt

from app.core.clock import local, now, today

# One zone for each: where a country has several, the one where the day ends last, so that nothing is missed too early.
_ZONES = {
    "GB": "Europe/London", "UK": "Europe/London", "IE": "Europe/Dublin", "DE": "Europe/Berlin", "FR": "Europe/Paris",
    "US": "Pacific/Honolulu",
}


def today_in(jurisdiction: str) -> dt.date:
    """The date in a country (`US`, `UK`); the firm's own where it is not known."""
    zone = _ZONES.get(jurisdiction[:2].upper())
    return local(now(), zone).date() if zone else today()


def latest_today() -> dt.date:
    """No deadline of a later day can be missed yet, wherever it is kept."""
    return max(today(), *map(today_in, _ZONES))
