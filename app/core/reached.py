"""How somebody is reached: e-mail addresses and telephone numbers, checked where a rule exists."""

from __future__ import annotations

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from app.core.errors import Refused


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
