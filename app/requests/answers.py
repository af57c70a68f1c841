"""What counts as an answer to each kind of question: from what was typed to a value, and back into words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from flask_babel import gettext as _

from app.clients.models import Client
from app.core.days import read_day
from app.core.db import db
from app.core.errors import Refused
from app.core.money import parse_amount, parse_number
from app.core.wording import amount, amount_typed, exact, locale, number, number_format, number_typed
from app.requests.models import ItemKind, RequestItem

MOST_DECIMALS = 10
LONGEST = {ItemKind.TEXT: 500, ItemKind.LONG_TEXT: 20_000}


def read_answer(item: RequestItem, typed: Sequence[str]) -> dict[str, Any] | None:
    """What is kept of what was typed, or None for nothing: its value and, for an amount, the currency it is in."""
    texts = [text.strip() for text in typed if text.strip()]
    if not texts:
        return None
    if item.kind is ItemKind.AMOUNT:
        currency = currency_of(item)
        return {"value": format(parse_amount(texts[0], currency, number_format()), "f"), "currency": currency}
    return {"value": _parse(item, texts)}


def _parse(item: RequestItem, texts: Sequence[str]) -> Any:
    """The value of what was typed; raises Refused with a sentence for the person."""
    if item.kind is ItemKind.UPLOAD:
        raise Refused(_("This is answered with a file."))
    if item.kind is ItemKind.CHOICES:
        return [_known_option(item, text) for text in dict.fromkeys(texts)]
    return _PARSERS[item.kind](item, texts[0])


def _text(item: RequestItem, text: str) -> str:
    longest = LONGEST[item.kind]
    if len(text) > longest:
        raise Refused(_("This is longer than %(n)s characters. Shorten it or upload it as a file.", n=f"{longest:,}"))
    return text.replace("\x00", "")


def _known_option(item: RequestItem, text: str) -> str:
    if text not in item.options:
        raise Refused(_("Choose one of the answers shown."))
    return text


def _yes_no(item: RequestItem, text: str) -> bool:
    if text not in ("yes", "no"):
        raise Refused(_("Choose yes or no."))
    return text == "yes"


def _confirmation(item: RequestItem, text: str) -> bool | None:
    return True if text in ("yes", "on", "1") else None


def _date(item: RequestItem, text: str) -> str:
    return read_day(text, locale()).isoformat()


def _number(item: RequestItem, text: str) -> str:
    return format(parse_number(text, MOST_DECIMALS, number_format(), signed=True), "f")


def currency_of(item: RequestItem) -> str:
    """What an amount is answered in: the client's own currency."""
    if item.amounts_in:
        return item.amounts_in
    return db.session.scalars(sa.select(Client.currency).where(Client.id == item.request.client_id)).one()


_PARSERS: dict[ItemKind, Any] = {
    ItemKind.TEXT: _text, ItemKind.LONG_TEXT: _text, ItemKind.CHOICE: _known_option, ItemKind.YES_NO: _yes_no,
    ItemKind.DATE: _date, ItemKind.NUMBER: _number, ItemKind.CONFIRMATION: _confirmation,
}


def typed_again(item: RequestItem) -> str:
    """The saved value as its field shows it; options are compared with `chosen`."""
    value = (item.answer or {}).get("value")
    if value is None or isinstance(value, list):
        return ""
    if item.kind is ItemKind.NUMBER:
        return number_typed(Decimal(value))
    if item.kind is ItemKind.AMOUNT:
        return amount_typed(Decimal(value), _kept_currency(item))
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _kept_currency(item: RequestItem) -> str:
    return str((item.answer or {}).get("currency") or "")


def chosen(item: RequestItem) -> list[str]:
    value = (item.answer or {}).get("value")
    return [str(one) for one in value] if isinstance(value, list) else [typed_again(item)]


def in_words(item: RequestItem) -> str:
    """The answer as a reader sees it."""
    value = (item.answer or {}).get("value")
    if value is None:
        return ""
    if isinstance(value, bool):
        words: str = _("Confirmed") if item.kind is ItemKind.CONFIRMATION else (_("Yes") if value else _("No"))
        return words
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if item.kind is ItemKind.DATE:
        return exact(dt.date.fromisoformat(value))
    if item.kind is ItemKind.NUMBER:
        return number(Decimal(value))
    if item.kind is ItemKind.AMOUNT:
        return f"{amount(Decimal(value), _kept_currency(item))} {_kept_currency(item)}".strip()
    return str(value)
