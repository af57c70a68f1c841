"""What each session was told of its acts: what they were to make and how they ended, held against what is there."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from app.billing.models import Invoice
from app.core.db import db
from app.core.ids import new_id
from tests.trial.figures import asked, closed_hash

TABLES = ("time_entry", "expense", "invoice", "payment")
DONE, REFUSED = "done", "refused"
_ITS = threading.local()


@dataclass
class Log:
    """Of one session. An act whose connection died may be done or not; whole it is in either case."""

    made: dict[UUID, str] = field(default_factory=dict)
    refused: dict[UUID, str] = field(default_factory=dict)
    doubtful: set[UUID] = field(default_factory=set)
    gone: set[UUID] = field(default_factory=set)
    perhaps_gone: set[UUID] = field(default_factory=set)
    bills: dict[UUID, tuple[str, Decimal]] = field(default_factory=dict)
    closed: dict[tuple[UUID, dt.date], str] = field(default_factory=dict)
    results: Counter[str] = field(default_factory=Counter)
    wanted: set[UUID] = field(default_factory=set)
    leaving: set[UUID] = field(default_factory=set)
    numbered: list[Invoice] = field(default_factory=list)

    def begin(self) -> None:
        """From now on, what this thread does is told to this log."""
        _ITS.log, self.wanted, self.leaving, self.numbered = self, set(), set(), []

    def end(self, result: str, act: str) -> None:
        self.results[result] += 1
        if result == DONE:
            self.made |= {each: act for each in self.wanted}
            self.gone |= self.leaving
            self.bills |= {bill.id: (bill.number, bill.gross) for bill in self.numbered if bill.number}
        elif result == REFUSED:
            self.refused |= {each: act for each in self.wanted}
        else:
            self.doubtful |= self.wanted
            self.perhaps_gone |= self.leaving


def a_new() -> UUID:
    """The id of what an act is to make."""
    made = new_id()
    _ITS.log.wanted.add(made)
    return made


def goes(row: Invoice) -> Invoice:
    """What an act is to take away."""
    _ITS.log.leaving.add(row.id)
    return row


def numbered(bill: Invoice | None) -> None:
    """What an act has issued: its number and amount are what whoever issued it was told."""
    if bill is not None:
        _ITS.log.numbered.append(bill)


def note_closed(log: Log) -> None:
    """Which months are closed by now and what is posted in them: that is what they stay."""
    for entity, through in asked("SELECT entity_id, max(closed_through) FROM closing GROUP BY 1"):
        log.closed.setdefault((entity, through), closed_hash(entity, through))
    db.session.rollback()


def there() -> set[UUID]:
    """Every entry, expense, draft, bill, credit note and payment that there is."""
    found = {row.id for name in TABLES for row in asked(f"SELECT id FROM {name}")}
    db.session.rollback()
    return found


def untrue(logs: list[Log], before: set[UUID]) -> list[str]:
    """Where what is there is not what the sessions were told."""
    rows, found = there(), list[str]()
    gone = {each for log in logs for each in log.gone}
    known = before | {each for log in logs for each in (*log.made, *log.doubtful)}
    for log in logs:
        lost = set(log.made) - rows - gone - {each for other in logs for each in other.perhaps_gone}
        found += [f"{log.made[each]} was done, and is lost: {each}" for each in lost]
        found += [f"{log.refused[each]} was refused, and is there: {each}" for each in set(log.refused) & rows]
        for bill, (number, gross) in log.bills.items():
            said = asked("SELECT number, gross FROM invoice WHERE id = :bill", bill=bill)
            if [tuple(row) for row in said] != [(number, gross)]:
                found.append(f"bill {number} of {gross} is {said} by now")
        for (entity, through), digest in log.closed.items():
            if closed_hash(entity, through) != digest:
                found.append(f"what was closed through {through} has changed")
    found += [f"taken away, and still there: {each}" for each in gone & rows]
    found += [f"nobody was told of {each}" for each in rows - known]
    db.session.rollback()
    return found

