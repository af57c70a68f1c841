"""The timer bar over every page, and what its buttons do."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, g, render_template, request, url_for
from markupsafe import Markup

from app.core.clock import today
from app.core.db import in_one_piece
from app.core.durations import BadDuration, parse_duration
from app.core.errors import Refused
from app.core.ids import new_id, parse_id
from app.core.web import Answer, id_arg, is_htmx, me, redirect_to
from app.core.wording import duration, moment
from app.desk.guard import guard
from app.timekeeping.commands import timers as commands
from app.timekeeping.lookup import resolve_work
from app.timekeeping.models import TimeEntry
from app.timekeeping.policy import can_record_time
from app.timekeeping.queries import discarded_timer, entry_of_timer, get_timer, list_timers, timers_at_a_glance
from app.timekeeping.targets import Target
from app.timekeeping.too_much import day_note
from app.timekeeping.views.answers import back, told

blueprint = guard(Blueprint("timers", __name__))


def around() -> dict[str, Any]:
    """Every template of the firm's door may draw the bar."""
    return {"timer_bar": _draw}


def _draw(error: str = "", typed: str = "") -> Markup:
    actor = g.get("actor")
    if actor is None or not can_record_time(actor):
        return Markup("")
    timers, total = timers_at_a_glance(seen_by=actor) if g.get("has_timers", True) else ([], 0)
    running = next((timer for timer in timers if timer.running_since), None)
    asks = next((timer for timer in timers if commands.is_forgotten(timer)), None)
    return Markup(
        render_template(
            "timekeeping/_bar.html",
            running=running,
            asks=asks,
            paused=total - (1 if running else 0),
            error=error,
            typed=typed,
            elapsed=commands.elapsed,
            question=question,
        )
    )


def _answer(message: str = "", *, undo: str = "", error: str = "", typed: str = "", meaning: str = "done") -> Answer:
    """The bar for htmx; the page one came from for a plain form."""
    if not is_htmx():
        if error:
            flash(error, "late")
        return redirect_to(back(url_for("time.index")), message)
    response = Response(_draw(error, typed), status=422 if error else 200)
    response.headers.update({"HX-Retarget": "#timer", "HX-Reswap": "innerHTML"})
    return told(response, message, undo=undo, meaning=meaning)


@blueprint.get("/timers")
def index() -> Answer:
    """All of one's timers: what the menu of the bar shows, or a page of it."""
    timers = list_timers(seen_by=me())
    return render_template(
        "timekeeping/_timers.html" if is_htmx() else "timekeeping/timers.html",
        timers=timers,
        running=next((timer for timer in timers if timer.running_since), None),
        elapsed=commands.elapsed,
        is_forgotten=commands.is_forgotten,
        new_id=new_id,
        undo=discarded_timer(id_arg("undo"), seen_by=me()),
    )


@blueprint.get("/timers/bar")
def bar() -> Answer:
    return _draw()


@blueprint.post("/timers")
def create() -> Answer:
    form = request.form
    target = Target.parse(form.get("work", "")) or Target(
        task_id=parse_id(form.get("task_id")),
        job_id=parse_id(form.get("job_id")),
        engagement_id=parse_id(form.get("engagement_id")),
    )
    if not target and (text := form.get("work_text", "").strip()):
        target = resolve_work(text[:200], seen_by=me()) or target
    if not target:
        return _answer(error="Pick a step, a job or an engagement to start the timer on.")
    with in_one_piece():  # the bar is read before the commit: what it shows stands or falls with the timer
        commands.start_timer(parse_id(form.get("timer_id")) or new_id(), target, by=me(), note=form.get("note", ""))
        return _answer("The timer runs")


@blueprint.post("/timers/<uuid:timer_id>/pause")
def pause(timer_id: UUID) -> Answer:
    commands.pause_timer(get_timer(timer_id, seen_by=me()), by=me())
    return _answer()


@blueprint.post("/timers/<uuid:timer_id>/resumption")
def resume(timer_id: UUID) -> Answer:
    try:
        commands.resume_timer(get_timer(timer_id, seen_by=me()), by=me())
    except Refused as refusal:
        return _answer(error=refusal.message)
    return _answer("The timer runs on")


@blueprint.post("/timers/<uuid:timer_id>/note")
def note(timer_id: UUID) -> Answer:
    """Saved as it is typed."""
    text = request.form.get("note", "")
    try:
        commands.note_timer(get_timer(timer_id, seen_by=me()), text, by=me())
    except Refused as refusal:
        return (refusal.message, 422) if is_htmx() else _answer(error=refusal.message)
    return "Saved" if is_htmx() else _answer("Note saved")


@blueprint.post("/timers/<uuid:timer_id>/stop")
def stop(timer_id: UUID) -> Answer:
    typed = request.form.get("recorded", "").strip()[:60]
    try:
        recorded = parse_duration(typed) if typed else None
        entries = _stop(timer_id, recorded)
    except (BadDuration, Refused) as refusal:
        return _answer(error=str(refusal), typed=typed)
    parts = [duration(entry.recorded) + _for_day(entry.worked_on, among=len(entries)) for entry in entries]
    said, odd = f"{' and '.join(parts)} recorded", day_note(entries, seen_by=me())
    return _answer(f"{said}. {odd}" if odd else said, meaning="risk" if odd else "done")


def _for_day(day: dt.date, *, among: int) -> str:
    return "" if day == today() and among == 1 else f" for {day:%-d %B}"


def _stop(timer_id: UUID, recorded: dt.timedelta | None) -> list[TimeEntry]:
    """The entries; pressed twice, the second press finds the one that the first has made."""
    done = entry_of_timer(timer_id, seen_by=me())
    if done is not None:
        return [done]
    return commands.stop_timer(get_timer(timer_id, seen_by=me()), by=me(), recorded=recorded)


@blueprint.post("/timers/<uuid:timer_id>/discard")
def discard(timer_id: UUID) -> Answer:
    timer = get_timer(timer_id, seen_by=me())
    commands.discard_timer(timer, by=me())
    said = f"{duration(timer.gathered)} discarded"
    if not is_htmx():
        return redirect_to(url_for("timers.index", undo=timer.id))
    return _answer(said, undo=url_for("timers.restore", timer_id=timer.id))


@blueprint.post("/timers/<uuid:timer_id>/restoration")
def restore(timer_id: UUID) -> Answer:
    commands.restore_timer(get_timer(timer_id, seen_by=me()), by=me())
    return _answer("The timer is back, paused")


def question(timer: Any) -> str:
    """What the bar asks about a timer that ran on."""
    since = timer.running_since or timer.started_at
    return f"It ran since {moment(since)}: how long did you work?"
