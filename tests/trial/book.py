"""What each act should do to each figure, kept slowly and plainly: a book beside the product's own.

Amounts are fractions. Every movement is written into `journal` under the month that it must be posted in, so that two
sums can be compared: what should have been posted, and what was.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any
from uuid import UUID

from tests.trial.sums import ZERO, column_of, half_up

Key = tuple[Any, ...]
OPEN, HELD, DRAFTED, BILLED, WRITTEN_OFF = "open", "held", "drafted", "billed", "written_off"


@dataclass(frozen=True)
class Work:
    """An engagement as the book knows it."""

    id: UUID
    name: str
    client: UUID
    entity: UUID
    currency: str
    step: int = 6
    by_day: bool = False
    fee: Fraction | None = None
    job: UUID | None = None


@dataclass
class Write:
    """Written on, or off when below zero, by hand: how much, and where the item stood."""

    amount: Fraction
    work: Work
    day: dt.date

    @property
    def kind(self) -> str:
        return "written_off" if self.amount < 0 else "written_on"


@dataclass
class Item:
    """A time entry or an expense. `value` is at its recorded rate, whatever happens to it later."""

    id: UUID
    kind: str
    work: Work
    day: dt.date
    value: Fraction
    seconds: int = 0
    charged: int = 0
    rate: Fraction = ZERO
    job: UUID | None = None
    billable: bool = True
    written: Fraction = ZERO
    billed: Fraction = ZERO
    deleted: bool = False
    held: bool = False
    drafted: bool = False
    bills: dict[UUID, bool] = field(default_factory=dict)  # standing ones; whether the bill names it as billed
    writes: list[Write] = field(default_factory=list)
    taken_from: UUID | None = None
    rejoined: bool = False
    by_day: bool = False
    step: int = 6
    divided: bool = False

    @property
    def open(self) -> Fraction:
        return self.value + self.written - self.billed if self.billable and not self.deleted else ZERO

    @property
    def state(self) -> str:
        """It follows from the figures: done when nothing is open because it was billed or written off."""
        if self.drafted:
            return DRAFTED
        if self.billable and not self.deleted and not self.open:
            if self.billed or any(self.bills.values()):
                return BILLED
            if self.written < 0:
                return WRITTEN_OFF
        return HELD if self.held else OPEN

    @property
    def day_key(self) -> Key:
        return self.work.id, self.job, self.day, self.billable, self.step

    @property
    def keeps_charge(self) -> bool:
        """What is on a draft or bill, or was written on or off, is not charged anew because of others."""
        return self.is_locked or bool(self.written or self.billed)

    @property
    def is_locked(self) -> bool:
        return self.deleted or self.state in (DRAFTED, BILLED, WRITTEN_OFF)

    @property
    def is_fixed(self) -> bool:
        """What a standing bill took a part of stays what and where it is, too."""
        return self.is_locked or bool(self.bills and (self.billed or self.written))


@dataclass
class Row:
    """An item on a draft or bill."""

    item: Item
    line: UUID
    treatment: str
    value: Fraction
    billed: Fraction
    written: Fraction
    carried: Fraction


@dataclass
class Line:
    id: UUID
    kind: str
    work: UUID
    net: Fraction
    code: str
    supplied_on: dt.date
    percent: Fraction
    treatment: str
    tax: Fraction = ZERO
    drawn: Fraction = ZERO
    rest: str = "write_off"


@dataclass
class Bill:
    """A draft, then a bill."""

    id: UUID
    client: UUID
    payer: UUID
    entity: UUID
    currency: str
    by_total: bool = False
    taxed_on: dt.date = dt.date.min
    lines: dict[UUID, Line] = field(default_factory=dict)
    rows: dict[UUID, Row] = field(default_factory=dict)
    number: str = ""
    issued_on: dt.date | None = None
    due_on: dt.date | None = None
    terms: int = 14
    asked: bool = False
    reason: str = ""
    void: bool = False
    gross: Fraction = ZERO
    paid: dict[UUID, Fraction] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    wip_moves: list[tuple[Item, str, Fraction]] = field(default_factory=list)

    @property
    def open(self) -> Fraction:
        return ZERO if self.void or not self.number else self.gross - sum(self.paid.values(), ZERO)

    def tax_by_rate(self) -> dict[tuple[str, Fraction], Fraction]:
        sums: dict[tuple[str, Fraction], Fraction] = defaultdict(lambda: ZERO)
        if self.by_total:
            nets: dict[tuple[str, Fraction], Fraction] = defaultdict(lambda: ZERO)
            for line in self.lines.values():
                nets[line.treatment, line.percent] += line.net
            return {key: half_up(net * key[1] / 100, self.currency) for key, net in nets.items()}
        for line in self.lines.values():
            sums[line.treatment, line.percent] += half_up(line.net * line.percent / 100, self.currency)
        return sums


@dataclass(eq=False)
class Put:
    """Money that was put on a bill in one go."""

    bill: Bill
    amount: Fraction


@dataclass
class Money:
    """A payment."""

    id: UUID
    payer: UUID
    entity: UUID
    currency: str
    received_on: dt.date
    amount: Fraction
    reversed: bool = False
    puts: list[Put] = field(default_factory=list)

    @property
    def parts(self) -> dict[UUID, Fraction]:
        sums: dict[UUID, Fraction] = defaultdict(lambda: ZERO)
        for put in self.puts:
            sums[put.bill.id] += put.amount
        return sums

    @property
    def left(self) -> Fraction:
        return ZERO if self.reversed else self.amount - sum(self.parts.values(), ZERO)


Aged = dict[tuple[UUID, str, dt.date], Fraction]


class Book:
    """All of it, and what was posted for it."""

    def __init__(self, today: dt.date) -> None:
        self.today = today
        self.items: dict[UUID, Item] = {}
        self.bills: dict[UUID, Bill] = {}
        self.payments: dict[UUID, Money] = {}
        self.credit_notes: list[tuple[UUID, str]] = []
        self.closed: dict[UUID, dt.date] = {}
        self.journal: dict[Key, Fraction] = defaultdict(lambda: ZERO)
        self.numbers: dict[tuple[UUID, str], list[str]] = defaultdict(list)
        self.latest: dict[tuple[UUID, str], dt.date] = {}

    # Where a movement is posted.

    def posted(self, day: dt.date, entity: UUID) -> dt.date:
        """On its day, or on the first that is still open."""
        through = self.closed.get(entity)
        return day if through is None or day > through else through + dt.timedelta(days=1)

    def move(
        self, kind: str, item: Item, amount: Fraction, day: dt.date, work: Work | None = None,
        aged_on: dt.date | None = None,
    ) -> None:  # fmt: skip
        """WIP and its memo contra, as old as the work unless it stood on another day."""
        work = work or item.work
        posted, aged_on = self.posted(day, work.entity), aged_on or item.day
        key = kind, posted, work.currency, work.client, work.id, item.id, work.entity, aged_on
        self.journal["wip", *key] += amount
        self.journal["wip_memo", *key] -= amount

    def reposition(self, kind: str, item: Item, was: tuple[Work, dt.date, Fraction]) -> None:
        """An item stood elsewhere, on another day or at another value before."""
        work, day, amount = was
        self.move(kind, item, -amount, day, work, day)
        self.move(kind, item, item.open, item.day)

    def money(
        self,
        account: str,
        amount: Fraction,
        day: dt.date,
        entity: UUID,
        currency: str,
        client: UUID,
        bill: UUID | None = None,
        payment: UUID | None = None,
    ) -> None:
        aged_on = self.bills[bill].due_on if account == "receivable" and bill else None
        if account == "credit" and payment:
            aged_on = self.payments[payment].received_on
        self.journal[account, self.posted(day, entity), currency, client, bill, payment, aged_on] += amount

    def write(self, item: Item, amount: Fraction) -> None:
        """Write on, or off when below zero, by hand: always today."""
        if amount:
            written = Write(amount, item.work, item.day)
            item.writes.append(written)
            self.move(written.kind, item, amount, self.today)

    def unwrite(self, item: Item, written: Write) -> None:
        """Reverse it where it was written; an item that has moved since takes the amount along."""
        self.move(written.kind, item, -written.amount, self.today, written.work, written.day)
        if (written.work, written.day) != (item.work, item.day):
            kind = "transferred" if written.work is not item.work else "repriced"
            self.move(kind, item, written.amount, self.today, written.work, written.day)
            self.move(kind, item, -written.amount, self.today)
        item.writes.remove(written)

    # Sets of time rounded as one.

    def day_sets(self) -> dict[Key, list[Item]]:
        """The live time of a day on a job that is rounded together; time that is not billable by itself."""
        sets: dict[Key, list[Item]] = defaultdict(list)
        for item in self.items.values():
            if item.by_day and not item.deleted:
                sets[item.day_key].append(item)
        return sets

    # Fixed fees.

    def fee_left(self, work: Work) -> Fraction:
        """Of a fixed fee, what no draft and no standing bill has."""
        drawn = sum(
            (
                line.drawn
                for bill in self.bills.values()
                if not bill.void
                for line in bill.lines.values()
                if line.kind == "fixed" and line.work == work.id
            ),
            ZERO,
        )
        return (work.fee or ZERO) - drawn

    def billable_now(self, work_ids: Iterable[UUID], until: dt.date, fees_of: Iterable[UUID] = ()) -> dict[UUID, Item]:
        """What a draft takes. Time under a fee that is taken whole stays, unless the draft has that fee."""
        wanted, own = set(work_ids), set(fees_of)
        return {
            item.id: item
            for item in self.items.values()
            if item.work.id in wanted
            and item.state == OPEN
            and item.billable
            and not item.deleted
            and item.day <= until
            and not (
                item.kind == "time_entry" and item.work.fee and item.work.id not in own and not self.fee_left(item.work)
            )
        }

    # Bills.

    def issue(self, bill: Bill, day: dt.date, number: str) -> None:
        bill.number, bill.issued_on, bill.due_on = number, day, day + dt.timedelta(days=bill.terms)
        self.numbers[bill.entity, "invoice"].append(number)
        self.latest[bill.entity, "invoice"] = day
        for row in bill.rows.values():
            row.item.drafted = row.item.drafted and row.treatment == "later"
        bill.rows = {
            key: row for key, row in bill.rows.items()
            if row.treatment != "later" and not (row.carried and not row.billed)
        }  # fmt: skip
        for row in bill.rows.values():
            row.item.written += row.written
            row.item.billed += row.billed
            row.item.bills[bill.id] = row.treatment == "bill" or not row.written
            kind = "written_off" if row.written < 0 else "written_on"
            for its, amount in ((kind, row.written), ("billed", -row.billed)):
                if amount:
                    self.move(its, row.item, amount, day)
                    bill.wip_moves.append((row.item, its, amount))
        net = sum((line.net for line in bill.lines.values()), ZERO)
        tax = sum((line.tax for line in bill.lines.values()), ZERO)
        bill.gross = net + tax
        self.money("receivable", bill.gross, day, bill.entity, bill.currency, bill.payer, bill.id)
        for line in bill.lines.values():
            account = "recovered" if line.kind == "expense" else "revenue"
            self.money(account, -line.net, day, bill.entity, bill.currency, bill.client, bill.id)
            self.money("tax", -line.tax, day, bill.entity, bill.currency, bill.client, bill.id)

    def credit(self, bill: Bill, note: UUID, number: str) -> None:
        """Every movement of the bill, the other way round and today; what was paid on it is credit again."""
        for payment_id in [key for key, part in bill.paid.items() if part]:
            self.release_all(self.payments[payment_id], bill)
        for item, kind, amount in bill.wip_moves:
            self.move(kind, item, -amount, self.today)
            if kind == "billed":
                item.billed += amount
            else:
                item.written -= amount
        day = self.today
        self.money("receivable", -bill.gross, day, bill.entity, bill.currency, bill.payer, bill.id)
        for line in bill.lines.values():
            account = "recovered" if line.kind == "expense" else "revenue"
            self.money(account, line.net, day, bill.entity, bill.currency, bill.client, bill.id)
            self.money("tax", line.tax, day, bill.entity, bill.currency, bill.client, bill.id)
        for row in bill.rows.values():
            del row.item.bills[bill.id]
            self.give_back(row)
        bill.void = True
        self.credit_notes.append((note, number))
        self.numbers[bill.entity, "credit_note"].append(number)
        self.latest[bill.entity, "credit_note"] = day

    def give_back(self, row: Row) -> None:
        """An entry whose rest is on a draft meanwhile stays there; what comes back is left for later by that draft."""
        back = row.billed - row.written
        for draft in self.bills.values():
            its = draft.rows.get(row.item.id)
            if its is None or draft.number or its.treatment == "later":
                continue
            its.value += back
            if its.billed:
                its.carried += back
            else:
                its.treatment, its.written, its.carried, row.item.drafted = "later", ZERO, its.value, False

    def forget(self, item: Item) -> None:
        """What was left for later is not remembered by its draft once it stands elsewhere."""
        for bill in self.bills.values():
            if item.id in bill.rows and bill.rows[item.id].treatment == "later":
                del bill.rows[item.id]

    # Money.

    def receive(self, payment: Money) -> None:
        self.payments[payment.id] = payment
        day, key = payment.received_on, (payment.entity, payment.currency, payment.payer, None, payment.id)
        self.money("bank", payment.amount, day, *key)
        self.money("credit", -payment.amount, day, *key)

    def owed_by(self, payer: UUID, currency: str, entity: UUID) -> list[Bill]:
        """Open bills, the one due first in front."""
        mine = [
            b
            for b in self.bills.values()
            if (b.payer, b.currency, b.entity) == (payer, currency, entity) and b.open > 0
        ]
        return sorted(mine, key=lambda b: (b.due_on or dt.date.max, b.number))

    def oldest_first(self, payment: Money, left: Fraction) -> list[tuple[Bill, Fraction]]:
        found = []
        for bill in self.owed_by(payment.payer, payment.currency, payment.entity):
            part = min(bill.open, left)
            if part > 0:
                found.append((bill, part))
                left -= part
        return found

    def allocate(self, payment: Money, bill: Bill, part: Fraction, day: dt.date) -> None:
        """Not before the bill was issued."""
        day = max(day, bill.issued_on or day)
        key = (payment.entity, payment.currency, payment.payer, bill.id, payment.id)
        self.money("credit", part, day, *key)
        self.money("receivable", -part, day, *key)
        payment.puts.append(Put(bill, part))
        bill.paid[payment.id] += part

    def release(self, payment: Money, put: Put) -> None:
        """Off the bill again: today, whenever it was put there."""
        payment.puts.remove(put)
        put.bill.paid[payment.id] -= put.amount
        key = (payment.entity, payment.currency, payment.payer, put.bill.id, payment.id)
        self.money("credit", -put.amount, self.today, *key)
        self.money("receivable", put.amount, self.today, *key)

    def release_all(self, payment: Money, bill: Bill | None = None) -> None:
        for put in [each for each in payment.puts if bill in (None, each.bill)]:
            self.release(payment, put)

    def bounce(self, payment: Money) -> None:
        self.release_all(payment)
        key = (payment.entity, payment.currency, payment.payer, None, payment.id)
        self.money("bank", -payment.amount, self.today, *key)
        self.money("credit", payment.amount, self.today, *key)
        payment.reversed = True

    # How old it is.

    def wip_now(self) -> Aged:
        """By client, currency and day of the work: what is open."""
        found: Aged = defaultdict(lambda: ZERO)
        for item in self.items.values():
            found[item.work.client, item.work.currency, item.day] += item.open
        return found

    def owed_now(self) -> Aged:
        """By payer, currency and day due: what is owed."""
        found: Aged = defaultdict(lambda: ZERO)
        for bill in self.bills.values():
            if bill.open:
                assert bill.due_on is not None
                found[bill.payer, bill.currency, bill.due_on] += bill.open
        return found

    def stood(self, account: str, on: dt.date) -> Aged:
        """The same of a past day: by what was posted until it ended."""
        found: Aged = defaultdict(lambda: ZERO)
        for key, amount in self.journal.items():
            if key[0] == account:
                posted, currency, client = key[2:5] if account == "wip" else key[1:4]
                if posted <= on:
                    found[client, currency, key[-1]] += amount
        return found


def by_age(aged: Aged, on: dt.date, *, may_be_young: bool) -> dict[tuple[UUID, str], list[Fraction]]:
    """The columns of an ageing for each client and currency; where it may be, what is not due yet comes first."""
    found: dict[tuple[UUID, str], list[Fraction]] = {}
    for (client, currency, day), amount in aged.items():
        column = column_of((on - day).days if may_be_young else max((on - day).days, 0))
        columns = found.setdefault((client, currency), [ZERO] * (6 if may_be_young else 5))
        columns[column + may_be_young] += amount
    return {key: columns for key, columns in found.items() if sum(columns, ZERO)}
