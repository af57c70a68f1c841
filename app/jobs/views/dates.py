"""The dates of a job: what they count from, what is set by hand, and what would move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from app.catalogue.due_rule_words import describe
from app.core.web import Answer, me, redirect_to, submit
from app.core.wording import counted
from app.desk.guard import guard
from app.jobs.commands.dates import follow_rules, set_named_date, unlock_date
from app.jobs.dates import FOLLOWS_JOB, AnchorsMoved, JobDates, Move, changed_by, difference, drifted
from app.jobs.forms import FollowForm, NamedDateForm, dates_answer
from app.jobs.models import Job
from app.jobs.overruns import overrun_of
from app.jobs.policy import can_edit_job
from app.jobs.queries.dates import dates_of_job, digest_of_moves, get_named, named_anchors
from app.jobs.queries.jobs import get_job
from app.jobs.queries.tasks import get_task

blueprint = guard(Blueprint("job_dates", __name__))
NOT_CARRIED = ("csrf_token", "dates", "seen")


@blueprint.get("/jobs/<uuid:job_id>/dates")
def index(job_id: UUID) -> Answer:
    return _page(get_job(job_id, seen_by=me()))


@blueprint.post("/jobs/<uuid:job_id>/dates")
def update(job_id: UUID) -> Answer:
    """Put what has drifted where its rule says."""
    job, form, moved = get_job(job_id, seen_by=me()), FollowForm(), list[Move]()
    if submit(form, lambda: moved.extend(
        follow_rules(job, seen=form.seen.data or "", because=form.because.data or "", by=me())
    )):
        return redirect_to(url_for("job_dates.index", job_id=job.id), f"{counted(len(moved), 'date')} moved")
    return _page(job, form, status=422)


@blueprint.post("/jobs/<uuid:job_id>/named-dates")
def update_named(job_id: UUID) -> Answer:
    """Fill in a date that the template names."""
    job, form = get_job(job_id, seen_by=me()), NamedDateForm()
    name = form.name.data or ""
    if form.validate() and (asked := question(job, [AnchorsMoved({f"named:{name}": form.on.data})], form)):
        return asked
    if submit(form, lambda: set_named_date(
        job, name, form.on.data, version=form.version.number, answer=dates_answer(form), by=me(),
        because=form.because.data or "",
    )):
        return redirect_to(url_for("job_dates.index", job_id=job.id), "Saved")
    return _page(job, form, status=422)


@blueprint.post("/jobs/<uuid:job_id>/unlocking")
def create_unlocking(job_id: UUID) -> Answer:
    """Let the job's own due date follow its rule again."""
    unlock_date(get_job(job_id, seen_by=me()), by=me())
    return redirect_to(url_for("job_dates.index", job_id=job_id), "Follows its rule again")


@blueprint.post("/tasks/<uuid:task_id>/unlocking")
def create_task_unlocking(task_id: UUID) -> Answer:
    task = get_task(task_id, seen_by=me())
    unlock_date(task, by=me())
    return redirect_to(url_for("job_dates.index", job_id=task.job_id), "Follows its rule again")


def question(job: Job, causes: Sequence[Any], form: Any) -> Answer | None:
    """Ask what becomes of the dates that follow, with the form's fields carried along; None where none would move,
    or once it is answered, with the reason where the job's due date would pass a deadline."""
    answer, reason = form.dates.data, (request.form.get("because") or "").strip()
    if answer == "keep" or (answer == "apply" and reason):
        return None
    dates = dates_of_job(job)
    after = changed_by(dates, causes)
    moves = difference(dates, after)
    if not any(not move.is_locked for move in moves):
        return None
    overrun = None if reason else overrun_of(dates, after, moves)
    if answer == "apply" and not overrun:
        return None
    dropped = {*NOT_CARRIED, "because"} if overrun else NOT_CARRIED
    carried = [(name, value) for name, value in request.form.items(multi=True) if name not in dropped]
    page = render_template(
        "jobs/redating.html", job=job, moves=moves, seen=digest_of_moves(moves), carried=carried, at=request.path,
        overrun=overrun, refused=answer == "apply", moving=sum(not move.is_locked for move in moves),
    )
    return page, 422 if answer else 200


def _page(job: Job, form: NamedDateForm | FollowForm | None = None, status: int = 200) -> tuple[str, int]:
    dates = dates_of_job(job)
    moves = drifted(dates)
    return render_template(
        "jobs/dates.html", job=job, dates=dates, words=_words(dates), moves=[m for m in moves if not m.is_locked],
        would={move.id: move for move in moves if move.is_locked}, seen=digest_of_moves(moves),
        named=[(name, get_named(job, name)) for name in named_anchors(job)], form=form,
        may_edit=can_edit_job(me(), job), overrun=overrun_of(dates, dates, moves),
        follow=form if isinstance(form, FollowForm) else FollowForm(formdata=None),
    ), status


def _words(dates: JobDates) -> dict[UUID, str]:
    """What each date counts from, by whose it is."""
    rules = {dates.id: dates.due_rule} | {step.id: step.rule for step in dates.steps}
    found = {id_: describe(rule) for id_, rule in rules.items() if rule is not None}
    return {id_: "with the job" if text == describe(FOLLOWS_JOB) else text for id_, text in found.items()}


