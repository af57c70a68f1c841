"""Bank accounts and tax numbers of the firm: checked by their own digits, nothing is asked of the network."""

from __future__ import annotations

from stdnum import bic as bics
from stdnum import get_cc_module
from stdnum import iban as ibans
from stdnum.exceptions import ValidationError

from app.core.errors import Refused

TAX_KINDS = ("vat", "tin")
OTHER_TAX_KINDS = {
    "US": ("ein",), "CA": ("bn",), "AU": ("abn",), "NZ": ("ird",), "GB": ("vat", "utr"), "CH": ("vat", "uid"),
}


def check_iban(text: str) -> str:
    """In compact spelling; empty stays empty."""
    if not text.strip():
        return ""
    try:
        return str(ibans.validate(text))
    except ValidationError:
        raise Refused("This is no valid IBAN: a digit is wrong or missing.", field="iban") from None


def check_bic(text: str) -> str:
    if not text.strip():
        return ""
    try:
        return str(bics.validate(text))
    except ValidationError:
        raise Refused("This is no valid BIC: it has 8 or 11 letters and digits.", field="bic") from None


def check_tax_number(text: str, country: str) -> str:
    """In compact spelling when the country's rule accepts it; a country without a known rule keeps what was typed."""
    typed = " ".join(text.split())
    modules = [m for kind in OTHER_TAX_KINDS.get(country, TAX_KINDS) if (m := get_cc_module(country.lower(), kind))]
    if not typed or not modules:
        return typed
    for module in modules:
        try:
            return str(module.validate(typed))
        except (ValidationError, ValueError):
            continue
    raise Refused(f"This is no valid tax number of {country}: a digit is wrong or missing.", field="tax_number")


def spaced_iban(text: str) -> str:
    """As people read it, in groups of four."""
    return str(ibans.format(text)) if text else ""
