"""States and regions of a country, as people type them and as holiday calendars name them (ISO 3166-2)."""

from __future__ import annotations

from functools import lru_cache

from app.core.errors import Refused

LONGEST_REGION = 60


def region_code(country: str | None, region: str) -> str:
    """`US-MA`; empty where country or region is not known."""
    return f"{country}-{region}" if country and region else ""


def check_region(text: str, country: str | None) -> str:
    """The code of a region typed by name or code (`Massachusetts`, `ma` → `MA`). Raises Refused where it is no region
    of the country; where the country's regions are not known, what was typed stays."""
    typed = " ".join(text.split())
    if not typed:
        return ""
    if country is None:
        raise Refused("Choose the country that this state or region belongs to.", field="region")
    known = _regions(country)
    found = known.get(typed.removeprefix(f"{country}-").casefold()) if known else typed[:LONGEST_REGION]
    if found is None:
        raise Refused(f"“{typed[:40]}” is no state or region of this country.", field="region")
    return found


@lru_cache(maxsize=64)
def _regions(country: str) -> dict[str, str]:
    """By name and code in small letters."""
    import holidays

    codes = holidays.list_supported_countries(include_aliases=False).get(country, [])
    aliases = getattr(getattr(holidays, country, None), "subdivisions_aliases", {}) if codes else {}
    return {code.casefold(): code for code in codes} | {name.casefold(): code for name, code in aliases.items()}
