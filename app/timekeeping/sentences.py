"""How what happened to time, expenses and rates reads in a timeline. Amounts of money are never told there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import url_for

from app.activity.sentences import place, sentence
from app.core.wording import day, duration

Data = Mapping[str, Any]


def _time(data: Data) -> str:
    return duration(dt.timedelta(seconds=int(data["seconds"])))


def _on(data: Data) -> str:
    return day(dt.date.fromisoformat(data["on"]))


def _quoted(data: Data) -> str:
    return f"“{data['name']}”"


@sentence("timekeeping.timer.start", icon="play")
def _(data: Data) -> str:
    return f"started the timer on {_quoted(data)}"


@sentence("timekeeping.timer.pause", icon="pause")
def _(data: Data) -> str:
    return f"paused the timer at {_time(data)}"


@sentence("timekeeping.timer.resume", icon="play")
def _(data: Data) -> str:
    return "let the timer run on"


@sentence("timekeeping.timer.discard", icon="trash")
def _(data: Data) -> str:
    return f"discarded a timer of {_time(data)}"


@sentence("timekeeping.timer.restore", icon="undo")
def _(data: Data) -> str:
    return f"took back a timer of {_time(data)}"


@sentence("timekeeping.entry.record", icon="time")
def _(data: Data) -> str:
    return f"recorded {_time(data)} for {_on(data)}"


@sentence("timekeeping.entry.edit", icon="edit")
def _(data: Data) -> str:
    before, after = data["before"], data["after"]
    said = []
    if before["seconds"] != after["seconds"]:
        said.append(f"{_time(before)} to {_time(after)}")
    if before["on"] != after["on"]:
        said.append(f"{_on(before)} to {_on(after)}")
    return f"changed a time entry of {_on(before)}" + (f": {', '.join(said)}" if said else "")


@sentence("timekeeping.entry.split", icon="split")
def _(data: Data) -> str:
    return f"split {_time(data)} off a time entry of {_on(data)}"


@sentence("timekeeping.entry.recharge", icon="time")
def _(data: Data) -> str:
    before, after = _time(data["before"]), _time(data["after"])
    return f"charges {after} instead of {before} for {_on(data)}: the day’s time on the job is rounded as one"


@sentence("timekeeping.entry.value", icon="money")
def _(data: Data) -> str:
    return f"valued a time entry of {_on(data)} that had waited for its rate"


@sentence("timekeeping.expense.value", icon="money")
def _(data: Data) -> str:
    return f"valued an expense of {_on(data)} that had waited for an exchange rate"


@sentence("timekeeping.entry.rejoin", icon="undo")
def _(data: Data) -> str:
    return f"put {_time(data)} back into the time entry of {_on(data)} that it was taken from"


@sentence("timekeeping.entry.delete", icon="trash")
def _(data: Data) -> str:
    return f"deleted {_time(data)} of {_on(data)}"


@sentence("timekeeping.entry.restore", icon="undo")
def _(data: Data) -> str:
    return f"restored {_time(data)} of {_on(data)}"


@sentence("timekeeping.expense.record", icon="money", quote="narrative")
def _(data: Data) -> str:
    return f"recorded an expense of {_on(data)}"


@sentence("timekeeping.expense.edit", icon="edit")
def _(data: Data) -> str:
    return "changed an expense"


@sentence("timekeeping.expense.retax", icon="edit")
def _(data: Data) -> str:
    how = {
        "engagement": "as its engagement", "code": f"by the tax {data['after']['tax_code']}",
        "disbursement": "as a disbursement, outside the scope",
    }
    return f"let the draft bill tax an expense {how[data['after']['bill_tax']]}"


@sentence("timekeeping.expense.delete", icon="trash")
def _(data: Data) -> str:
    return "deleted an expense"


@sentence("timekeeping.expense.restore", icon="undo")
def _(data: Data) -> str:
    return "restored an expense"


@sentence("timekeeping.rate.add", icon="money")
def _(data: Data) -> str:
    return f"set a rate from {day(dt.date.fromisoformat(data['from_on']))}"


@sentence("timekeeping.rate.archive", icon="archive")
def _(data: Data) -> str:
    return "took a rate out of use"


@sentence("timekeeping.rate.restore", icon="undo")
def _(data: Data) -> str:
    return "took a rate into use again"


@place("time_entry")
def _(entry_id: UUID) -> str:
    return url_for("time.show", entry_id=entry_id)


@place("expense")
def _(expense_id: UUID) -> str:
    return url_for("expenses.edit", expense_id=expense_id)
