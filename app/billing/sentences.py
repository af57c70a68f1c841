"""How what happened to WIP, bills and payments reads in a timeline."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import url_for

from app.activity.sentences import place, sentence
from app.core.wording import amount, day

Data = Any


def _money(data: Data, key: str = "amount") -> str:
    currency = str(data.get("currency") or "")
    return f"{amount(Decimal(data[key]), currency)} {currency}".strip()


def _day(data: Data, key: str) -> str:
    return day(dt.date.fromisoformat(data[key]))


def _because(data: Data) -> str:
    return f": {data['reason']}" if data.get("reason") else ""


def _on(data: Data) -> str:
    numbers = [str(number) for number in data.get("invoices") or []]
    return f", on {', '.join(numbers)}" if numbers else ""


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def _treated(data: Data) -> str:
    words = {"bill": "billed", "write_off": "written off", "later": "left for later"}
    if data["treatment"] == "bill" and "billed" in data and Decimal(data["billed"]) != Decimal(data["value"]):
        return f"set {_money(data, 'billed')} of an entry worth {_money(data, 'value')} to be billed{_rest(data)}"
    return f"set an entry of the draft to be {words.get(data['treatment'], 'billed')}"


def _rest(data: Data) -> str:
    """What becomes of what is not billed: “, 40.00 GBP left for later, 30.00 GBP written off”."""
    written = Decimal(data.get("written") or 0)
    parts = [f"{_money(data, 'carried')} left for later"] if Decimal(data.get("carried") or 0) else []
    if written:
        parts.append(f"{_money(data | {'written': abs(written)}, 'written')} written {'off' if written < 0 else 'on'}")
    parts += [f"{_money(data, 'rebate')} of the fee given up"] if Decimal(data.get("rebate") or 0) else []
    return "".join(f", {part}" for part in parts)


def _line(data: Data) -> str:
    before, after = data["before"], data["after"]
    if before["net"] == after["net"]:
        return f"changed the line “{after['description'][:60]}”"
    currency = data.get("currency", "")
    old, new = (amount(Decimal(each["net"]), currency) for each in (before, after))
    said = f"changed “{after['description'][:60]}” from {old} to {new}"
    if Decimal(after.get("drawn") or 0) > Decimal(after["net"]):
        given_up = Decimal(after["drawn"]) - Decimal(after["net"])
        return f"{said}, a rebate of {amount(given_up, currency)} on the fee"
    return f"{said}, the rest to come on a later bill" if after.get("rest") == "carry" else said


WORDS: dict[str, tuple[str, Callable[[Data], str]]] = {
    "billing.wip.hold": ("waiting", lambda d: f"held {_money(d)} back{_because(d)}"),
    "billing.wip.release": ("undo", lambda d: f"released {_money(d)}"),
    "billing.wip.transfer": ("transfer", lambda d: f"transferred {_money(d)} here{_because(d)}"),
    "billing.wip.write_off": ("down", lambda d: f"wrote {_money(d)} off{_because(d)}"),
    "billing.wip.write_on": ("up", lambda d: f"wrote {_money(d)} on{_because(d)}"),
    "billing.wip.take_back": (
        "undo",
        lambda d: f"took back {_money(d)} written {'off' if d.get('off', True) else 'on'}{_because(d)}",
    ),
    "billing.books.repair": ("settings", lambda d: f"put its books right: {d['found']}"),
    "billing.invoice.draft": ("billing", lambda d: f"drafted a bill over {_money(d, 'net')} net"),
    "billing.invoice.change_line": ("edit", _line),
    "billing.invoice.add_line": ("plus", lambda d: f"added a line over {_money(d, 'net')}"),
    "billing.invoice.remove_line": ("trash", lambda d: "removed a line of the draft"),
    "billing.invoice.treat_item": ("edit", _treated),
    "billing.invoice.add_items": ("plus", lambda d: f"added {_entries(int(d['items']))} to the draft"),
    "billing.invoice.adjust": (
        "percent",
        lambda d: f"changed the net from {_money(d, 'before')} to {_money(d, 'after')}{_rest(d)}{_because(d)}",
    ),
    "billing.invoice.regroup": ("list", lambda d: f"made the lines of the draft anew, one per {d['grouping']}"),
    "billing.invoice.change_payer": ("edit", lambda d: f"let {d['payer']} pay the bill in place of {d['before']}"),
    "billing.invoice.change_terms": ("edit", lambda d: "changed the terms of the draft"),
    "billing.invoice.submit": ("review", lambda d: f"submitted a bill over {_money(d, 'net')} for approval"),
    "billing.invoice.return": ("undo", lambda d: f"sent the draft back{_because(d)}"),
    "billing.invoice.discard": ("trash", lambda d: f"took a draft over {_money(d, 'net')} apart"),
    "billing.pdf.fail": ("alert", lambda d: f"could not make the PDF of {d['number']}"),
    "billing.invoice.retax": ("tax", lambda d: f"refused: the tax changed, the draft is over {_money(d, 'gross')} now"),
    "billing.invoice.approve": ("check", lambda d: f"issued {d['number']} over {_money(d, 'gross')}"),
    "billing.invoice.send": (
        "send",
        lambda d: f"sent {d['number']}" + (f" to {', '.join(d['to'])}" if d.get("to") else ""),
    ),
    "billing.invoice.credit": ("undo", lambda d: f"credited {d['number']} by {d['note']}{_because(d)}"),
    "billing.invoice.change_due_date": (
        "calendar",
        lambda d: f"let {d['number']} be due on {_day(d, 'after')} instead of {_day(d, 'before')}{_because(d)}",
    ),
    "billing.payment.record": ("bank", lambda d: f"recorded a payment of {_money(d)}{_on(d)}"),
    "billing.payment.allocate": ("bank", lambda d: f"put {_money(d)} of credit to use{_on(d)}"),
    "billing.payment.unallocate": (
        "undo", lambda d: f"took {_money(d)} off {', '.join(map(str, d['invoices']))} again{_because(d)}"
    ),
    "billing.payment.reverse": ("undo", lambda d: f"reversed a payment of {_money(d)}{_because(d)}"),
    "billing.statement.send": (
        "send",
        lambda d: f"sent a statement up to {day(dt.date.fromisoformat(d['end']))} to {', '.join(d['to'])}",
    ),
    "ledger.period.close": (
        "lock",
        lambda d: f"closed the books of {dt.date.fromisoformat(d['month']).strftime('%B %Y')}",
    ),
    "ledger.postings.redated": (
        "history",
        lambda d: f"gave {d['postings']:,} postings their entity and day of age; they said {d['sha256']} before",
    ),
    "ledger.rate.add": ("money", lambda d: f"set 1 {d['currency']} to {d['rate']} {d['base']}"),
    "ledger.rate.withdraw": ("undo", lambda d: f"withdrew the rate of 1 {d['currency']} at {d['rate']} {d['base']}"),
    "ledger.rate.import": (
        "download", lambda d: f"took {d['added']} exchange rate{'' if d['added'] == 1 else 's'} from {d['name']}"
    ),
}

for _kind, (_icon, _say) in WORDS.items():
    sentence(_kind, icon=_icon)(_say)


@place("invoice")
def _invoice_place(subject_id: UUID) -> str:
    return url_for("invoices.show", invoice_id=subject_id)


@place("payment")
def _payment_place(subject_id: UUID) -> str:
    return url_for("payments.show", payment_id=subject_id)


@sentence("billing.pdf.kept")
def pdf_kept(data: Data) -> str:
    return f"kept the PDF of {data['number']}"
