"""Tax numbers, e-mail addresses and telephone numbers: checked where a rule exists, kept as typed where none does."""

from __future__ import annotations

import phonenumbers
from email_validator import EmailNotValidError, validate_email
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


def check_email(address: str, *, field: str = "email") -> str:
    """The address as it is sent to; nothing is asked of the network."""
    text = address.strip()
    if not text:
        return ""
    try:
        found = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise Refused(f"{text[:80]} is no e-mail address: {str(error).rstrip('.')}.", field=field) from error
    return found.normalized


def format_phone(number: str, country: str | None) -> str:
    """The number in international spelling when it can be read, else as it was typed."""
    text = " ".join(number.split())
    if not text:
        return ""
    try:
        parsed = phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException:
        return text
    if not phonenumbers.is_possible_number(parsed):
        return text
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


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
