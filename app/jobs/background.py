"""What happens to jobs by itself: lags end, plans are made again, people who leave hand over."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import app.jobs.commands.shifts
import app.jobs.copies
import app.jobs.proofs
import app.jobs.sentences  # noqa: F401
from app.activity.commands import reads
from app.activity.models import Event
from app.core.queue import NOW, background
from app.jobs.commands.deadlines import mark_missed
from app.jobs.commands.lags import open_after_lags, recount_lags
from app.jobs.commands.plan import CHUNK, plan_stale_jobs, spread_load_changes, wake_up
from app.jobs.commands.usual import count_usual_times


@background("jobs.plan", every=2, queue=NOW, seconds=300)
def plan_jobs() -> None:
    """Plan again what has changed."""
    while plan_stale_jobs() == CHUNK:
        pass


@background("jobs.load", every=45, queue=NOW, seconds=300)
def spread_load() -> None:
    """Somebody's other work, hours or leave have changed: their jobs may be at risk, or no longer."""
    spread_load_changes()


@background("jobs.usual_times", every=1800, queue=NOW, seconds=600)
def count_usual() -> None:
    count_usual_times()


@background("jobs.open_lagged", every=60, queue=NOW, seconds=300)
def open_lagged() -> None:
    while open_after_lags():
        pass


@background("jobs.missed", every=300, queue=NOW, seconds=300)
def miss_deadlines() -> None:
    """A deadline whose last day is over, where it is kept, was missed."""
    while mark_missed():
        pass


@reads("jobs.calendars", "firm.closure.add", "firm.closure.remove", "firm.office.update", "clients.client.update")
def count_anew(event: Event, data: dict[str, Any]) -> None:
    """A calendar has changed, or a client its office: lags that run there end on another day, and its jobs are planned
    again."""
    # Of an event whose words were erased before it was read nothing is known: counting once more does no harm.
    if event.kind == "firm.office.update":
        if "calendar" in data.get("changes", {"calendar"}):
            recount_lags(event.subject_id)
    elif event.kind == "clients.client.update":
        if "office_id" in data.get("changes", {"office_id"}):
            recount_lags(client_id=event.subject_id)
    else:
        recount_lags(UUID(data["office"]) if data.get("office") else None)


@background("jobs.wake_up", every=600, queue=NOW, seconds=600)
def new_day() -> None:
    """The day has turned: latest starts may have passed."""
    wake_up()
