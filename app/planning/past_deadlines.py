"""Whether a job that is still to be made would be due past one of its deadlines, later than its rule says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from uuid import UUID

from app.catalogue.blueprints import Blueprint, due_and_deadlines, start_of_job
from app.catalogue.queries import get_blueprint
from app.jobs.overruns import Overrun, passed_by
from app.planning.commands.forecasting import facts_for, templates_for
from app.planning.facts import ClientFacts
from app.planning.models import ByHand, Occurrence, OccurrenceState, Series
from app.planning.periods import Period
from app.planning.plans import Wish, anchors_of, start_of


def overrun_of_wish(blueprint: Blueprint, client: ClientFacts, wish: Wish, own: ByHand) -> Overrun | None:
    """Of one client of an application: its own days beside what holds for all."""
    first = wish.starts_on or start_of(blueprint, client, wish.period, wish)
    return _overrun(blueprint, client, wish.period, first, own)


def overrun_of_occurrence(series: Series, period: Period, own: ByHand) -> Overrun | None:
    """Of one period of a series, with what is set for it alone."""
    blueprint, client = get_blueprint(templates_for([series])[series.id]), facts_for([series])[series.id]
    first = start_of_job(blueprint, period.start, period.last_day, client.calendar)
    return _overrun(blueprint, client, period, first + dt.timedelta(days=series.offset_days), own)


def _overrun(
    blueprint: Blueprint, client: ClientFacts, period: Period | None, first: dt.date, own: ByHand
) -> Overrun | None:
    by_rule, _ = due_and_deadlines(blueprint, anchors_of(period, first), client.calendar, region=client.region)
    anchors = anchors_of(period, own.starts_on or first)
    due_on, deadlines = due_and_deadlines(blueprint, anchors, client.calendar, region=client.region)
    return passed_by(own.due_on or due_on, by_rule, {each.title: each.due for each in deadlines.values()})


def overrun_of_series(
    series: Series, occurrences: list[Occurrence], before: Mapping[UUID, dt.date | None]
) -> Overrun | None:
    """The first period to come that another rule of its series makes due later, past a deadline. Days set for one
    period alone were judged when they were set."""
    blueprint, client = get_blueprint(templates_for([series])[series.id]), facts_for([series])[series.id]
    for each in occurrences:
        if each.state is not OccurrenceState.FORECAST or each.id not in before or each.due_by_hand:
            continue
        anchors = anchors_of(each.period, each.starts_on)
        _, deadlines = due_and_deadlines(blueprint, anchors, client.calendar, region=client.region)
        found = passed_by(each.due_on, before[each.id], {one.title: one.due for one in deadlines.values()})
        if found:
            return found
    return None
