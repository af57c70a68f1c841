"""Tax numbers and websites: checked where a rule exists, kept as typed where none does."""

from __future__ import annotations

from stdnum import exceptions as bad
from stdnum import get_cc_module

from app.core.errors import Refused

TAX_KINDS = {"US": ("ein", "tin"), "GB": ("vat", "utr"), "CA": ("bn",), "AU": ("abn",), "CH": ("vat", "uid")}


def check_tax_number(number: str, country: str | None, *, field: str = "tax_number") -> str:
    """The number in its compact spelling when the country's checksum accepts it; refuses one that it does not.

    A country without a known rule keeps what was typed.
    """
    text = " ".join(number.split())
    modules = [
        module for kind in TAX_KINDS.get(country or "", ("vat", "tin"))
        if country and (module := get_cc_module(country.lower(), kind)) is not None
    ]
    if not text or not modules:
        return text
    for module in modules:
        try:
            return str(module.validate(text))
        except (bad.ValidationError, ValueError):
            continue
    raise Refused(f"{text} is no valid tax number of {country}: a digit is wrong or missing.", field=field)


def check_website(address: str, *, field: str = "website") -> str:
    """Only what a browser opens as a page; `https://` is added when no scheme was typed."""
    text = address.strip()
    if not text:
        return ""
    if "://" not in text:
        text = f"https://{text}"
    if not text.lower().startswith(("http://", "https://")) or any(c.isspace() for c in text):
        raise Refused("A website begins with https:// or http://.", field=field)
    return text
