"""The arithmetic of a bill: tax by line or by total, and spreading a changed total back over what it is made of."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from app.billing.models import InvoiceItem, InvoiceLine, LineKind, Rest, TaxMode, Treatment
from app.core.money import round_amount, split, unit
from app.firm.models import TaxTreatment

HUNDRED = Decimal(100)
ZERO = Decimal(0)


class Spread(enum.StrEnum):
    """How a changed total falls back onto the entries."""

    PRO_RATA = "pro_rata"
    OLDEST_FIRST = "oldest_first"
    NEWEST_FIRST = "newest_first"
    CHOSEN = "chosen"


@dataclass(frozen=True)
class TaxedLine:
    """What the tax of a line depends on."""

    net: Decimal
    treatment: TaxTreatment
    percent: Decimal


@dataclass(frozen=True)
class TaxSum:
    """One row of an invoice's tax summary."""

    treatment: TaxTreatment
    percent: Decimal
    net: Decimal
    tax: Decimal


def tax_lines(lines: Sequence[TaxedLine], mode: TaxMode, currency: str) -> list[Decimal]:
    """The tax of each line. By total, each rate's tax is rounded once and spread, so that the lines add up to it."""
    if mode is TaxMode.LINE:
        return [round_amount(line.net * line.percent / HUNDRED, currency) for line in lines]
    taxes = [ZERO] * len(lines)
    for key in dict.fromkeys((line.treatment, line.percent) for line in lines):
        members = [i for i, line in enumerate(lines) if (line.treatment, line.percent) == key]
        whole = round_amount(sum((lines[i].net for i in members), ZERO) * key[1] / HUNDRED, currency)
        weights = [abs(lines[i].net) for i in members]
        for i, part in zip(members, split(whole, weights, currency), strict=True):
            taxes[i] = part
    return taxes


def tax_summary(lines: Sequence[TaxedLine], taxes: Sequence[Decimal]) -> list[TaxSum]:
    """Net and tax per treatment and rate, highest rate first."""
    sums: dict[tuple[TaxTreatment, Decimal], tuple[Decimal, Decimal]] = {}
    for line, tax in zip(lines, taxes, strict=True):
        net, so_far = sums.get((line.treatment, line.percent), (ZERO, ZERO))
        sums[line.treatment, line.percent] = (net + line.net, so_far + tax)
    ordered = sorted(sums.items(), key=lambda item: (-item[0][1], item[0][0]))
    return [TaxSum(treatment, percent, net, tax) for (treatment, percent), (net, tax) in ordered]


def spread_total(
    total: Decimal, values: Sequence[tuple[dt.date, Decimal]], how: Spread, currency: str
) -> list[Decimal]:
    """Give each (date, value) its part of a total; the parts add up to it exactly.

    Pro rata goes by value. Oldest first fills entries up to their value from the oldest on, so that what is written
    down falls on the newest; newest first the other way round. Above the full value, the rest goes pro rata.
    """
    worth = [value for _, value in values]
    if how in (Spread.PRO_RATA, Spread.CHOSEN) or total > sum(worth, ZERO) or total < 0:
        return split(total, worth, currency)
    order = sorted(range(len(values)), key=lambda i: (values[i][0], i), reverse=how is Spread.NEWEST_FIRST)
    parts, left = [ZERO] * len(values), total
    for i in order:
        parts[i] = min(worth[i], left)
        left -= parts[i]
    return parts


def spread_signed(total: Decimal, amounts: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Spread a total by amounts of which some may be negative, as a rebate for one of two engagements is.

    By the largest remainder: the parts add up to the total, and the sum of the amounts gives back the amounts.
    """
    whole, step = sum(amounts, ZERO), unit(currency)
    if whole == 0:
        raise ValueError("There is nothing to spread over.")
    exact = [total * amount / whole / step for amount in amounts]
    parts = [value.to_integral_value(ROUND_FLOOR) for value in exact]
    order = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for i in order[: int(total / step - sum(parts))]:
        parts[i] += 1
    return [part * step for part in parts]


@dataclass(frozen=True)
class Share:
    """What a bill does with an entry: billed + carried = its open value + written (on +, off −)."""

    billed: Decimal
    written: Decimal
    carried: Decimal

    def give(self, row: InvoiceItem) -> None:
        row.billed, row.written, row.carried = self.billed, self.written, self.carried


def share_of(value: Decimal, billed: Decimal, rest: Rest) -> Share:
    """Bill so much of an entry; what is left of its value is written off or carried, more than its value written on."""
    carried = max(value - billed, ZERO) if rest is Rest.CARRY else ZERO
    return Share(billed, billed + carried - value, carried)


def treated(value: Decimal, treatment: Treatment) -> Share:
    """What a bill does with an entry as a whole."""
    return {
        Treatment.BILL: Share(value, ZERO, ZERO),
        Treatment.WRITE_OFF: Share(ZERO, -value, ZERO),
        Treatment.LATER: Share(ZERO, ZERO, value),
    }[treatment]


def needs_reason(lines: Sequence[InvoiceLine], rows: Sequence[InvoiceItem]) -> bool:
    """Whether somebody has to say why: an entry is written on or off, a fee is not billed as it was agreed.

    What the time under a fixed fee is worth beside it is the fee's own reason.
    """
    fixed = {line.id: line for line in lines if line.kind is LineKind.FIXED}
    return any(line.net != line.drawn for line in fixed.values()) or any(
        row.treatment is Treatment.WRITE_OFF or (row.written != 0 and row.line_id not in fixed) for row in rows
    )


def given_up(lines: Sequence[InvoiceLine], rows: Sequence[InvoiceItem]) -> Decimal:
    """What a bill gives up of fees, and of time that is not under a fee: what of it needs a reason, below zero."""
    fixed = {line.id: line for line in lines if line.kind is LineKind.FIXED}
    rebates = sum((max(line.drawn - line.net, ZERO) for line in fixed.values()), ZERO)
    written = (
        max(-row.written, ZERO) for row in rows if row.treatment is Treatment.WRITE_OFF or row.line_id not in fixed
    )
    return sum(written, rebates)
