"""Dividing an entry that is not billable, but partly written off: nothing is open, before and after."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from app.billing.commands.wip import write_off_items
from app.core import clock
from app.core.ids import new_id
from app.core.proofs import run_proofs
from app.timekeeping.commands.entries import EntryFacts, edit_entry, record_entry
from app.timekeeping.commands.splits import split_entry
from tests.billing.make_billing import make_rate
from tests.make import Cast


def test_dividing_what_is_not_billable_but_partly_written_off_leaves_nothing_open(cast: Cast) -> None:
    make_rate(Decimal(100))
    bea = cast.actor(cast.bea)
    facts: dict[str, Any] = {
        "engagement_id": cast.acme_work.id, "worked_on": clock.today(), "recorded": dt.timedelta(minutes=60),
    }
    e = record_entry(new_id(), EntryFacts(**facts), by=bea)
    write_off_items([e.id], "x", by=bea, percent=Decimal(30))
    edit_entry(e, EntryFacts(**facts, billable=False), by=bea)
    split_entry(e, new_id(), dt.timedelta(minutes=22), by=bea)
    assert not [x for n, fs in run_proofs("billing.") for x in fs]
