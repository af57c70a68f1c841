"""What is usual in a country: currency, zone, calendar, rates of tax. Only a start; all of it can be changed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from babel import Locale

from app.firm.models import TaxTreatment

REVERSE = "Reverse charge: the customer accounts for the VAT."


@dataclass(frozen=True)
class Country:
    """`rates` are percentages, the usual one first; a 0 among them is the zero rate."""

    currency: str
    zone: str
    calendar: str
    tax: str = "VAT"
    rates: tuple[str, ...] = ()
    exempt: bool = True
    reverse: bool = True


KNOWN: dict[str, Country] = {
    "GB": Country("GBP", "Europe/London", "GB-ENG", "VAT", ("20", "5", "0")),
    "IE": Country("EUR", "Europe/Dublin", "IE", "VAT", ("23", "13.5", "9", "0")),
    "DE": Country("EUR", "Europe/Berlin", "DE", "USt", ("19", "7")),
    "AT": Country("EUR", "Europe/Vienna", "AT", "USt", ("20", "13", "10")),
    "FR": Country("EUR", "Europe/Paris", "FR", "TVA", ("20", "10", "5.5", "2.1")),
    "NL": Country("EUR", "Europe/Amsterdam", "NL", "BTW", ("21", "9", "0")),
    "BE": Country("EUR", "Europe/Brussels", "BE", "VAT", ("21", "12", "6", "0")),
    "LU": Country("EUR", "Europe/Luxembourg", "LU", "TVA", ("17", "14", "8", "3")),
    "ES": Country("EUR", "Europe/Madrid", "ES", "IVA", ("21", "10", "4")),
    "PT": Country("EUR", "Europe/Lisbon", "PT", "IVA", ("23", "13", "6")),
    "IT": Country("EUR", "Europe/Rome", "IT", "IVA", ("22", "10", "5", "4")),
    "DK": Country("DKK", "Europe/Copenhagen", "DK", "Moms", ("25",)),
    "SE": Country("SEK", "Europe/Stockholm", "SE", "Moms", ("25", "12", "6")),
    "NO": Country("NOK", "Europe/Oslo", "NO", "MVA", ("25", "15", "12", "0")),
    "PL": Country("PLN", "Europe/Warsaw", "PL", "VAT", ("23", "8", "5", "0")),
    "CH": Country("CHF", "Europe/Zurich", "CH", "MWST", ("8.1", "3.8", "2.6")),
    "US": Country("USD", "America/New_York", "US-FED", "Sales tax", (), False, False),
    "CA": Country("CAD", "America/Toronto", "CA", "GST", ("5", "0"), True, False),
    "AU": Country("AUD", "Australia/Sydney", "AU", "GST", ("10", "0"), True, False),
    "NZ": Country("NZD", "Pacific/Auckland", "NZ", "GST", ("15", "0"), True, False),
    "ZA": Country("ZAR", "Africa/Johannesburg", "ZA", "VAT", ("15", "0"), True, False),
}


# Whoever is registered for VAT here issues full VAT invoices, with both addresses: the United Kingdom, and the EU.
VAT_INVOICES = frozenset(
    (
        "GB", "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT",
        "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
    )
)  # fmt: skip


@dataclass(frozen=True)
class UsualRate:
    """One rate to begin with."""

    code: str
    name: str
    treatment: TaxTreatment
    percent: Decimal
    legend: str = ""


def usual(country: str) -> Country:
    return KNOWN.get(country) or Country("EUR", "UTC", "NONE", "Tax", (), False, False)


def usual_rates(country: str, *, registered: bool = True) -> list[UsualRate]:
    """The usual rate first. A firm that is not registered, or whose country has none, gets "No tax" alone."""
    known = usual(country)
    if not registered or not known.rates:
        return [UsualRate("O", "No tax", TaxTreatment.OUTSIDE, Decimal(0))]
    rates = [
        UsualRate("Z0", f"{known.tax} 0%", TaxTreatment.ZERO, Decimal(0)) if rate == "0"
        else UsualRate(f"S{rate}", f"{known.tax} {rate}%", TaxTreatment.STANDARD, Decimal(rate))
        for rate in known.rates
    ]
    if known.exempt:
        rates.append(UsualRate("E", "Exempt", TaxTreatment.EXEMPT, Decimal(0), f"Exempt from {known.tax}."))
    if known.reverse:
        rates.append(UsualRate("AE", "Reverse charge", TaxTreatment.REVERSE_CHARGE, Decimal(0), REVERSE))
    words = f"Paid on your behalf; outside the scope of {known.tax}."
    rates.append(UsualRate("O", f"Outside the scope of {known.tax}", TaxTreatment.OUTSIDE, Decimal(0), words))
    return rates


def country_choices() -> list[tuple[str, str]]:
    """(code, name) of every country, those with known rates first."""
    names = {c: str(n) for c, n in Locale("en", "GB").territories.items() if len(c) == 2 and c.isalpha()}
    for code in ("EU", "EZ", "UN", "QO", "ZZ", "XA", "XB"):
        names.pop(code, None)
    order = sorted(names, key=lambda code: (code not in KNOWN, names[code]))
    return [(code, names[code]) for code in order]


def year_end_of(month: int, day: int) -> tuple[int, int]:
    """Month and day of a year's end, the day moved into the month (29 February included)."""
    last = (dt.date(2024 + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1)).day
    return month, min(day, last)
