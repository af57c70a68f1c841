"""The quantity and price of a line of time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from app.billing.models import LineUnit
from app.core.money import round_amount

HOUR = Decimal(3600)


def time_priced(
    net: Decimal, time: Sequence[tuple[dt.timedelta | None, Decimal | None]], currency: str
) -> dict[str, Any]:
    """Hours × rate where everything has one rate and that is what the line charges; else once its net."""
    rates = {rate for _, rate in time}
    rate = next(iter(rates)) if len(rates) == 1 else None
    seconds = sum(int(charged.total_seconds()) for charged, _ in time if charged)
    hours = round(Decimal(seconds) / HOUR, 6)
    if rate and hours and round_amount(hours * rate, currency) == net:
        return {"quantity": hours, "unit": LineUnit.HOUR, "unit_price": rate}
    return once(net)


def once(net: Decimal) -> dict[str, Any]:
    """A line that charges one of something."""
    return {"quantity": Decimal(1), "unit": LineUnit.ONE, "unit_price": net}
