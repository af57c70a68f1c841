"""How what happened to jobs and tasks reads in a timeline."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from app.activity.sentences import place, sentence
from app.core.wording import counted, day, duration

Data = Mapping[str, Any]


PRIORITIES = ("normal", "high", "urgent")


def _name(data: Data) -> str:
    return str(data.get("name", "a step"))


def _with_items(data: Data) -> str:
    return f", with {counted(data['items'], 'entry', 'entries')}" if data.get("items") else ""


def _date(text: str | None) -> str:
    return day(dt.date.fromisoformat(text)) if text else "no day"


WORDS: dict[str, Callable[[Data], str]] = {
    "jobs.task.started": lambda d: f"started “{_name(d)}”",
    "jobs.task.completed": lambda d: f"finished “{_name(d)}”",
    "jobs.task.approved": lambda d: f"approved “{_name(d)}”",
    "jobs.task.reopened": lambda d: f"opened “{_name(d)}” again",
    "jobs.task.returned": lambda d: f"sent “{d.get('work_name', 'work')}” back from “{_name(d)}”: {d.get('note', '')}",
    "jobs.task.cancelled": lambda d: f"took “{_name(d)}” out",
    "jobs.task.assigned": lambda d: f"gave “{_name(d)}” to {'somebody else' if d.get('to') else 'nobody yet'}",
    "jobs.task.snoozed": lambda d: f"put “{_name(d)}” off to {_date(d.get('until'))}"
    if d.get("until") else f"took “{_name(d)}” back into My work",
    "jobs.task.redated": lambda d: f"moved “{_name(d)}” from {_date(d.get('before'))} to {_date(d.get('due_on'))}, "
    "as it counts from an earlier step",
    "jobs.task.reckoned": lambda d: f"says that {hours(d['left'])} of “{_name(d)}” are left"
    if d.get("left") is not None else f"took back what was said to be left of “{_name(d)}”",
    "jobs.task.added": lambda d: f"added the step “{_name(d)}”",
    "jobs.task.changed": lambda d: f"changed {', '.join(_said(d))} of “{_name(d)}”",
    "jobs.task.waiting": lambda d: f"set “{_name(d)}” to wait for the client",
    "jobs.task.answered": lambda d: f"opened “{_name(d)}”: the client has answered",
    "jobs.task.opened": lambda d: f"opened “{_name(d)}”: its waiting time is over",
    "jobs.checklist.ticked": lambda d: f"ticked “{d.get('item', '')}”",
    "jobs.checklist.unticked": lambda d: f"took back the tick at “{d.get('item', '')}”",
    "jobs.dependency.added": lambda d: f"put “{_name(d)}” after “{d.get('after_name', '')}”",
    "jobs.dependency.removed": lambda d: f"no longer puts “{_name(d)}” after “{d.get('after_name', '')}”",
    "jobs.job.created": lambda d: f"made the job “{d.get('title', '')}”",
    "jobs.job.changed": lambda d: f"changed {', '.join(_said(d))} of the job" + _because(d),
    "jobs.job.redated": lambda d: f"moved {counted(len(d.get('dates', ())), 'date')}: {_dates(d)}" + _because(d),
    "jobs.job.dated": lambda d: f"set the date “{_name(d)}” to {_date(d.get('on'))}",
    "jobs.job.unlocked": lambda d: "let the job's due date follow its rule again",
    "jobs.task.unlocked": lambda d: f"let the date of “{_name(d)}” follow its rule again",
    "jobs.job.moved": lambda d: f"moved the job to {d.get('stage', 'another stage')}",
    "jobs.job.left": lambda d: f"moved the job out of “{_name(d)}”" + _with_items(d),
    "jobs.job.transferred": lambda d: f"moved the job to “{_name(d)}”" + _with_items(d),
    "jobs.job.held": lambda d: "put the job on hold" + _because(d),
    "jobs.job.resumed": lambda d: "took the job up again",
    "jobs.job.completed": lambda d: "completed the job",
    "jobs.job.cancelled": lambda d: "cancelled the job" + _because(d),
    "jobs.job.prioritised": lambda d: f"set the job's priority to {PRIORITIES[int(d.get('priority', 0))]}",
    "jobs.job.handed_over": lambda d: (
        f"took over {counted(d.get('tasks', 0), 'step')} and {counted(d.get('jobs', 0), 'job')}"
    ),
    "jobs.role.set": lambda d: (
        f"made {d['person']} the job's {d.get('role', 'team member')}" if d.get("person")
        else f"left the job without a {d.get('role', 'team member')} of its own"
    ),
    "jobs.deadline.satisfied": lambda d: f"met the deadline “{_name(d)}”" + _met(d),
    "jobs.deadline.added": lambda d: f"added the deadline “{_name(d)}” on {_date(d.get('due'))}" + _noted(d),
    "jobs.deadline.changed": lambda d: f"put the deadline “{_name(d)}” right{_move(d)}" + _noted(d),
    "jobs.deadline.extended": lambda d: f"extended the deadline “{_name(d)}”{_move(d)}" + _noted(d),
    "jobs.deadline.renewed": lambda d: f"confirmed the law of {d.get('edition', '')} for “{_name(d)}”{_move(d)}",
    "jobs.deadline.missed": lambda d: f"says: the deadline “{_name(d)}” on {_date(d.get('due'))} was missed",
    "jobs.deadline.waived": lambda d: f"waived the deadline “{_name(d)}”: {d.get('note', '')}",
    "jobs.deadline.reopened": lambda d: f"opened the deadline “{_name(d)}” again",
}
COLUMNS = {"due_on": "due date", "starts_on": "start", "owner_id": "owner"}


def _said(data: Data) -> list[str]:
    return [COLUMNS.get(name, name.replace("_", " ")) for name in data.get("changed", {})] or ["something"]


def hours(seconds: int) -> str:
    return f"{duration(dt.timedelta(seconds=seconds))} h"


def _move(data: Data) -> str:
    before, due = data.get("before"), data.get("due")
    return f" from {_date(before)} to {_date(due)}" if before != due else ""


def _noted(data: Data) -> str:
    said = [text for text in (data.get("note"), data.get("reference")) if text]
    return f": {', '.join(said)}" if said else ""


def _dates(data: Data) -> str:
    moved = data.get("dates", ())
    said = [f"{each['name']} from {_date(each['before'])} to {_date(each['after'])}" for each in moved[:4]]
    return "; ".join(said) + (f" and {len(moved) - 4} more" if len(moved) > 4 else "")


def _met(data: Data) -> str:
    when = f" on {_date(data.get('on'))}{', late' if data.get('late') else ''}" if data.get("on") else ""
    return when + (f" ({data['note']})" if data.get("note") else "")


def _because(data: Data) -> str:
    return f": {data['because']}" if data.get("because") else ""


for _kind, _words in WORDS.items():
    sentence(_kind)(_words)


@place("job")
def _job_place(subject_id: UUID) -> str:
    return f"/jobs/{subject_id}"


@place("task")
def _task_place(subject_id: UUID) -> str:
    return f"/tasks/{subject_id}"
