"""Runs: how far they are, what failed; they can be left, found again, stopped and resumed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, url_for

from app.core.web import Answer, arg, me, page_number, respond
from app.desk.guard import guard
from app.runs.commands import can_run, resume_run, stop_run
from app.runs.models import ItemState, Run, RunState
from app.runs.queries import count_items, get_run, items_of, list_runs, progress, told_of

blueprint = guard(Blueprint("runs", __name__))
PER_PAGE = 100
SHOWN = {"failed": ItemState.FAILED, "skipped": ItemState.SKIPPED, "done": ItemState.DONE, "waiting": ItemState.WAITING}


@blueprint.get("/runs")
def index() -> Answer:
    runs = list_runs(seen_by=me(), limit=50)
    return render_template("runs/index.html", runs=[(run, progress(run)) for run in runs[:20]], RunState=RunState)


@blueprint.get("/runs/<uuid:run_id>")
def show(run_id: UUID) -> Answer:
    return render_template("runs/show.html", **_context(get_run(run_id, seen_by=me())))


@blueprint.get("/runs/<uuid:run_id>/progress")
def partial(run_id: UUID) -> Answer:
    return render_template("runs/_run.html", **_context(get_run(run_id, seen_by=me())))


@blueprint.post("/runs/<uuid:run_id>/stop")
def stop(run_id: UUID) -> Answer:
    run = get_run(run_id, seen_by=me())
    stop_run(run, by=me())
    return _again(run)


@blueprint.post("/runs/<uuid:run_id>/resumption")
def resume(run_id: UUID) -> Answer:
    run = get_run(run_id, seen_by=me())
    resume_run(run, by=me())
    return _again(run)


def _again(run: Run) -> Answer:
    return respond("runs/_run.html", to=url_for("runs.show", run_id=run.id), **_context(run))


def _context(run: Run) -> dict[str, Any]:
    """Only items of clients that one may see, each state with how many; how far it is, is of the run itself."""
    shown = arg("show") if arg("show") in SHOWN else ""
    counted = progress(run)
    states = [SHOWN[shown]] if shown else [ItemState.FAILED, ItemState.SKIPPED, ItemState.DONE]
    counts, page = count_items(run, seen_by=me()), page_number()
    return {
        "counts": counts, "listed": sum(counts[state] for state in states), "page": page, "per_page": PER_PAGE,
        "items": items_of(run, *states, seen_by=me(), limit=PER_PAGE, page=page),
        "run": run, "progress": counted, "shown": shown, "running": run.state is RunState.RUNNING,
        "said": told_of(run), "stopped": run.state is RunState.STOPPED, "may_run": can_run(me(), run),
        "ItemState": ItemState,
    }
