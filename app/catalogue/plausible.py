"""Whether the dates of a template make sense together: tried over a year of periods, said in sentences."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

from app.catalogue.blueprints import Blueprint, Dates, dates_of, start_of_job
from app.catalogue.due_rules import BadDueRule
from app.catalogue.models import Cadence
from app.catalogue.statutory import UnknownRule
from app.firm.calendars import WorkingCalendar, calendar_for

MONTHS = {
    Cadence.MONTH: 1, Cadence.QUARTER: 3, Cadence.VAT_QUARTER: 3, Cadence.HALF_YEAR: 6, Cadence.YEAR: 12,
    Cadence.CALENDAR_YEAR: 12, Cadence.TAX_YEAR: 12, Cadence.PAYROLL: 1,
}
FARTHEST = dt.timedelta(days=2 * 366)
SAMPLED = 2027


def doubts(blueprint: Blueprint, cadence: Cadence) -> list[str]:
    """What is odd about the dates of jobs that end with each month of a year; each kind of thing once."""
    calendar, found = calendar_for("NONE"), dict[str, str]()
    if blueprint.due_rule is None and not blueprint.deadlines and not blueprint.step_rules:
        return ["Nothing has a due date: neither the job, nor a step, nor a deadline. Such a job is never late."]
    for period_end in _ends(cadence):
        anchors = sample_of(blueprint, cadence, period_end, calendar)
        try:
            dates = dates_of(blueprint, anchors, calendar)
        except (BadDueRule, UnknownRule):
            return []  # a fault, and told as one
        for what, said in doubts_of(blueprint, dates, anchors["job_start"]):
            found.setdefault(what, said)
    return list(found.values())


def sample_of(
    blueprint: Blueprint, cadence: Cadence, period_end: dt.date, calendar: WorkingCalendar
) -> dict[str, dt.date]:
    """The dates that a job about a period of this length begins with; what is done once has no period."""
    if cadence not in MONTHS:
        return {"period_start": period_end, "period_end": period_end, "job_start": period_end}
    first = period_end.year * 12 + period_end.month - MONTHS[cadence]
    start = dt.date(first // 12, first % 12 + 1, 1)
    return {
        "period_start": start, "period_end": period_end,
        "job_start": start_of_job(blueprint, start, period_end, calendar),
    }


def doubts_of(blueprint: Blueprint, dates: Dates, starts_on: dt.date) -> Iterator[tuple[str, str]]:
    """What is odd about the dates of one job, each with a word for its kind."""
    due_on = dates.due_on
    if due_on is not None and due_on < starts_on:
        yield "job", f"The job is due {_days(due_on, starts_on)} before it starts."
    elif due_on is not None and due_on - starts_on > FARTHEST:
        yield "job", "The job is due years after it starts."
    names = {step.key: step.name for step in blueprint.steps}
    yield from _past_deadlines(blueprint, dates, names)
    for key, day in dates.steps.items():
        if day < starts_on:
            yield key, f"“{names[key]}” is due {_days(day, starts_on)} before the job starts."
        elif day - starts_on > FARTHEST:
            yield key, f"“{names[key]}” is due years after the job starts."
    yield from _clients_days(blueprint, dates)


def _past_deadlines(blueprint: Blueprint, dates: Dates, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A deadline is met by its step where it names one, else at the job's end: whichever is due after it."""
    steps = {each.code: each.met_by for each in blueprint.deadlines if each.met_by in names}
    for code, found in dates.deadlines:
        met_by = steps.get(code)
        due_on = (dates.steps.get(met_by) if met_by else None) or dates.due_on
        if due_on is not None and due_on > found.due:
            who = f"“{names[met_by]}”" if met_by else "The job"
            said = f"{who} is due {_days(found.due, due_on)} after the deadline that it meets, “{found.title}”."
            yield f"deadline {code}", said


def _clients_days(blueprint: Blueprint, dates: Dates) -> Iterator[tuple[str, str]]:
    names: Mapping[str | None, str] = {step.key: step.name for step in blueprint.steps}
    for request in blueprint.requests:
        row = request.row
        wanted, asked, step = dates.requests.get(row.id), dates.asked.get(row.id), dates.steps.get(row.step_key or "")
        if wanted and asked and wanted < asked:
            yield f"{row.id} asked", f"“{row.name}” is wanted {_days(wanted, asked)} before the client is asked for it."
        if wanted and step and wanted > step:
            yield f"{row.id} step", (
                f"“{row.name}” is wanted {_days(step, wanted)} after “{names[row.step_key]}”, which waits for it, "
                "is due."
            )


def _days(earlier: dt.date, later: dt.date) -> str:
    days = (later - earlier).days
    return "a day" if days == 1 else f"{days} days"


def _ends(cadence: Cadence) -> list[dt.date]:
    """When periods of this kind may end in the year that is tried."""
    fixed = {Cadence.TAX_YEAR: dt.date(SAMPLED, 4, 5), Cadence.CALENDAR_YEAR: dt.date(SAMPLED, 12, 31)}
    return [fixed[cadence]] if cadence in fixed else [_last_day(SAMPLED, month) for month in range(1, 13)]


def _last_day(year: int, month: int) -> dt.date:
    return dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1)
