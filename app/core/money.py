"""Amounts of money: Decimal with a currency, one rounding, one way to split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Self

from babel.numbers import get_currency_precision

from app.core.errors import Refused


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


def parse_amount(text: str, currency: str, *, field: str | None = None) -> Decimal:
    """An amount as people type it (`1,234.50`, `1.234,50`, `1 234`); raises Refused with a sentence."""
    cleaned = text.strip().replace("\u00a0", "").replace("\u202f", "").replace(" ", "").replace("'", "")
    if "," in cleaned and "." in cleaned:
        thousands = "," if cleaned.rfind(".") > cleaned.rfind(",") else "."
        cleaned = cleaned.replace(thousands, "")
    if cleaned.count(",") == 1 and len(cleaned) - cleaned.find(",") - 1 != 3:
        cleaned = cleaned.replace(",", ".")
    cleaned = cleaned.replace(",", "")
    digits = cleaned.removeprefix("-")
    if (
        not digits
        or len(digits) > 15
        or digits.count(".") > 1
        or not digits.replace(".", "").isascii()
        or not digits.replace(".", "").isdigit()
    ):
        raise Refused(f"“{text[:40]}” is not an amount; write it like 1,234.50.", field=field)
    amount = Decimal(cleaned)
    if amount != round_amount(amount, currency):
        raise Refused(f"{currency} has {exponent(currency)} decimals; “{text[:40]}” has more.", field=field)
    return amount
