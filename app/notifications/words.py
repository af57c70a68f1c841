"""Notices in words, and where they lead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from app.activity.sentences import address, told
from app.notifications.models import Notice

Data = dict[str, Any]


def _named(data: Data, key: str = "name") -> str:
    return f"“{data.get(key) or 'a step'}”"


def _opened(data: Data) -> str:
    count = len(data.get("readied") or ())
    return f"finished {_named(data)}: {'a step of yours is' if count == 1 else 'steps of yours are'} ready"


WORDS: dict[str, Callable[[Data], str]] = {
    "jobs.task.assigned": lambda d: f"gave you {_named(d)}",
    "jobs.task.added": lambda d: f"added {_named(d)} for you",
    "jobs.task.returned": lambda d: f"sent {_named(d, 'work_name')} back to you: {d.get('note', '')}",
    "jobs.role.set": lambda d: f"made you {d.get('role', 'part of the team')} of a job",
    "jobs.job.handed_over": lambda d: f"handed over to you: {d.get('tasks', 0)} steps, {d.get('jobs', 0)} jobs",
    "jobs.task.completed": _opened,
    "jobs.task.approved": lambda d: f"approved {_named(d)}: your step is ready",
    "jobs.task.cancelled": lambda d: f"took {_named(d)} out: your step is ready",
    "jobs.task.opened": lambda d: f"says: {_named(d)} can begin, its waiting time is over",
    "jobs.task.answered": lambda d: f"says: {_named(d)} can begin, the client has answered",
    "jobs.deadline.missed": lambda d: f"says: the deadline {_named(d)} was missed",
    "requests.request.submitted": lambda d: f"answered {_named(d)}",
    "requests.request.unreachable": lambda d: (
        f"says: {_named(d)} is not asked, nobody at {d.get('client') or 'the client'} has an address and the portal"
    ),
    "planning.edition.find": lambda d: (
        f"says: {_named(d, 'title')} has a newer edition, {d.get('edition')}. Look at what it would move"
    ),
    "marks.comment.add": lambda d: "mentioned you in a comment",
    "runs.run.finish": lambda d: "says: your run has finished",
    "delivery.mail.fail": lambda d: f"says: the mail {_named(d, 'title')} to {d.get('to') or 'a client'} was refused",
    "delivery.mail.delay": lambda d: f"says: the mail {_named(d, 'title')} does not get through; it goes on trying",
    "billing.invoice.submit": lambda d: "asks you to look at a draft bill",
    "billing.invoice.approve": lambda d: f"approved the invoice {d.get('number', '')}".rstrip(),
}
ICONS = {
    "requests.request.unreachable": "request",
    "requests.request.submitted": "request", "jobs.task.returned": "undo", "marks.comment.add": "message",
    "delivery.mail.fail": "mail", "delivery.mail.delay": "mail",
    "jobs.deadline.missed": "late", "planning.edition.find": "scale", "runs.run.finish": "check-circle",
    "billing.invoice.submit": "billing", "billing.invoice.approve": "billing",
}


def words_of(notice: Notice) -> str:
    say = WORDS.get(notice.kind)
    return say(notice.data) if say else told(notice.kind, notice.data)[0]


def icon_of(notice: Notice) -> str:
    return ICONS.get(notice.kind, "work")


def place_of(notice: Notice) -> str:
    """Where the notice leads: its own thing, else its job, else its client."""
    job = notice.data.get("job")
    return (
        address(notice.subject_kind, notice.subject_id)
        or (address("job", UUID(job)) if job else "")
        or (address("client", notice.client_id) if notice.client_id else "")
        or "/inbox"
    )
