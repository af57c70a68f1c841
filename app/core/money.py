"""Amounts of money: Decimal with a currency, one rounding, one way to split, one reader of what people type."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any, Self

from babel.numbers import get_currency_precision, get_currency_symbol
from flask_babel import gettext as _

from app.core.errors import Refused
from app.core.number_format import Negative, NumberFormat, OtherUnit, TooLarge, Unreadable


class CurrencyMismatch(ValueError):
    """Two amounts in different currencies were combined."""


@dataclass(frozen=True, order=False)
class Money:
    """An amount in one currency (ISO 4217 code). Arithmetic keeps four decimals; `rounded` gives minor units."""

    amount: Decimal
    currency: str

    @classmethod
    def zero(cls, currency: str) -> Self:
        return cls(Decimal(0), currency)

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} cannot be combined.")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __mul__(self, factor: Decimal | int) -> Money:
        return Money(self.amount * factor, self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.amount < other.amount

    def __le__(self, other: Money) -> bool:
        self._same(other)
        return self.amount <= other.amount

    def __bool__(self) -> bool:
        return self.amount != 0

    def rounded(self) -> Money:
        return Money(round_amount(self.amount, self.currency), self.currency)


def exponent(currency: str) -> int:
    """Decimals of a currency: 2 for most, 0 for JPY, 3 for KWD (ISO 4217)."""
    return get_currency_precision(currency)


def unit(currency: str) -> Decimal:
    """The smallest amount that can be paid."""
    return Decimal(1).scaleb(-exponent(currency))


def round_amount(amount: Decimal, currency: str) -> Decimal:
    """Half up, to the currency's minor unit: the one rounding in the house."""
    return amount.quantize(unit(currency), rounding=ROUND_HALF_UP)


def split(total: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Spread a total over weights by the largest remainder, so that the parts add up to it exactly.

    The total must be in whole minor units. All-zero weights spread evenly. Raises ValueError without weights.
    """
    if not weights:
        raise ValueError("There is nothing to spread over.")
    if any(weight < 0 for weight in weights):
        raise ValueError("A weight is negative.")
    step = unit(currency)
    units = int(total / step)
    if units * step != total:
        raise ValueError(f"{total} is not in whole units of {step} {currency}.")
    sign = -1 if units < 0 else 1
    units = abs(units)
    whole = sum(weights)
    shares = [w / whole if whole else Decimal(1) / len(weights) for w in weights]
    exact = [units * share for share in shares]
    parts = [int(value) for value in exact]
    order = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for i in order[: units - sum(parts)]:
        parts[i] += 1
    return [sign * part * step for part in parts]


def total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


# Signs that people write for currencies which English has only letters for.
_OWN_SIGNS = {
    "CHF": ("Fr.", "SFr."), "CZK": ("Kč",), "DKK": ("kr.", "kr"), "HUF": ("Ft",), "ISK": ("kr",), "JPY": ("￥", "円"),
    "CNY": ("￥", "元"), "KWD": ("KD", "د.ك"), "NOK": ("kr",), "PLN": ("zł",), "RON": ("lei",), "SEK": ("kr",),
    "TND": ("DT", "د.ت"), "ZAR": ("R",),
}  # fmt: skip


@lru_cache(maxsize=512)
def signs_of(currency: str) -> frozenset[str]:
    """What may stand beside an amount in a currency: its code, and its signs with and without the country's letters."""
    known = {str(get_currency_symbol(currency, locale=locale)) for locale in ("en", "en_GB")}
    bare = {"".join(char for char in sign if unicodedata.category(char) == "Sc") for sign in known}
    return frozenset({currency, *known, *bare, *_OWN_SIGNS.get(currency, ())} - {""})


def parse_amount(
    text: str, currency: str, written: NumberFormat, *, field: str | None = None, signed: bool = True
) -> Decimal:
    """An amount as its reader writes it, in whole minor units of its currency, whose sign or code may stand beside it.

    `number_format` says what is read and what is refused: never another amount than the one that was meant. Below
    zero it may be written with a minus before or behind it, or in brackets, where `signed` lets it be. Raises Refused.
    """
    decimals = exponent(currency)
    try:
        return written.read(text, decimals, signed=signed, units=signs_of(currency))
    except Unreadable as error:
        raise Refused(_said(error, written, decimals, currency), field=field) from None


def parse_number(
    text: str, decimals: int, written: NumberFormat, *, field: str | None = None, signed: bool = False, unit: str = ""
) -> Decimal:
    """A number that is no amount: a percentage (`unit` is then `%`), a rate, a quantity. Raises Refused."""
    try:
        return written.read(text, decimals, signed=signed, units=(unit,) if unit else (), whole=15)
    except Unreadable as error:
        raise Refused(_said(error, written, decimals), field=field) from None


def write_amount(amount: Decimal, currency: str, written: NumberFormat) -> str:
    """An amount as a field shows it: read again it is the same, or is refused, where it is finer than its currency."""
    return written.write(amount, max(_fineness(amount), exponent(currency)))


def write_number(number: Decimal, written: NumberFormat) -> str:
    """A number as a field shows it, without groups: `1234.567` could not be taken for anything else."""
    return written.write(number, grouped=False)


def _said(error: Unreadable, written: NumberFormat, decimals: int, currency: str = "") -> str:
    """Why a text is not read, in a sentence for whoever typed it, with what it might be as they would write it."""
    return str(_sentence(error, written, decimals, currency))


def _sentence(error: Unreadable, written: NumberFormat, decimals: int, currency: str) -> Any:
    text = error.text.strip()[:40]
    if isinstance(error, Negative):
        return _("“%(text)s” is below zero, and this cannot be.", text=text)
    if isinstance(error, TooLarge):
        return _("“%(text)s” has more digits than any number here.", text=text)
    if isinstance(error, OtherUnit):
        if currency:
            return _("“%(text)s” is not in %(currency)s, and this amount is.", text=text, currency=currency)
        return _("“%(text)s” is not a plain number.", text=text)
    least = decimals if currency else 0
    readings = [written.write(number, max(_fineness(number), least)) for number in error.readings]
    if len(readings) == 2:
        one, other = readings
        return _("“%(text)s” can be read as %(one)s or as %(other)s; write the one that you mean.",
                 text=text, one=one, other=other)  # fmt: skip
    if error.decimals is not None:
        if not currency:
            return _("“%(text)s” has more than %(decimals)s decimals.", text=text, decimals=decimals)
        if not decimals:
            return _("%(currency)s has no decimals; “%(text)s” has some.", text=text, currency=currency)
        return _("%(currency)s has %(decimals)s decimals; “%(text)s” has more.",
                 text=text, currency=currency, decimals=decimals)  # fmt: skip
    if readings:
        like = written.write(Decimal("1234.56"))
        return _("“%(text)s” is not written like %(like)s; do you mean %(one)s?", text=text, like=like, one=readings[0])
    like = written.write(1234 if currency and not decimals else Decimal("1234.5"), decimals if currency else None,
                         grouped=bool(currency))  # fmt: skip
    if currency:
        return _("“%(text)s” is not an amount; write it like %(like)s.", text=text, like=like)
    return _("“%(text)s” is not a number; write it like %(like)s.", text=text, like=like)


def _fineness(number: Decimal) -> int:
    """How many decimals a number has, without noughts at its end."""
    return max(-int(number.normalize().as_tuple().exponent), 0) if number else 0
