"""What a ready service says. Steps and stages are named by their words; rules are the due rules of the editor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.catalogue.due_rules import DueRule, days, months, working_days
from app.catalogue.models import Cadence, StepKind, WorkRole

TODO, DOING, REVIEW, FILE, DONE = "To do", "In progress", "Review", "Filing", "Done"
STAGES = (
    (TODO, "We have this on our list"), (DOING, "We are working on it"), (REVIEW, "We are checking it"),
    (FILE, "We are sending it off"), (DONE, "Done"),
)


@dataclass(frozen=True)
class LibraryStep:
    """`after` names the steps that come before; `minutes` is the estimate."""

    name: str
    stage: str
    minutes: int
    due: DueRule | None = None
    after: tuple[str, ...] = ()
    role: WorkRole = WorkRole.PREPARER
    kind: StepKind = StepKind.WORK
    checks: tuple[str, ...] = ()
    instructions: str = ""
    lag_days: int = 0


@dataclass(frozen=True)
class LibraryRequest:
    """What is asked of the client; `step` waits for it. `asked` is when; else when the step opens after the period."""

    name: str
    step: str
    message: str
    items: tuple[dict[str, Any], ...]
    due: DueRule | None = None
    asked: DueRule | None = None


@dataclass(frozen=True)
class LibraryDeadline:
    """A rule of the statutory table, whose source it cites; `trigger` is what it counts from, else the period's end.

    `met_by` names the step that meets it, where that is not the last required one.
    """

    rule: str
    trigger: DueRule | None = None
    met_by: str = ""


@dataclass(frozen=True)
class LibraryService:
    """One ready service. `own_engagement`: each job is a matter of its own."""

    code: str
    name: str
    area: str
    place: str
    description: str
    cadence: Cadence
    due: DueRule
    steps: tuple[LibraryStep, ...]
    title: str = "{client} {service} {period}"
    requests: tuple[LibraryRequest, ...] = ()
    deadlines: tuple[LibraryDeadline, ...] = ()
    start: DueRule | None = None
    stages: tuple[tuple[str, str], ...] = STAGES
    own_engagement: bool = False


def review(name: str, minutes: int, due: DueRule | None, after: tuple[str, ...], *,
           role: WorkRole = WorkRole.REVIEWER, checks: tuple[str, ...] = ()) -> LibraryStep:
    """Somebody other than the preparer looks at it."""
    return LibraryStep(name, REVIEW, minutes, due, after, role, StepKind.REVIEW, checks)


def upload(label: str, help: str = "", *, required: bool = True) -> dict[str, Any]:
    return {"kind": "upload", "label": label, "help": help, "required": required}


def ask(kind: str, label: str, *options: str, required: bool = True, help: str = "") -> dict[str, Any]:
    return {"kind": kind, "label": label, "options": list(options), "required": required, "help": help}


def from_end(n: int) -> DueRule:
    """So many working days after the period's end."""
    return DueRule("period_end", (working_days(n),))


def from_start(n: int) -> DueRule:
    """So many working days after the job's start."""
    return DueRule("job_start", (working_days(n),))


def before_due(n: int) -> DueRule:
    """So many working days before the job is due."""
    return DueRule("job_due", (working_days(-n),))


def before(deadline: str, n: int) -> DueRule:
    """So many working days before a deadline of the job."""
    return DueRule(f"deadline:{deadline}", (working_days(-n),))


def months_on(n: int) -> DueRule:
    """So many months after the period's end."""
    return DueRule("period_end", (months(n, keep_month_end=True),))


def days_from_start(n: int) -> DueRule:
    return DueRule("job_start", (days(n),))
