"""Every date that the filler needs, computed by the product's own planner for each kind of client."""

from __future__ import annotations

import datetime as dt
from typing import Any

from app.catalogue.models import Cadence
from app.firm.calendars import calendar_for
from app.planning.cadences import pattern_of
from app.planning.facts import ClientFacts, Staffing, Team
from app.planning.forecast import Forecast, forecasts_of, horizon
from app.planning.models import Series, SeriesState
from app.planning.periods import PeriodPattern
from app.planning.plans import Wish, plan_job
from app.requests.commands.writing import NewRequest, _items, specs_of
from tests.bench.fill.firm import AFTER, Base
from tests.bench.fill.ids import Kind, bench_id

# A client's kind: office, year end and VAT stagger go by its number, so that twelve kinds cover all.
COMBINATIONS = 12
YEAR_ENDS = ((12, 31), (3, 31), (6, 30), (9, 30))
JOBS_OF = (3, 7)
NAME = "@@"
CADENCES = (Cadence.YEAR, Cadence.VAT_QUARTER)
Tables = dict[str, list[tuple[Any, ...]]]


def tables_for(base: Base, today: dt.date) -> Tables:
    """The rows of the planning tables, by table."""
    names = ("job_plan", "task_plan", "occurrence_plan", "series_plan", "step", "after", "item")
    tables: Tables = {name: [] for name in names}
    for combination in range(COMBINATIONS):
        _plan_kind(tables, base, combination, today)
    _describe_steps(tables, base)
    return tables


def _plan_kind(tables: Tables, base: Base, combination: int, today: dt.date) -> None:
    client = _client(base, combination)
    jobs = []
    for number, blueprint in enumerate(base.blueprints):
        pattern = pattern_of(CADENCES[number], client)
        assert pattern is not None
        series = _series(number, pattern, today)
        found = forecasts_of(series, blueprint, NAMES[number], client, horizon(today))
        made = [forecast for forecast in found if forecast.create_on <= today]
        series.anchor_on = made[-JOBS_OF[number]].period_start
        found = [forecast for forecast in found if forecast.period_start >= series.anchor_on]
        tables["series_plan"].append((
            combination, number, series.cadence.value, series.anchor_on, horizon(today),
        ))
        jobs += [(forecast.starts_on, number, forecast) for forecast in made[-JOBS_OF[number]:]]
        tables["occurrence_plan"] += [
            (combination, number, n, *_facts(forecast), forecast.create_on <= today) for n, forecast in enumerate(found)
        ]
    for j, (_, number, forecast) in enumerate(sorted(jobs, key=lambda job: job[:2])):
        _plan_job(tables, base, client, combination, j, number, forecast)


def _facts(forecast: Forecast) -> tuple[Any, ...]:
    f = forecast
    return (f.period_start, f.period_end, f.create_on, f.starts_on, f.due_on, f.title)


def _plan_job(
    tables: Tables, base: Base, client: ClientFacts, combination: int, j: int, number: int, forecast: Forecast
) -> None:
    blueprint = base.blueprints[number]
    pattern = pattern_of(CADENCES[number], client)
    nobody = Staffing(frozenset(), frozenset())
    plan = plan_job(client, blueprint, NAMES[number], Wish(pattern, forecast.period_start), nobody, origin="")
    asked = next((request.asked_on for request in plan.requests), None)
    tables["job_plan"].append((
        combination, j, number, plan.period_start, plan.period_end, plan.period_name, plan.starts_on, plan.due_on,
        plan.title, asked,
    ))
    tables["task_plan"] += [(combination, j, task.step.position, task.due_on) for task in plan.tasks]


NAMES = ("Annual accounts", "VAT return")


def _client(base: Base, combination: int) -> ClientFacts:
    month, day = YEAR_ENDS[combination % 4]
    calendar = calendar_for(("GB-ENG", "GB-SCT")[combination % 2])
    return ClientFacts(base.offices[0], NAME, month, day, 1 + combination % 3, None, None, Team(), calendar)


def _series(number: int, pattern: PeriodPattern, today: dt.date) -> Series:
    """Beginning early enough; its real beginning is found from what it gives."""
    start = pattern.containing(today - dt.timedelta(days=5 * 365)).start
    return Series(
        client_id=bench_id(Kind.CLIENT, 0), state=SeriesState.ACTIVE, cadence=CADENCES[number],
        anchor_on=start, ahead_days=14, offset_days=0,
    )


def _describe_steps(tables: Tables, base: Base) -> None:
    for number, blueprint in enumerate(base.blueprints):
        tables["step"] += [
            (number, step.position, step.key, step.stage_id, step.name, step.kind.value, step.work_role.value,
             int(step.estimate.total_seconds()) if step.estimate else 0)
            for step in blueprint.steps
        ]
    tables["after"] += [(position, before) for position, all_before in AFTER.items() for before in all_before]
    request = base.blueprints[0].requests[0].row
    asked = NewRequest(
        id=request.id, client_id=bench_id(Kind.CLIENT, 0), name=request.name, items=specs_of(request.items)
    )
    tables["item"] += [
        (item.position, item.code, item.kind.value, item.label, item.required, list(item.options))
        for item in _items(asked)
    ]

