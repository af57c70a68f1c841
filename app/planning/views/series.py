"""Series: what recurs for whom, what comes next, pausing and skipping."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from app.clients.queries import get_client
from app.core.ids import parse_id
from app.core.undo import undo_of
from app.core.web import Answer, arg, me, page_number, redirect_to, submit
from app.desk.guard import guard
from app.people.queries import list_people
from app.planning.cadences import WORDS
from app.planning.commands.occurrences import change_occurrence, create_now, restore_occurrence, skip_occurrence
from app.planning.commands.series import edit_series, end_series, pause_series, resume_series
from app.planning.forecast import pattern_of_series
from app.planning.forms import OccurrenceForm, SeriesForm, SkipForm
from app.planning.models import OccurrenceState, Series, SeriesState
from app.planning.policy import can_apply, can_edit_series
from app.planning.queries import (
    count_redating,
    get_occurrence,
    get_series,
    held_back_because,
    list_occurrences,
    list_series,
    services_with_series,
)

blueprint = guard(Blueprint("series", __name__))


@blueprint.get("/series")
def index() -> Answer:
    service_id, ended = parse_id(arg("service")), arg("show") == "ended"
    rows, more = list_series(seen_by=me(), service_id=service_id, ended=ended, page=page_number())
    return render_template(
        "planning/series_index.html", rows=rows, more=more, page=page_number(), service_id=service_id, ended=ended,
        services=services_with_series(seen_by=me()), told=_told, redating=count_redating(seen_by=me()),
    )


@blueprint.get("/clients/<uuid:client_id>/series")
def client_section(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    rows, _more = list_series(seen_by=me(), client_id=client.id)
    may_apply = can_apply(me())
    return render_template("planning/_client_series.html", client=client, rows=rows, told=_told, may_apply=may_apply)


def _told(series: Series) -> str:
    return WORDS[series.cadence]


@blueprint.get("/series/<uuid:series_id>")
def show(series_id: UUID) -> Answer:
    return _page(get_series(series_id, seen_by=me()))


def _page(
    series: Series, form: SeriesForm | None = None, status: int = 200, *, changing: UUID | None = None,
    own: OccurrenceForm | None = None, why: SkipForm | None = None,
) -> Answer:
    """`changing` is the occurrence that is being changed alone, or skipped with a reason."""
    if form is None and arg("edit"):
        form = SeriesForm(formdata=None)
        form.show(series)
    changing = changing or parse_id(arg("change"))
    occurrences = list_occurrences(series, seen_by=me())
    chosen = next((each for each in occurrences if each.id == changing), None)
    if chosen is not None and own is None:
        own = OccurrenceForm(formdata=None)
        own.show(chosen.by_hand)
    pattern = pattern_of_series(series, series.client)
    html = render_template(
        "planning/series.html", series=series, form=form, told=_told(series), State=OccurrenceState,
        occurrences=occurrences, changing=changing, own=own, why=why or SkipForm(formdata=None),
        held_back=held_back_because(series, seen_by=me()), redating=count_redating(seen_by=me(), series_id=series.id),
        may_edit=can_edit_series(me(), series),
        paused=series.state is SeriesState.PAUSED, ended=series.state is SeriesState.ENDED,
        period_name=lambda occurrence: pattern.name(occurrence.period),
        names={str(person.id): person.name for person in list_people(seen_by=me(), everyone=True)},
    )
    return html, status


@blueprint.post("/series/<uuid:series_id>")
def update(series_id: UUID) -> Answer:
    series = get_series(series_id, seen_by=me())
    form = SeriesForm()
    if submit(form, lambda: edit_series(
        series, form.values(), by=me(), version=form.version.number, because=form.because.data or ""
    )):
        return _back(series_id, "Series saved; what is not created yet follows")
    series = get_series(series_id, seen_by=me())
    form.version.data = str(series.version)
    return _page(series, form, 422)


@blueprint.post("/series/<uuid:series_id>/pause")
def pause(series_id: UUID) -> Answer:
    pause_series(get_series(series_id, seen_by=me()), by=me())
    return _back(series_id, "Paused: no job is created until you resume it")


@blueprint.post("/series/<uuid:series_id>/resumption")
def resume(series_id: UUID) -> Answer:
    catch_up = bool(request.form.get("catch_up"))
    resume_series(get_series(series_id, seen_by=me()), by=me(), catch_up=catch_up)
    return _back(series_id, "Resumed")


@blueprint.post("/series/<uuid:series_id>/end")
def end(series_id: UUID) -> Answer:
    end_series(get_series(series_id, seen_by=me()), by=me())
    return _back(series_id, "Ended; its jobs stay")


@blueprint.post("/occurrences/<uuid:occurrence_id>/job")
def create(occurrence_id: UUID) -> Answer:
    occurrence = get_occurrence(occurrence_id, seen_by=me())
    create_now(occurrence, by=me())
    return _back(occurrence.series_id, f"{occurrence.title} created")


@blueprint.post("/occurrences/<uuid:occurrence_id>/skip")
def skip(occurrence_id: UUID) -> Answer:
    occurrence, form = get_occurrence(occurrence_id, seen_by=me()), SkipForm()
    if submit(form, lambda: skip_occurrence(occurrence, because=form.because.data or "", by=me())):
        undo = undo_of("planning.occurrence.skip", by=me(), occurrence=str(occurrence.id))
        return _back(occurrence.series_id, f"{occurrence.title} is skipped", undo)
    series = get_series(occurrence.series_id, seen_by=me())
    return _page(series, status=422, changing=occurrence_id, why=form)


@blueprint.post("/occurrences/<uuid:occurrence_id>")
def change(occurrence_id: UUID) -> Answer:
    occurrence, form = get_occurrence(occurrence_id, seen_by=me()), OccurrenceForm()
    before, seen = occurrence.by_hand, form.seen.data or None
    if submit(form, lambda: change_occurrence(occurrence, form.values(), by=me(), seen=seen)):
        after = occurrence.by_hand
        undo = undo_of(
            "planning.occurrence.set", by=me(), occurrence=str(occurrence.id), before=before.told(), after=after.digest,
        ) if before != after else ""
        return _back(occurrence.series_id, f"{occurrence.title} is changed, this one alone", undo)
    series = get_series(occurrence.series_id, seen_by=me())
    theirs = get_occurrence(occurrence_id, seen_by=me()).by_hand.digest
    stale = bool(form.form_errors) and seen not in (None, theirs)  # and so they have been told
    if stale:
        form.seen.data = theirs
    return _page(series, status=409 if stale else 422, changing=occurrence_id, own=form)


@blueprint.post("/occurrences/<uuid:occurrence_id>/restoration")
def restore(occurrence_id: UUID) -> Answer:
    occurrence = get_occurrence(occurrence_id, seen_by=me())
    restore_occurrence(occurrence, by=me())
    return _back(occurrence.series_id, f"{occurrence.title} is back")


def _back(series_id: UUID, message: str, undo: str = "") -> Answer:
    return redirect_to(url_for("series.show", series_id=series_id), message, undo=undo)
