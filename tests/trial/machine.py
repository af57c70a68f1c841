"""Every movement of money in any order, and a book kept beside it: after each step the two agree."""

from __future__ import annotations

import datetime as dt
import inspect
import sys
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.approvals.commands import Outdated
from app.billing.amounts import Spread
from app.billing.commands.adding import add_new_items
from app.billing.commands.adjust import adjust_total
from app.billing.commands.credit import credit_invoice
from app.billing.commands.drafts import (
    DraftFacts,
    create_draft,
    discard_draft,
    return_to_draft,
    submit_for_approval,
)
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import (
    DraftTerms,
    LineChange,
    add_line,
    change_line,
    change_terms,
    remove_line,
    treat_item,
)
from app.billing.commands.payments import PaymentFacts, allocate_payment, record_payment
from app.billing.commands.settling import reverse_payment, unallocate
from app.billing.commands.wip import (
    hold_items,
    release_items,
    take_back,
    transfer_items,
    write_off_items,
    write_on_items,
)
from app.billing.models import Allocation, Invoice, InvoiceState, Payment, Rest, TaxMode, Treatment
from app.billing.queries.payments import receivables_by_client
from app.billing.queries.statements import statement_of
from app.billing.queries.wip import WipFilter, wip_by_client
from app.core import clock
from app.core.db import db
from app.core.errors import FirmamentError, NotFound, Refused
from app.core.ids import new_id
from app.core.proofs import run_proofs
from app.firm.models import Grouping
from app.ledger.commands import close_period, gather_account_balances
from app.ledger.rates import ExchangeRateFacts, add_exchange_rate
from app.timekeeping.commands.entries import EntryFacts, delete_entry, edit_entry, record_entry, restore_entry
from app.timekeeping.commands.expenses import ExpenseFacts, delete_expense, record_expense, restore_expense
from app.timekeeping.commands.splits import rejoin_entry, split_entry
from app.timekeeping.models import Expense, TimeEntry
from tests.trial import figures
from tests.trial.book import BILLED, DRAFTED, OPEN, Bill, Book, Item, Line, Money, Row, Work, Write, by_age
from tests.trial.checks import broken
from tests.trial.figures import OTHERS, WIP, Figures, fraction
from tests.trial.sums import ZERO, charged_seconds, half_up, is_spread, last_of_month, month, smallest, worth
from tests.trial.world import START, World

ROOMS = ("ledger.", "billing.", "timekeeping.")
SOME = st.integers(0, 40)
DAYS = st.integers(0, 75)
MINUTES = st.integers(1, 400)
PERCENTS = st.integers(1, 100)
CURRENCIES = st.sampled_from(("GBP", "GBP", "JPY", "KWD"))
GROUPINGS = st.sampled_from(list(Grouping))


class Broken(AssertionError):
    """The product and the book disagree."""


def must(holds: object, *said: Any) -> None:
    if not holds:
        raise Broken(" ".join(str(word) for word in said))


class Machine(RuleBasedStateMachine):
    """One firm, from a clean start. `world` is set by whoever runs it."""

    world: World
    undo: Callable[[], None]
    done: Counter[str] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.travel = clock.travel_to(START)
        self.travel.__enter__()
        self.undo = self.world.begin()
        self.book = Book(clock.today())
        self.hashes: dict[UUID, tuple[dt.date, str]] = {}
        self.steps, self.sound = 0, False

    def teardown(self) -> None:
        try:
            if self.sound:  # else the failure is told already
                self.prove()
        finally:
            self.undo()
            self.travel.__exit__(None, None, None)

    # How an act is tried.

    def tried(self, act: Callable[[], Any], *, refused: bool | None = None, because: str = "") -> Any:
        """Do it; None when it was refused. `refused` says whether it must be, None leaves it to the product; `because`
        says what is wrong if it was not."""
        self.sound = False
        try:
            done = act()
        except FirmamentError as refusal:
            must(refused is not False, "was refused:", refusal)
            event("refused")
            return None
        must(refused is not True, because or "was not refused")
        self.done[sys._getframe(1).f_code.co_name.lstrip("_")] += 1
        return True if done is None else done

    def day(self, ago: int) -> dt.date:
        return self.book.today - dt.timedelta(days=ago)

    def item(self, n: int, kind: str = "") -> Item | None:
        items = [item for item in self.book.items.values() if not kind or item.kind == kind]
        return items[n % len(items)] if items else None

    def row_of(self, item: Item) -> Any:
        return db.session.get_one(TimeEntry if item.kind == "time_entry" else Expense, item.id)

    def drafts(self) -> list[Bill]:
        return [bill for bill in self.book.bills.values() if not bill.number]

    def draft_at(self, n: int) -> Bill:
        drafts = self.drafts()
        return drafts[n % len(drafts)]

    def invoice(self, bill: Bill) -> Invoice:
        return db.session.get_one(Invoice, bill.id)

    # Time and expenses.

    def _record(self, place: int, ago: int, minutes: int, on_job: bool, billable: bool = True) -> None:
        work = self.world.works[place % len(self.world.works)]
        day, job = self.day(ago), work.job if on_job else None
        seconds, id_ = minutes * 60, new_id()
        facts = EntryFacts(
            engagement_id=work.id, job_id=job, worked_on=day, recorded=dt.timedelta(seconds=seconds),
            narrative="Work", billable=billable,
        )  # fmt: skip
        self.tried(lambda: record_entry(id_, facts, by=self.world.bea), refused=False)
        item = Item(
            id_, "time_entry", work, day, ZERO, seconds, job=job, billable=billable, by_day=work.by_day,
            step=work.step, rate=self.world.rate(work.currency, day),
        )  # fmt: skip
        self.book.items[id_] = item
        self.settle(item, "recorded")

    @initialize(
        many=st.lists(st.tuples(SOME, DAYS, MINUTES, st.booleans()), min_size=4, max_size=7),
        so_far=st.integers(0, 4),
        client=st.booleans(),
        currency=CURRENCIES,
    )
    def begin(self, many: list[tuple[int, int, int, bool]], so_far: int, client: bool, currency: str) -> None:
        """Some work, and perhaps a draft of it, a bill, a payment: so that histories also begin far along."""
        for place, ago, minutes, on_job in many:
            self._record(place, ago, minutes, on_job)
        if so_far:
            self.bill(client, currency, so_far, Grouping.ENGAGEMENT, so_far)

    @rule(
        client=st.booleans(), currency=CURRENCIES, until=st.integers(0, 9), grouping=GROUPINGS, so_far=st.integers(1, 4)
    )
    def bill(self, client: bool, currency: str, until: int, grouping: Grouping, so_far: int) -> None:
        """Draft, issue and be paid in one step."""
        known = set(self.book.bills)
        self.draft(client, currency, until, grouping, so_far == 3, True)
        made = [bill for key, bill in self.book.bills.items() if key not in known]
        if not made or so_far < 2:
            return
        self.approve(self.drafts().index(made[0]), 0, True)
        if made[0].number and so_far > 2:
            units = int(made[0].open / smallest(made[0].currency)) * (so_far - 2) // 2 + until
            self._pay(made[0].payer, made[0].entity, units, made[0].currency, 0, 0, "auto")

    @rule(place=SOME, ago=DAYS, minutes=MINUTES, on_job=st.booleans(), billable=st.booleans())
    def record(self, place: int, ago: int, minutes: int, on_job: bool, billable: bool) -> None:
        self._record(place, ago, minutes, on_job, billable or minutes % 3 > 0)

    @rule(place=SOME, ago=st.integers(0, 9), minutes=st.lists(st.integers(1, 25), min_size=2, max_size=3))
    def record_a_few(self, place: int, ago: int, minutes: list[int]) -> None:
        """Short pieces of one day, where a day's time may be rounded as one."""
        by_day = [n for n, work in enumerate(self.world.works) if work.by_day]
        for each in minutes:
            self._record(by_day[place % len(by_day)], ago, each, True)

    def settle(self, item: Item, kind: str, was: tuple[Work, dt.date, Fraction] | None = None) -> None:
        """Charge and value an entry anew, and with it the days that are rounded as one."""
        found = figures.read_items()[item.id]
        item.charged = int(found.charged) if item.by_day else charged_seconds(item.seconds, item.step)
        item.value = worth(item.charged, item.rate, item.work.currency)
        self.book.reposition(kind, item, was or (item.work, item.day, ZERO))
        self.settle_days(item)

    def settle_days(self, *acted: Item) -> None:
        """Where an entry came or went, the others of its day may be charged anew; each check asks what they come to."""
        found = figures.read_items()
        for each in self.book.items.values():
            charged = int(found[each.id].charged)
            if each in acted or not each.by_day or each.deleted or charged == each.charged:
                continue
            must(not each.keeps_charge, "time that stays was charged anew", each.id)
            before = each.work, each.day, each.open
            each.charged, each.value = charged, worth(charged, each.rate, each.work.currency)
            self.book.reposition("repriced", each, before)

    @rule(place=SOME, ago=DAYS, net=st.integers(1, 90_000), mark_up=st.sampled_from((0, 0, 10, 33)))
    def spend(self, place: int, ago: int, net: int, mark_up: int) -> None:
        work = self.world.works[place % len(self.world.works)]
        amount, id_ = net * smallest(work.currency), new_id()
        facts = ExpenseFacts(
            engagement_id=work.id, spent_on=self.day(ago), net=decimal(amount), mark_up_percent=Decimal(mark_up),
            narrative="Fares",
        )  # fmt: skip
        self.tried(lambda: record_expense(id_, facts, by=self.world.bea), refused=False)
        value = half_up(amount * (100 + mark_up) / 100, work.currency)
        item = Item(id_, "expense", work, self.day(ago), value)
        self.book.items[id_] = item
        self.book.move("recorded", item, item.open, item.day)

    @precondition(lambda self: self.book.items)
    @rule(n=SOME, place=SOME, ago=DAYS, minutes=MINUTES, what=st.sampled_from(("time", "day", "billable", "place")))
    def edit(self, n: int, place: int, ago: int, minutes: int, what: str) -> None:
        item = self.item(n, "time_entry")
        if item is None:
            return
        work = self.world.works[place % len(self.world.works)] if what == "place" else item.work
        day = self.day(ago) if what == "day" else item.day
        seconds = minutes * 60 if what == "time" else item.seconds
        billable = not item.billable if what == "billable" else item.billable
        job = item.job if work is item.work else None
        facts = EntryFacts(
            engagement_id=work.id, job_id=job, worked_on=day, recorded=dt.timedelta(seconds=seconds),
            narrative="Work again", billable=billable,
        )  # fmt: skip
        entry = self.row_of(item)
        refused = item.is_fixed or bool(work.currency != item.work.currency and (item.written or item.billed))
        because = "an amount written off followed into another currency" if refused and not item.is_fixed else ""
        if not refused and billable and item.written:
            same_time = seconds == item.seconds and work is item.work
            kept = item.charged if same_time else charged_seconds(seconds, work.step)
            value = worth(kept, self.world.rate(work.currency, day), work.currency)
            refused = None if work.by_day or abs(value + item.written) <= 1 else value + item.written < 0
            because = "time is worth less than was written off of it"
        if self.tried(lambda: edit_entry(entry, facts, by=self.world.bea), refused=refused, because=because) is None:
            return
        was, key = (item.work, item.day, item.open), item.day_key
        moved = work is not item.work
        retimed, repriced = (work, seconds) != (item.work, item.seconds), (work, day) != (item.work, item.day)
        if moved:
            item.step, item.by_day = work.step, work.by_day
            self.book.forget(item)
        if repriced:
            item.rate = self.world.rate(work.currency, day)
        item.work, item.day, item.seconds, item.billable, item.job = work, day, seconds, billable, job
        if retimed:
            item.divided = False
        if retimed or (item.by_day and item.day_key != key):
            self.settle(item, "transferred" if moved else "repriced", was)
            return
        if repriced:
            item.value = worth(item.charged, item.rate, work.currency)
        elif billable:  # a part of a divided entry has its share, which may be a unit away from its time at its rate
            value = fraction(figures.read_items()[item.id].value)
            must(value in (item.value, worth(item.charged, item.rate, work.currency)), "a value changed by itself")
            item.value = value
        self.book.reposition("repriced", item, was)
        self.settle_days(item)

    @precondition(lambda self: self.book.items)
    @rule(n=SOME, percent=st.integers(30, 100), share=st.integers(5, 90))
    def write_off_and_edit(self, n: int, percent: int, share: int) -> None:
        """Much of an entry is written off; then it is edited to a part of its time, and back."""
        items = [each for each in self.book.items.values() if each.kind == "time_entry" and each.open > 0]
        if not items:
            return
        item = items[n % len(items)]
        place, before = list(self.book.items).index(item.id), item.seconds // 60
        self.write(place, place, percent, False, False)
        times = [each.id for each in self.book.items.values() if each.kind == "time_entry"]
        for minutes in (max(before * share // 100, 1), before):
            self.edit(times.index(item.id), 0, 0, minutes, "time")

    @precondition(lambda self: self.book.items)
    @rule(n=SOME, percent=st.integers(30, 90), place=SOME)
    def write_off_and_move(self, n: int, percent: int, place: int) -> None:
        """A part of an entry is written off; then it is moved to where another currency is."""
        items = [each for each in self.book.items.values() if each.kind == "time_entry" and each.state == OPEN]
        if not items:
            return
        item = items[n % len(items)]
        works = [work for work in self.world.works if work.currency != item.work.currency]
        at = list(self.book.items).index(item.id)
        self.write(at, at, percent, False, False)
        times = [each.id for each in self.book.items.values() if each.kind == "time_entry"]
        self.edit(times.index(item.id), self.world.works.index(works[place % len(works)]), 0, 0, "place")

    @precondition(lambda self: self.book.items)
    @rule(n=SOME, share=st.integers(1, 99))
    def split(self, n: int, share: int) -> None:
        item = self.item(n, "time_entry")
        if item is None:
            return
        taken, id_, entry = item.seconds * share // 100, new_id(), self.row_of(item)
        refused = item.is_fixed or not 0 < taken < item.seconds
        act = lambda: split_entry(entry, id_, dt.timedelta(seconds=taken), by=self.world.bea)  # noqa: E731
        if self.tried(act, refused=refused) is None:
            return
        found, currency = figures.read_items(), item.work.currency
        ratio, open_before = Fraction(taken, item.seconds), item.open
        part = Item(
            id_, "time_entry", item.work, item.day, fraction(found[id_].value), taken, int(found[id_].charged),
            item.rate, item.job, item.billable, held=item.held, by_day=item.by_day, step=item.step, divided=True,
            taken_from=item.id,
        )  # fmt: skip
        if item.billable:
            must(abs(part.value - item.value * ratio) <= smallest(currency), "a part of an entry is not its share")
        else:
            part.value = half_up(item.value * ratio, currency)
        must(abs(part.charged - item.charged * ratio) <= 1, "what is charged of a part is not its share")
        self.book.items[id_] = part
        item.value, item.charged, item.seconds = (
            item.value - part.value,
            item.charged - part.charged,
            item.seconds - taken,
        )
        item.divided, whole, given = True, ZERO, ZERO
        for written in list(item.writes):  # each is divided, and all of them together too
            whole += written.amount
            share = half_up(whole * ratio, currency) - given
            given += share
            self.book.unwrite(item, written)
            self.book.write(item, written.amount - share)
            self.book.write(part, share)
        item.written, part.written = item.written - given, given
        self.book.move("transferred", item, item.open - open_before + given, item.day)
        self.book.move("transferred", part, part.open - given, part.day)

    @precondition(lambda self: any(item.taken_from for item in self.book.items.values()))
    @rule(n=SOME)
    def rejoin(self, n: int) -> None:
        parts = [item for item in self.book.items.values() if item.taken_from]
        part = parts[n % len(parts)]
        whole, row = self.book.items[part.taken_from], self.row_of(part)
        refused = None if part.rejoined else True if part.is_fixed or whole.is_fixed else None
        if self.tried(lambda: rejoin_entry(row, by=self.world.bea), refused=refused) is None or part.rejoined:
            return
        for written in list(part.writes):
            self.book.unwrite(part, written)
            self.book.write(whole, written.amount)
        value = part.value if part.billable else -part.written  # nothing is open of what is not billable
        self.book.move("transferred", part, -value, part.day)
        self.book.move("transferred", whole, value, part.day)
        whole.seconds, whole.charged = whole.seconds + part.seconds, whole.charged + part.charged
        whole.value, whole.written = whole.value + part.value, whole.written + part.written
        part.value = part.written = ZERO
        part.charged, part.deleted, part.rejoined = 0, True, True

    @precondition(lambda self: any(item.writes for item in self.book.items.values()))
    @rule(n=SOME, m=SOME, one=st.booleans())
    def take_back(self, n: int, m: int, one: bool) -> None:
        """Undo one writing on or off, or all that stand."""
        items = [item for item in self.book.items.values() if item.writes]
        item = items[n % len(items)]
        writes = [item.writes[m % len(item.writes)]] if one else list(item.writes)
        back = -sum((each.amount for each in writes), ZERO)
        refused = (
            item.deleted or item.state in (DRAFTED, BILLED)
            or any(each.work.currency != item.work.currency for each in writes)
            or (item.billable and item.value + item.written - item.billed + back < 0)
        )  # fmt: skip
        transaction_id = self.transaction_of(item, writes[0]) if one else None
        act = lambda: take_back([item.id], "Mistake", by=self.world.bea, transaction_id=transaction_id)  # noqa: E731
        if self.tried(act, refused=True if refused else None if not back else False) is None:
            return
        for each in writes:
            self.book.unwrite(item, each)
        item.written += back
        if not item.billable:  # nothing is open, whatever was written
            self.book.move("repriced", item, -back, self.book.today)
        self.settle_days()

    def transaction_of(self, item: Item, written: Write) -> int:
        """The standing transaction that wrote it; of several alike, any."""
        rows = figures.standing_writes(item.id, written.work.id, written.day, decimal(written.amount))
        return int(rows[0].id)

    @precondition(lambda self: self.book.items)
    @rule(n=SOME)
    def delete(self, n: int) -> None:
        item = self.item(n)
        assert item is not None
        row = self.row_of(item)
        command: Any = delete_entry if item.kind == "time_entry" else delete_expense
        if item.deleted:
            self.tried(lambda: command(row, by=self.world.bea))
            return
        if self.tried(lambda: command(row, by=self.world.bea), refused=item.is_fixed) is None:
            return
        was = item.work, item.day, item.open
        item.deleted = True
        self.book.reposition("repriced", item, was)
        self.settle_days(item)

    @precondition(lambda self: any(item.deleted for item in self.book.items.values()))
    @rule(n=SOME)
    def restore(self, n: int) -> None:
        gone = [item for item in self.book.items.values() if item.deleted]
        item = gone[n % len(gone)]
        row = self.row_of(item)
        command: Any = restore_entry if item.kind == "time_entry" else restore_expense
        if self.tried(lambda: command(row, by=self.world.bea), refused=item.rejoined) is None:
            return
        was = item.work, item.day, item.open
        item.deleted = False
        self.book.reposition("repriced", item, was)
        self.settle_days()

    # WIP.

    @precondition(lambda self: self.book.items)
    @rule(n=SOME, release=st.booleans())
    def hold(self, n: int, release: bool) -> None:
        item = self.item(n)
        assert item is not None
        act = (
            (lambda: release_items([item.id], by=self.world.bea))
            if release
            else (lambda: hold_items([item.id], "Dispute", by=self.world.bea))
        )
        if self.tried(act, refused=item.is_locked) is not None:
            item.held = not release

    @precondition(lambda self: self.book.items)
    @rule(n=SOME, second=SOME, place=SOME)
    def transfer(self, n: int, second: int, place: int) -> None:
        items = list({item.id: item for item in (self.item(n), self.item(second)) if item}.values())
        work = self.world.works[place % len(self.world.works)]
        refused = any(i.is_fixed or i.work.currency != work.currency for i in items)
        act = lambda: transfer_items([i.id for i in items], work.id, "Wrong matter", by=self.world.bea)  # noqa: E731
        if self.tried(act, refused=refused) is None:
            return
        for item in items:
            if item.work is work:
                continue
            was = item.work, item.day, item.open
            item.work, item.job = work, None
            self.book.forget(item)
            self.book.reposition("transferred", item, was)
        self.settle_days()

    @precondition(lambda self: self.book.items)
    @rule(n=SOME, second=SOME, percent=PERCENTS, on=st.booleans(), whole=st.booleans())
    def write(self, n: int, second: int, percent: int, on: bool, whole: bool) -> None:
        items = list({item.id: item for item in (self.item(n), self.item(second)) if item}.values())
        percent = 100 if whole else percent
        command = write_on_items if on else write_off_items
        act = lambda: command([i.id for i in items], "Agreed", by=self.world.bea, percent=Decimal(percent))  # noqa: E731
        changes = [half_up(item.open * percent / 100, item.work.currency) * (1 if on else -1) for item in items]
        if self.tried(act, refused=any(i.is_locked for i in items) or not any(changes)) is None:
            return
        for item, change in zip(items, changes, strict=True):
            item.written += change
            self.book.write(item, change)

    # Drafts.

    @rule(
        client=st.booleans(),
        currency=CURRENCIES,
        until=st.integers(0, 20),
        grouping=GROUPINGS,
        other_pays=st.booleans(),
        all_of_it=st.booleans(),
    )
    def draft(
        self, client: bool, currency: str, until: int, grouping: Grouping, other_pays: bool, all_of_it: bool
    ) -> None:
        whose, other = self.world.clients if client else self.world.clients[::-1]
        works = [w for w in self.world.works if (w.client, w.currency) == (whose, currency)]
        works = [w for w in works if w.entity == works[0].entity][: None if all_of_it else 1]
        payer = other if other_pays and until % 4 == 0 else whose
        ids, id_, day = tuple(w.id for w in works), new_id(), self.day(until)
        facts = DraftFacts(client_id=whose, engagement_ids=ids, until=day, grouping=grouping, payer_id=payer)
        items = self.book.billable_now(ids, day)
        fees = {w.id: self.book.fee_left(w) for w in works if w.fee}
        nothing = not items and not any(fees.values())
        if self.tried(lambda: create_draft(id_, facts, by=self.world.bea), refused=nothing) is None:
            return
        bill = Bill(id_, whose, payer, works[0].entity, currency)
        self.book.bills[id_] = bill
        self.adopt(bill)
        must(set(bill.rows) == set(items), "a draft does not hold what was open")
        for row in bill.rows.values():
            must(row.value == row.item.open, "an item on a draft is not worth what was open of it")
            row.item.drafted = True
        self.check_lines(bill, grouping)
        for work in works:
            fixed = [line for line in bill.lines.values() if line.kind == "fixed" and line.work == work.id]
            must(sum((line.net for line in fixed), ZERO) == fees.get(work.id, ZERO), "a fixed fee is not what was left")
            must(all(line.drawn == line.net for line in fixed), "a fixed fee is not drawn")

    def adopt(self, bill: Bill) -> None:
        """Take over how the product has laid it out; whether that is right is asked by `check_lines` and each step."""
        found = figures.read()
        bill.lines = {
            line.id: Line(
                line.id,
                line.kind,
                line.engagement_id,
                fraction(line.net),
                line.tax_code,
                line.supplied_on,
                fraction(line.tax_percent),
                line.tax_treatment,
                fraction(line.tax),
                fraction(line.drawn),
                line.rest,
            )
            for line in found.lines[bill.id]
        }
        bill.taxed_on = self.book.today
        bill.rows = {
            item_id: Row(
                self.book.items[item_id],
                row.line_id,
                row.treatment,
                fraction(row.value),
                fraction(row.billed),
                fraction(row.written),
                fraction(row.carried),
            )
            for item_id, row in found.rows[bill.id].items()
        }

    def check_lines(self, bill: Bill, grouping: Grouping | None = None) -> None:
        """Each line is what its items come to; a fixed fee is spread over them by what they are worth."""
        for line in bill.lines.values():
            rows = [row for row in bill.rows.values() if row.line == line.id and row.treatment == "bill"]
            if line.kind == "fixed":
                parts, weights = [row.billed for row in rows], [row.value for row in rows]
                must(
                    not rows or is_spread(line.net, parts, weights, bill.currency), "a fixed fee is not spread by value"
                )
            if grouping is not None and line.kind == "fee":
                must(sum((row.value for row in rows), ZERO) == line.net, "a line is not the sum of its entries")
                must(grouping is not Grouping.ENTRY or len(rows) == 1, "a line has several entries")
                must(grouping is Grouping.ENGAGEMENT or len({row.item.job for row in rows}) == 1, "a line has two jobs")
            if grouping is not None and line.kind == "expense":
                must(len(rows) == 1 and rows[0].value == line.net, "an expense is not its line")

    @precondition(lambda self: self.drafts())
    @rule(n=SOME, until=st.integers(0, 20))
    def add_new(self, n: int, until: int) -> None:
        bill = self.draft_at(n)
        day, invoice = self.day(until), self.invoice(bill)
        works = {line.work for line in bill.lines.values()}
        fixed = {line.work for line in bill.lines.values() if line.kind == "fixed"}
        expected = set(self.book.billable_now(works, day, fixed)) - set(bill.rows)
        left = {work.id: self.book.fee_left(work) for work in self.world.works if work.fee}
        before = {line.id: line.net for line in bill.lines.values()}
        if self.tried(lambda: add_new_items(invoice, day, by=self.world.bea)) is None:
            return
        old = set(bill.rows)
        self.adopt(bill)
        must(set(bill.rows) - old == expected, "what was added is not what was open since")
        for item_id in expected:
            bill.rows[item_id].item.drafted = True
            must(bill.rows[item_id].value == bill.rows[item_id].item.open, "what was added is not worth what was open")
        for line in bill.lines.values():
            joined = [row for key, row in bill.rows.items() if key in expected and row.line == line.id]
            if line.kind == "fixed":
                must(line.net == before.get(line.id, left[line.work]), "time added to a fixed fee changed the fee")
                must(line.id in before or line.drawn == line.net, "a fixed fee is not drawn")
                if joined:
                    rows = [row for row in bill.rows.values() if row.line == line.id and row.treatment == "bill"]
                    must(
                        is_spread(line.net, [r.billed for r in rows], [r.value for r in rows], bill.currency),
                        "time added to a fixed fee is not billed at its share",
                    )
            else:
                added = sum((row.value for row in joined), ZERO)
                must(line.net == before.get(line.id, ZERO) + added, "a line has not grown by what was added")

    @precondition(lambda self: any(bill.rows for bill in self.drafts()))
    @rule(
        n=SOME,
        m=SOME,
        treatment=st.sampled_from(list(Treatment)),
        share=st.sampled_from((None, None, 0, 30, 130)),
        rest=st.sampled_from(list(Rest)),
    )
    def treat(self, n: int, m: int, treatment: Treatment, share: int | None, rest: Rest) -> None:
        """Bill all of an entry or a part, write it off, or leave it for later."""
        drafts = [bill for bill in self.drafts() if bill.rows]
        bill = drafts[n % len(drafts)]
        self._treat(bill, list(bill.rows)[m % len(bill.rows)], treatment, share, rest)

    def _treat(self, bill: Bill, item_id: UUID, treatment: Treatment, share: int | None, rest: Rest) -> None:
        row = bill.rows[item_id]
        item, line, invoice = row.item, bill.lines[row.line], self.invoice(bill)
        value, wanted = item.open, treatment.value
        part = half_up(value * share / 100, bill.currency) if share is not None and wanted == "bill" else None
        billed = {"bill": value if part is None else part, "write_off": ZERO, "later": ZERO}[wanted]
        carried = value if wanted == "later" else ZERO
        if part is not None and rest is Rest.CARRY:
            carried = max(value - billed, ZERO)
        refused = (part is not None and line.kind == "fixed") or (
            row.treatment == "later" and wanted != "later"
            and (item.state != OPEN or item.deleted or not item.billable)
        )  # fmt: skip
        amount = None if part is None else decimal(part)
        act = lambda: treat_item(invoice, item.id, treatment, by=self.world.bea, amount=amount, rest=rest)  # noqa: E731
        if self.tried(act, refused=refused) is None:
            return
        kept = row.treatment == "later" == wanted
        net, change = line.net, billed - row.billed
        self.adopt(bill)
        row = bill.rows[item.id]
        must(kept or row.value == value, "an item's value on the draft is not what is open of it")
        if line.kind == "fixed":
            must(bill.lines[line.id].net == net, "a fixed fee changed with its entries")
            self.check_lines(bill)
        elif not kept:
            said = row.billed, row.written, row.carried
            must(said == (billed, billed + carried - value, carried), "an entry is not treated as was said")
            must(bill.lines[row.line].net == net + change or row.line != line.id, "the line did not follow its entry")
        item.drafted = wanted != "later"
        self.settle_days()

    @precondition(lambda self: any(bill.rows for bill in self.drafts()))
    @rule(n=SOME, m=SOME, place=SOME)
    def leave_move_and_bill(self, n: int, m: int, place: int) -> None:
        """What a draft has left for later goes to another client; the draft bills it no more."""
        drafts = [bill for bill in self.drafts() if any(row.treatment == "bill" for row in bill.rows.values())]
        if not drafts:
            return
        bill = drafts[n % len(drafts)]
        rows = [row for row in bill.rows.values() if row.treatment == "bill"]
        item = rows[m % len(rows)].item
        works = [w for w in self.world.works if w.currency == item.work.currency and w.client != item.work.client]
        work, at = works[place % len(works)], list(self.book.items).index(item.id)
        self._treat(bill, item.id, Treatment.LATER, None, Rest.CARRY)
        self.transfer(at, at, self.world.works.index(work))
        if item.work is work:
            invoice = self.invoice(bill)
            act = lambda: treat_item(invoice, item.id, Treatment.BILL, by=self.world.bea)  # noqa: E731
            self.tried(act, refused=True, because="somebody is billed for another's work")

    @precondition(lambda self: any(bill.lines for bill in self.drafts()))
    @rule(
        n=SOME,
        m=SOME,
        net=st.integers(0, 60_000),
        spread=st.sampled_from((Spread.PRO_RATA, Spread.OLDEST_FIRST)),
        rest=st.sampled_from((None, *Rest)),
    )
    def change_net(self, n: int, m: int, net: int, spread: Spread, rest: Rest | None) -> None:
        bill, line = self.line_at(n, m)
        amount = net * smallest(bill.currency)
        change, invoice = LineChange(net=decimal(amount), spread=spread, rest=rest), self.invoice(bill)
        others = {key: other.net for key, other in bill.lines.items() if key != line.id}
        most = self.drawable(line)
        unsaid = line.kind == "fixed" and rest is None and amount < most <= line.net
        nothing = line.kind in ("fee", "expense") and not any(
            row.line == line.id and row.treatment == "bill" for row in bill.rows.values()
        )
        refused = None if amount == line.net else unsaid or nothing
        if self.tried(lambda: change_line(invoice, line.id, change, by=self.world.bea), refused=refused) is None:
            return
        same = amount == line.net
        self.adopt(bill)
        now = bill.lines[line.id]
        must(now.net == amount, "a line is not what was typed")
        must(all(bill.lines[key].net == other for key, other in others.items()), "another line moved too")
        must(same or now.drawn == self.draws(line, amount, most, rest), "a fee is not drawn as it was said")

    def draws(self, line: Line, net: Fraction, most: Fraction, rest: Rest | None) -> Fraction:
        """What an amount takes of a fee: a rebate all that is left, a part bill what it bills."""
        if line.kind != "fixed":
            return ZERO
        return most if net >= most or (rest.value if rest else line.rest) == "write_off" else net

    def drawable(self, line: Line) -> Fraction:
        """What a line may take of its fee."""
        work = next(each for each in self.world.works if each.id == line.work)
        return self.book.fee_left(work) + line.drawn if line.kind == "fixed" else ZERO

    def line_at(self, n: int, m: int) -> tuple[Bill, Line]:
        drafts = [bill for bill in self.drafts() if bill.lines]
        bill = drafts[n % len(drafts)]
        return bill, list(bill.lines.values())[m % len(bill.lines)]

    @precondition(lambda self: any(bill.lines for bill in self.drafts()))
    @rule(n=SOME, m=SOME, tax=SOME)
    def change_tax(self, n: int, m: int, tax: int) -> None:
        bill, line = self.line_at(n, m)
        code, invoice = self.world.taxes[tax % len(self.world.taxes)], self.invoice(bill)
        change = LineChange(tax_code=code, description="Reworded")
        before = sum((each.net for each in bill.lines.values()), ZERO)
        if self.tried(lambda: change_line(invoice, line.id, change, by=self.world.bea), refused=False) is None:
            return
        self.adopt(bill)
        must(bill.lines[line.id].code == code, "a line has not the tax that was chosen")
        must(sum((each.net for each in bill.lines.values()), ZERO) == before, "another tax changed an amount")

    @precondition(lambda self: any(bill.lines for bill in self.drafts()))
    @rule(n=SOME, net=st.integers(0, 30_000), tax=SOME)
    def add_words(self, n: int, net: int, tax: int) -> None:
        drafts = [bill for bill in self.drafts() if bill.lines]
        bill = drafts[n % len(drafts)]
        code, invoice, id_ = self.world.taxes[tax % len(self.world.taxes)], self.invoice(bill), new_id()
        amount = net * smallest(bill.currency)
        act = lambda: add_line(invoice, id_, "A fee", decimal(amount), by=self.world.bea, tax_code=code)  # noqa: E731
        if self.tried(act, refused=False) is not None:
            self.adopt(bill)
            must(bill.lines[id_].net == amount, "an added line is not what was typed")

    @precondition(lambda self: any(bill.lines for bill in self.drafts()))
    @rule(n=SOME, m=SOME)
    def take_off_line(self, n: int, m: int) -> None:
        bill, line = self.line_at(n, m)
        invoice = self.invoice(bill)
        gone = [row for row in bill.rows.values() if row.line == line.id]
        if self.tried(lambda: remove_line(invoice, line.id, by=self.world.bea), refused=False) is None:
            return
        for row in gone:
            if row.treatment != "later":
                row.item.drafted = False
        self.adopt(bill)
        must(
            line.id not in bill.lines and not {r.item.id for r in gone} & set(bill.rows), "a line left something behind"
        )
        self.settle_days()

    @precondition(lambda self: any(bill.lines for bill in self.drafts()))
    @rule(
        n=SOME, percent=st.integers(30, 130), spread=st.sampled_from(list(Spread)), rest=st.sampled_from((None, *Rest))
    )
    def adjust(self, n: int, percent: int, spread: Spread, rest: Rest | None) -> None:
        drafts = [bill for bill in self.drafts() if bill.lines]
        bill = drafts[n % len(drafts)]
        net = half_up(sum((line.net for line in bill.lines.values()), ZERO) * percent / 100, bill.currency)
        invoice, lines = self.invoice(bill), dict(bill.lines)
        kept = {key: line.net for key, line in lines.items() if line.kind == "expense"}
        only = len(kept) == len(lines)
        most = {key: self.drawable(line) for key, line in lines.items()}
        chosen = [row.item.id for row in bill.rows.values() if row.treatment == "bill"][:2]
        act = lambda: adjust_total(  # noqa: E731
            invoice, decimal(net), by=self.world.bea, spread=spread, chosen=chosen, reason="Agreed", rest=rest
        )
        if self.tried(act) is None:
            return
        self.adopt(bill)
        bill.reason = "Agreed"
        must(sum((line.net for line in bill.lines.values()), ZERO) == net, "the total is not what was typed")
        must(only or all(bill.lines[key].net == was for key, was in kept.items()), "a disbursement was changed")
        for key, was in lines.items():
            now = bill.lines[key]
            drawn = was.drawn if now.net == was.net else self.draws(was, now.net, most[key], rest)
            must(now.drawn in (drawn, self.draws(was, now.net, most[key], rest)), "a fee is not drawn as it was said")
        if spread is Spread.OLDEST_FIRST:
            self.check_oldest_first(bill)

    def check_oldest_first(self, bill: Bill) -> None:
        """Whatever is older than an entry that is not billed whole, is."""
        fees = {line.id for line in bill.lines.values() if line.kind == "fee"}
        rows = [row for row in bill.rows.values() if row.line in fees and row.treatment == "bill"]
        if sum((r.billed for r in rows), ZERO) > sum((r.value for r in rows), ZERO):
            return
        cut = [row.item.day for row in rows if row.billed < row.value]
        must(all(r.billed == r.value for r in rows if cut and r.item.day < min(cut)), "not oldest first")
        must(all(not r.billed for r in rows if cut and r.item.day > min(cut)), "not oldest first")

    @precondition(lambda self: self.drafts())
    @rule(n=SOME, by_total=st.booleans(), terms=st.sampled_from((0, 14, 30)))
    def set_terms(self, n: int, by_total: bool, terms: int) -> None:
        bill = self.draft_at(n)
        facts = DraftTerms(
            terms_days=terms, note="", tax_mode=TaxMode.TOTAL if by_total else TaxMode.LINE, reason=bill.reason
        )
        invoice = self.invoice(bill)
        if self.tried(lambda: change_terms(invoice, facts, by=self.world.bea), refused=False) is not None:
            bill.by_total, bill.terms = by_total, terms
            self.adopt(bill)

    @precondition(lambda self: self.drafts())
    @rule(n=SOME, what=st.sampled_from(("discard", "submit", "return")))
    def file(self, n: int, what: str) -> None:
        bill = self.draft_at(n)
        invoice = self.invoice(bill)
        if what == "submit":
            if self.tried(lambda: submit_for_approval(invoice, by=self.world.bea)) is not None:
                bill.asked = True
            return
        if what == "return":
            if self.tried(
                lambda: return_to_draft(invoice, "Again", by=self.world.bea),
                refused=invoice.state is not InvoiceState.AWAITING,
            ) is not None:
                bill.asked = False
            return
        if self.tried(lambda: discard_draft(invoice, by=self.world.bea), refused=False) is not None:
            for row in bill.rows.values():
                if row.treatment != "later":
                    row.item.drafted = False
            del self.book.bills[bill.id]
            self.settle_days()

    @rule(
        ago=st.integers(0, 9),
        minutes=st.tuples(st.integers(1, 25), st.integers(1, 25)),
        how=st.sampled_from(("discard", "later")),
    )
    def free_one_of_a_day(self, ago: int, minutes: tuple[int, int], how: str) -> None:
        """One of two of a day keeps its charge on a draft while the other is deleted; then it comes back."""
        place = next(n for n, work in enumerate(self.world.works) if work.by_day)
        before = set(self.book.items)
        for each in minutes:
            self._record(place, ago, each, True)
        new = [item for id_, item in self.book.items.items() if id_ not in before]
        self.draft(True, self.world.works[place].currency, 0, Grouping.ENGAGEMENT, False, False)
        both = [
            n for n, bill in enumerate(self.drafts()) if len(new) == 2 and {item.id for item in new} <= set(bill.rows)
        ]
        if not both:
            return
        [n], (gone, stays) = both, new
        self._treat(self.drafts()[n], gone.id, Treatment.LATER, None, Rest.CARRY)
        self.delete(list(self.book.items).index(gone.id))
        if how == "discard":
            self.file(n, "discard")
        else:
            self._treat(self.drafts()[n], stays.id, Treatment.LATER, None, Rest.CARRY)

    # Bills and money.

    @precondition(lambda self: self.drafts())
    @rule(n=SOME, ago=st.sampled_from((0, 0, 0, 1, 3, 20)), why=st.booleans())
    def approve(self, n: int, ago: int, why: bool) -> None:
        bill, day = self.draft_at(n), self.day(ago)
        invoice, reason = self.invoice(bill), "Agreed" if why or bill.reason else ""
        fixed = {line.id: line for line in bill.lines.values() if line.kind == "fixed"}
        needs = any(line.net != line.drawn for line in fixed.values()) or any(
            row.treatment == "write_off" or (row.written and row.treatment == "bill" and row.line not in fixed)
            for row in bill.rows.values()
        )
        reverse = any(line.treatment == "reverse_charge" for line in bill.lines.values())
        gross = sum((line.net + line.tax for line in bill.lines.values()), ZERO)
        latest, closed = self.book.latest.get((bill.entity, "invoice"), day), self.book.closed.get(bill.entity)
        refused = bool(
            (needs and not reason) or not gross or not bill.lines or day < latest
            or (closed is not None and day <= closed) or (reverse and bill.payer not in self.world.taxed)
        )  # fmt: skip
        shown = bill.tax_by_rate()
        for line in bill.lines.values():  # as they are taxed on that day
            line.treatment, line.percent = self.tax_of(bill, line, day)
        refused = refused or bill.tax_by_rate() != shown

        def act() -> Invoice:
            try:
                return approve_invoice(invoice, by=self.world.bea, issued_on=day, reason=reason)
            except Outdated:  # which closes the question; as the bill is now it can be approved
                must(bill.asked, "a bill has changed since an approval that nobody asked for")
                bill.asked = False
                return approve_invoice(invoice, by=self.world.bea, issued_on=day, reason=reason)

        if self.tried(act, refused=refused) is None:
            self.adopt(bill)
            bill.taxed_on = day if bill.tax_by_rate() != shown else bill.taxed_on
            return
        self.adopt_rows_of_issue(bill)
        self.book.issue(bill, day, str(db.session.scalar(sa.select(Invoice.number).where(Invoice.id == bill.id))))
        self.settle_days()

    def tax_of(self, bill: Bill, line: Line, day: dt.date) -> tuple[str, Fraction]:
        return self.world.tax(line.code, self.world.decides(bill, line.supplied_on, day))

    def check_taxes(self) -> None:
        """Each line of a draft has the tax of its code on the day of its supply, and so has all that lies on it."""
        for bill in self.drafts():
            for line in bill.lines.values():
                rows = [row for row in bill.rows.values() if row.line == line.id and row.treatment == "bill"]
                days = {row.item.day for row in rows if line.kind in ("fee", "expense")} or {line.supplied_on}
                for day in days:
                    own = self.world.tax(line.code, self.world.decides(bill, day, bill.taxed_on))
                    must(
                        own == (line.treatment, line.percent),
                        line.code,
                        "of",
                        day,
                        "is taxed",
                        line.percent,
                        "not",
                        own,
                    )

    def adopt_rows_of_issue(self, bill: Bill) -> None:
        """Tax may be decided at issue; the lines that were approved stay."""
        found = {line.id: line for line in figures.read().lines[bill.id]}
        must(set(found) == set(bill.lines), "issuing changed the lines")
        for line in bill.lines.values():
            must(fraction(found[line.id].net) == line.net, "issuing changed an amount")
            line.percent, line.treatment = fraction(found[line.id].tax_percent), found[line.id].tax_treatment
            line.tax = fraction(found[line.id].tax)

    @precondition(lambda self: any(bill.number for bill in self.book.bills.values()))
    @rule(n=SOME)
    def credit(self, n: int) -> None:
        bills = [bill for bill in self.book.bills.values() if bill.number]
        bill = bills[n % len(bills)]
        invoice, id_ = self.invoice(bill), new_id()
        if self.tried(lambda: credit_invoice(invoice, id_, "Wrong", by=self.world.bea), refused=bill.void) is None:
            return
        number = str(db.session.scalar(sa.select(Invoice.number).where(Invoice.id == id_)))
        self.book.credit(bill, id_, number)
        self.settle_days()

    @rule(
        client=st.booleans(),
        units=st.integers(1, 90_000),
        currency=CURRENCIES,
        ago=st.integers(0, 40),
        n=SOME,
        how=st.sampled_from(("auto", "auto", "whole", "named", "none")),
    )
    def pay(self, client: bool, units: int, currency: str, ago: int, n: int, how: str) -> None:
        entity = self.world.entities[0] if currency != "KWD" or n % 2 else self.world.entities[1]
        self._pay(self.world.clients[client], entity, units, currency, ago, n, how)

    def _pay(self, payer: UUID, entity: UUID, units: int, currency: str, ago: int, n: int, how: str) -> None:
        day, id_ = self.day(ago), new_id()
        bills = self.book.owed_by(payer, currency, entity)
        amount = units * smallest(currency)
        parts: list[tuple[Bill, Fraction]] | None = None
        if how in ("whole", "named") and bills:
            bill = bills[n % len(bills)]
            amount = bill.open if how == "whole" else amount
            parts = [(bill, min(amount, bill.open + (n % 3 == 2) * smallest(currency)))]
        elif how == "none":
            parts = []
        facts = PaymentFacts(
            client_id=payer, entity_id=entity, received_on=day, amount=decimal(amount), currency=currency,
            parts=None if parts is None else tuple((bill.id, decimal(part)) for bill, part in parts),
        )  # fmt: skip
        closed = self.book.closed.get(entity)
        too_much = any(part > bill.open for bill, part in parts or ())
        refused = too_much or bool(closed and day <= closed)
        if self.tried(lambda: record_payment(id_, facts, by=self.world.bea), refused=refused) is None:
            return
        payment = Money(id_, payer, entity, currency, day, amount)
        self.book.receive(payment)
        for bill, part in self.book.oldest_first(payment, amount) if parts is None else parts:
            self.book.allocate(payment, bill, part, day)

    @precondition(lambda self: self.book.payments)
    @rule(n=SOME, m=SOME, named=st.booleans(), units=st.integers(1, 20_000))
    def allocate(self, n: int, m: int, named: bool, units: int) -> None:
        payments = list(self.book.payments.values())
        payment = payments[n % len(payments)]
        bills = [b for b in self.book.bills.values() if b.number] if named else []
        row = db.session.get_one(Payment, payment.id)
        if bills:
            bill = bills[m % len(bills)]
            part = units * smallest(payment.currency)
            mine = (bill.payer, bill.currency, bill.entity) == (payment.payer, payment.currency, payment.entity)
            refused = not mine or part > bill.open or part > payment.left
            wanted = [(bill, part)]
            act = lambda: allocate_payment(row, ((bill.id, decimal(part)),), by=self.world.bea)  # noqa: E731
        else:
            wanted = self.book.oldest_first(payment, payment.left)
            refused = not wanted
            act = lambda: allocate_payment(row, None, by=self.world.bea)  # noqa: E731
        if self.tried(act, refused=refused) is not None:
            for bill, part in wanted:
                self.book.allocate(payment, bill, part, self.book.today)

    @precondition(lambda self: any(payment.puts for payment in self.book.payments.values()))
    @rule(n=SOME, m=SOME, again=st.booleans())
    def take_off_bill(self, n: int, m: int, again: bool) -> None:
        """Money put on a bill comes off it again; once."""
        payments = [payment for payment in self.book.payments.values() if payment.puts]
        payment = payments[n % len(payments)]
        put = payment.puts[m % len(payment.puts)]
        rows = sa.select(Allocation).where(
            Allocation.payment_id == payment.id, Allocation.invoice_id == put.bill.id,
            Allocation.amount == decimal(put.amount), Allocation.reversed_at.is_(None),
        )  # fmt: skip
        row = db.session.scalars(rows.order_by(Allocation.id).limit(1)).one()
        if self.tried(lambda: unallocate(row, "Wrong bill", by=self.world.bea), refused=False) is None:
            return
        self.book.release(payment, put)
        if again:
            self.tried(lambda: unallocate(row, "Wrong bill", by=self.world.bea), refused=True)

    @precondition(lambda self: self.book.payments)
    @rule(n=SOME)
    def bounce(self, n: int) -> None:
        payments = list(self.book.payments.values())
        payment = payments[n % len(payments)]
        row = db.session.get_one(Payment, payment.id)
        if payment.reversed:
            self.tried(lambda: reverse_payment(row, "Bounced", by=self.world.bea))
            return
        if self.tried(lambda: reverse_payment(row, "Bounced", by=self.world.bea), refused=False) is not None:
            self.book.bounce(payment)

    # The books.

    @rule(back=st.integers(1, 3), which=st.sampled_from((0, 1, None)))
    def close(self, back: int, which: int | None) -> None:
        at = month(self.book.today)
        for _ in range(back):
            at = month(at - dt.timedelta(days=1))
        entities = self.world.entities if which is None else (self.world.entities[which],)
        through = last_of_month(at)
        later = [each for each in entities if self.book.closed.get(each, dt.date.min) < through]
        act = lambda: close_period(at, by=self.world.pat, entity_id=None if which is None else entities[0])  # noqa: E731
        if self.tried(act, refused=not later) is None:
            return
        for each in later:
            self.book.closed[each] = through
            self.hashes[each] = through, figures.closed_hash(each, through)

    @rule(currency=st.sampled_from(("JPY", "KWD")), ago=st.integers(-5, 60), units=st.integers(1, 400))
    def exchange(self, currency: str, ago: int, units: int) -> None:
        """The rate of a day becomes known, be it after the day."""
        rate = Decimal(units + 300) / (100_000 if currency == "JPY" else 200)
        facts = ExchangeRateFacts(currency=currency, base="GBP", rate=rate, from_on=self.day(ago))
        self.tried(lambda: add_exchange_rate(new_id(), facts, by=self.world.pat))

    @rule(days=st.sampled_from((1, 3, 12, 31)))
    def wait(self, days: int) -> None:
        self.travel.__exit__(None, None, None)
        later = START + dt.timedelta(days=(self.book.today - START.date()).days + days)
        self.travel = clock.travel_to(later)
        self.travel.__enter__()
        self.book.today = clock.today()

    @rule()
    def gather(self) -> None:
        with self.world.gathering_from(1):
            gather_account_balances(by=self.world.pat_as_system)

    # What must hold.

    @invariant()
    def agrees(self) -> None:
        self.steps += 1
        db.session.flush()
        connection: Any = db.engines[None]
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        connection.exec_driver_sql("SET CONSTRAINTS ALL DEFERRED")
        db.session.expire_all()
        agree(self.book, figures.read())
        agree_on_fees(self.book, self.world.works)
        self.check_taxes()
        for entity, (day, was) in self.hashes.items():
            must(figures.closed_hash(entity, day) == was, "a closed month has changed:", day)
        if self.steps % 10 == 0:
            self.prove()
        self.sound = True

    def prove(self) -> None:
        found = {name: f for name, f in run_proofs(*ROOMS, without="billing.pdfs") if f}
        must(not found, "proofs:", found)
        must(not (wrong := broken(db.session.connection())), wrong)
        self.check_ages()

    def check_ages(self) -> None:
        """The pages by age, today and as of past days, and the statements."""
        today = self.book.today
        for account, page, now in (("wip", wip_by_client, self.book.wip_now), ("receivable", receivables_by_client,
                                                                               self.book.owed_now)):  # fmt: skip
            young = account == "receivable"
            for on in (today, today - dt.timedelta(days=1), today - dt.timedelta(days=20)):
                aged = now() if on == today else self.book.stood(account, on)
                wanted = by_age(aged, on, may_be_young=young)
                shown = page(WipFilter(on=None if on == today else on), seen_by=self.world.bea)
                rows = {(row.id, row.currency): [fraction(age) for age in row.ages] for row in shown.rows}
                must(rows == wanted, account, "by age on", on, "is", rows, "not", wanted)
                for total in shown.totals:
                    whole = [
                        sum(column, ZERO)
                        for column in zip(
                            *[columns for (_, currency), columns in wanted.items() if currency == total.currency],
                            strict=True,
                        )
                    ]
                    must([fraction(age) for age in total.ages] == whole, "the totals by age differ on", on)
        for client in self.world.clients:
            for currency in ("GBP", "JPY", "KWD"):
                shown = statement_of(client, currency, today - dt.timedelta(days=30), today, seen_by=self.world.bea)
                owed = sum((a for (c, k, _), a in self.book.owed_now().items() if (c, k) == (client, currency)), ZERO)
                left = sum(
                    (p.left for p in self.book.payments.values() if (p.payer, p.currency) == (client, currency)), ZERO
                )
                must(fraction(shown.closing) == owed - left, "a statement closes with", shown.closing)
                columns = by_age(self.book.owed_now(), today, may_be_young=True).get((client, currency), [ZERO] * 6)
                must([fraction(age) for _, age in shown.ages] == columns, "a statement's ages differ")


def only(*acts: str) -> type[Machine]:
    """The machine with these acts alone; what they are made of can still be done by them."""

    def part_of_others(rule: Any) -> Any:
        return lambda *args, **named: rule(*args, **named)

    rules = {name: each for name, each in inspect.getmembers(Machine) if hasattr(each, "hypothesis_stateful_rule")}
    assert set(acts) <= {*rules, "begin"}, "there is no such act"
    return type("Machine", (Machine,), {name: part_of_others(each) for name, each in rules.items() if name not in acts})


def decimal(amount: Fraction) -> Decimal:
    return Decimal(amount.numerator) / Decimal(amount.denominator)


def agree(book: Book, found: Figures) -> None:
    """Every figure of the book against the product's; Broken with the first that differs."""
    must(not found.unbalanced, "transactions out of balance:", found.unbalanced)
    must(set(found.items) == set(book.items), "items came or went")
    for item in book.items.values():
        row = found.items[item.id]
        open_value = fraction(row.open_value)
        must(open_value == item.open, item.kind, item.id, "has", float(open_value), "open, not", float(item.open))
        where = (item.work.client, item.work.id, item.job, item.day, item.work.currency)
        must((row.client_id, row.engagement_id, row.job_id, row.worked_on, row.currency) == where, "stands elsewhere")
        must(open_value == half_up(open_value, row.currency), "has a fraction of the smallest", row.currency)
        if not item.deleted:
            must(row.state == item.state, item.kind, item.id, "is", row.state, "not", item.state)
        if item.kind == "time_entry":
            must(
                (row.seconds, row.charged) == (item.seconds, item.charged), "charged", row.charged, "not", item.charged
            )
        moved = fraction(row.written), fraction(row.billed)
        must(
            moved == (item.written, item.billed),
            item.kind,
            "written and billed",
            moved,
            "not",
            item.written,
            item.billed,
        )
        if item.billable and not item.deleted:
            must(fraction(row.value) == item.value, "is worth", row.value, "not", float(item.value))
    agree_on_sets(book)
    agree_on_journal(book, found)
    agree_on_bills(book, found)
    agree_on_payments(book, found)
    agree_on_kept(book, found)


def agree_on_fees(book: Book, works: list[Work]) -> None:
    for work in works:
        must(not work.fee or 0 <= book.fee_left(work) <= work.fee, "more is drawn of a fee than was agreed")


def agree_on_sets(book: Book) -> None:
    """Where a day's time on a job is rounded as one, its parts come to what the whole is charged."""
    for members in book.day_sets().values():
        whole = charged_seconds(sum(item.seconds for item in members), members[0].step)
        charged = sum(item.charged for item in members)
        stays = sum(item.charged for item in members if item.keeps_charge)
        if not all(item.keeps_charge for item in members):
            must(charged == max(whole, stays), "a day's time is charged", charged, "s, not", max(whole, stays))


def agree_on_journal(book: Book, found: Figures) -> None:
    posted = {key: amount for key, amount in found.journal.items() if amount and key[0] in (*WIP, *OTHERS)}
    wanted = {key: amount for key, amount in book.journal.items() if amount}
    for key in wanted.keys() | posted.keys():
        must(
            posted.get(key, ZERO) == wanted.get(key, ZERO),
            "posted",
            float(posted.get(key, ZERO)),
            "not",
            float(wanted.get(key, ZERO)),
            "for",
            key,
        )


def agree_on_bills(book: Book, found: Figures) -> None:
    notes = {note for note, _ in book.credit_notes}
    must(set(found.bills) == set(book.bills) | notes, "bills came or went")
    numbers: dict[tuple[UUID, str], list[str]] = {}
    for row in found.bills.values():
        if row.number:
            numbers.setdefault((row.entity_id, row.kind), []).append(row.number)
    for key, given in book.numbers.items():
        must(sorted(numbers.get(key, [])) == sorted(given), "numbers", numbers.get(key), "not", given)
        ends = sorted(int("".join(c for c in number if c.isdigit())) for number in given)
        must(ends == list(range(ends[0], ends[0] + len(ends))), "numbers with a gap:", given)
    for bill in book.bills.values():
        row, lines = found.bills[bill.id], found.lines[bill.id]
        must(fraction(row.open_amount) == bill.open, row.number, "has", row.open_amount, "open, not", float(bill.open))
        must(
            {line.id: fraction(line.net) for line in lines} == {key: line.net for key, line in bill.lines.items()},
            "the lines of a bill changed by themselves",
        )
        net = sum((fraction(line.net) for line in lines), ZERO)
        tax = sum((fraction(line.tax) for line in lines), ZERO)
        must(
            (fraction(row.net), fraction(row.tax), fraction(row.gross)) == (net, tax, net + tax), "lines do not add up"
        )
        agree_on_tax(bill, lines)
        agree_on_rows(bill, found)
        if bill.number:
            agree_on_paper(row)
            must((row.issued_on, row.due_on) == (bill.issued_on, bill.due_on), "the dates of a bill changed")


def agree_on_tax(bill: Bill, lines: list[Any]) -> None:
    by_rate: dict[tuple[str, Fraction], Fraction] = {}
    for line in lines:
        key = line.tax_treatment, fraction(line.tax_percent)
        by_rate[key] = by_rate.get(key, ZERO) + fraction(line.tax)
        if not bill.by_total:
            own = half_up(fraction(line.net) * key[1] / 100, bill.currency)
            must(fraction(line.tax) == own, "a line's tax is", line.tax, "not", float(own))
    must(by_rate == dict(bill.tax_by_rate()), "tax by rate", by_rate, "not", dict(bill.tax_by_rate()))


def agree_on_rows(bill: Bill, found: Figures) -> None:
    rows = found.rows[bill.id]
    must(set(rows) == set(bill.rows), "what lies on a bill changed by itself")
    for row in bill.rows.values():
        its = rows[row.item.id]
        said = its.treatment, *map(fraction, (its.value, its.billed, its.written, its.carried))
        mine = row.treatment, row.value, row.billed, row.written, row.carried
        must(said == mine, "an item on a bill changed by itself:", said, "not", mine)
        must(row.billed + row.carried == row.value + row.written, "an item's amounts do not add up")
        if not bill.number and row.treatment != "later":
            must(row.value == row.item.open, "an item on a draft is not what is open of it")
        must(
            fraction(its.billed) == half_up(fraction(its.billed), bill.currency),
            "billed a fraction of the smallest unit",
        )
        if row.treatment == "bill" and not bill.void:
            place = row.item.work.client, row.item.work.currency
            must(place == (bill.client, bill.currency), "somebody is billed for another's work")
    for line in bill.lines.values():
        mine = [row for row in bill.rows.values() if row.line == line.id and row.treatment == "bill"]
        if mine or line.kind in ("fee", "expense"):
            must(sum((row.billed for row in mine), ZERO) == line.net, "a line is not what is billed of its entries")


def agree_on_paper(row: Any) -> None:
    """What is printed adds up."""
    facts = row.facts
    lines = [(Fraction(line["net"]), Fraction(line["tax"])) for line in facts["lines"]]
    taxes = [(Fraction(each["net"]), Fraction(each["tax"])) for each in facts["taxes"]]
    said = Fraction(facts["net"]), Fraction(facts["tax"]), Fraction(facts["gross"])
    for line in facts["lines"]:
        price = Fraction(line["quantity"]) * Fraction(line["unit_price"])
        must(half_up(price, row.currency) == Fraction(line["net"]), "a printed line is not its quantity at its price")
    for rows in (lines, taxes):
        must(
            (sum((n for n, _ in rows), ZERO), sum((t for _, t in rows), ZERO)) == said[:2], "the paper does not add up"
        )
    must(
        said == (fraction(row.net), fraction(row.tax), fraction(row.gross)) and said[0] + said[1] == said[2],
        "the paper says other sums than the bill",
    )


def agree_on_payments(book: Book, found: Figures) -> None:
    must(set(found.payments) == set(book.payments), "payments came or went")
    wanted = {(p.id, bill): part for p in book.payments.values() for bill, part in p.parts.items() if part}
    must(dict(found.parts) == wanted, "money lies on", dict(found.parts), "not", wanted)
    for payment in book.payments.values():
        must(payment.left >= 0, "more is allocated than was received")


def agree_on_kept(book: Book, found: Figures) -> None:
    """Kept sums against the items, open bills and payments themselves, not only against postings."""
    wanted: dict[tuple[str, str], dict[UUID, Fraction]] = {}

    def add(account: str, currency: str, client: UUID, amount: Fraction) -> None:
        sums = wanted.setdefault((account, currency), {})
        sums[client] = sums.get(client, ZERO) + amount

    for item in book.items.values():
        add("wip", item.work.currency, item.work.client, item.open)
    for bill in book.bills.values():
        add("receivable", bill.currency, bill.payer, bill.open)
    for payment in book.payments.values():
        add("credit", payment.currency, payment.payer, -payment.left)
    for (account, currency), sums in wanted.items():
        held = {client: amount for client, amount in sums.items() if amount}
        for kept in ("balance", "client"):
            must(found.kept.get((kept, account, currency), {}) == held, kept, "of", account, "differs in", currency)
        total = found.kept.get(("account", account, currency), {}).get(None, ZERO)
        must(total == sum(held.values(), ZERO), "the sum of", account, currency, "is", float(total))


__all__ = ["BILLED", "DRAFTED", "Broken", "Machine", "NotFound", "Refused", "agree", "last_of_month"]
