"""Creating jobs from plans."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.catalogue.commands import (
    DeadlineValues,
    StageValues,
    add_deadline,
    draft_next_version,
    edit_stage,
    move_stage,
    publish_template,
)
from app.catalogue.models import Stage, WorkRole
from app.catalogue.queries import get_blueprint, get_service
from app.core.actors import SYSTEM
from app.core.errors import NotAllowed, NotFound
from app.jobs.commands.dependencies import add_dependency
from app.jobs.models import ChecklistItem, Deadline, Dependency, Job, JobRole, Task, TaskState
from app.jobs.queries.deadlines import met_by
from app.planning.commands.create import create_planned_job
from app.planning.facts import client_facts, staffing
from app.planning.periods import PeriodKind, PeriodPattern
from app.planning.plans import JobPlan, Known, Wish, plan_job
from app.requests.models import ClientRequest, RequestState
from tests.make import Cast, count
from tests.planning.make_planning import make_service

OCTOBER = dt.date(2026, 10, 15)


def plan(cast: Cast, *, client: str = "acme", **wish: object) -> JobPlan:
    service, template = make_service()
    chosen = getattr(cast, client)
    facts = client_facts([chosen.id], service.id, seen_by=SYSTEM)[chosen.id]
    asked = Wish(PeriodPattern(PeriodKind.MONTH), OCTOBER, **wish)  # type: ignore[arg-type]
    return plan_job(facts, get_blueprint(template.id), service.name, asked, staffing(), origin="test:1")


def plan_again(cast: Cast, template_id: UUID) -> JobPlan:
    blueprint = get_blueprint(template_id)
    facts = client_facts([cast.rival.id], blueprint.service_id, seen_by=SYSTEM)[cast.rival.id]
    wish = Wish(PeriodPattern(PeriodKind.MONTH), OCTOBER)
    return plan_job(facts, blueprint, "Books", wish, staffing(), origin="test:2")


def test_a_plan_tells_title_dates_and_owners_before_anything_is_made(cast: Cast) -> None:
    planned = plan(cast, roles={WorkRole.PREPARER: cast.sam.id})
    assert planned.title == "Acme Ltd Bookkeeping Oct 2026"
    assert (planned.starts_on, planned.due_on) == (dt.date(2026, 11, 1), dt.date(2026, 11, 30))
    assert [task.due_on for task in planned.tasks] == [
        dt.date(2026, 11, 4), dt.date(2026, 11, 11), dt.date(2026, 11, 30),
    ]
    assert [task.assignee_id for task in planned.tasks] == [cast.sam.id, cast.sam.id, cast.mel.id]
    assert planned.dates.deadlines[0][1].due == dt.date(2026, 12, 7)
    assert count(Job) == 0


def test_the_clients_state_moves_a_deadline_where_the_law_says_so(cast: Cast) -> None:
    service, template = make_service(rule="US-1040")
    cast.acme.country, cast.acme.region = "US", "MA"
    cast.rival.country, cast.rival.region = "US", "NY"
    known: Known = {}
    due = []
    for client in (cast.acme, cast.rival):
        facts = client_facts([client.id], service.id, seen_by=SYSTEM)[client.id]
        asked = Wish(PeriodPattern(PeriodKind.YEAR), dt.date(2023, 6, 1))
        planned = plan_job(
            facts, get_blueprint(template.id), service.name, asked, staffing(), origin="test", known=known
        )
        due.append(planned.dates.deadlines[0][1].due)
    assert due == [dt.date(2024, 4, 17), dt.date(2024, 4, 15)]


def test_creating_a_plan_makes_the_job_with_all_its_parts(cast: Cast, session: Session) -> None:
    planned = plan(cast, roles={WorkRole.PREPARER: cast.sam.id})
    job_id, made = create_planned_job(planned, by=cast.actor(cast.mel), hold_requests=True)
    job = session.get_one(Job, job_id)
    tasks = session.scalars(sa.select(Task).where(Task.job_id == job_id).order_by(Task.position)).all()
    assert made and job.title == planned.title and job.tasks_total == 3 and job.period_end == dt.date(2026, 10, 31)
    assert [task.name for task in tasks] == ["Collect", "Post", "Review"]
    assert [task.state for task in tasks][1:] == [TaskState.BLOCKED, TaskState.BLOCKED]
    assert tasks[0].estimate == dt.timedelta(hours=1) and tasks[0].waited_on_by == 1
    assert session.scalars(sa.select(ChecklistItem.text).order_by(ChecklistItem.position)).all() == ["Bank", "Cards"]
    assert session.scalars(sa.select(Dependency.lag_days).where(Dependency.task_id == tasks[2].id)).all() == [2]
    assert session.scalars(sa.select(Deadline)).one().effective_on == dt.date(2026, 12, 7)
    assert session.scalars(sa.select(JobRole.person_id)).all() == [cast.sam.id]
    request = session.scalars(sa.select(ClientRequest)).one()
    assert request.task_id == tasks[0].id and request.due_on == dt.date(2026, 11, 10)


def test_a_job_keeps_which_part_of_its_template_each_of_its_own_is(cast: Cast, session: Session) -> None:
    service, template = make_service(publish=False)
    add_deadline(template, DeadlineValues("UK-VAT", met_by="post"), by=SYSTEM)
    add_deadline(template, DeadlineValues("UK-CT600"), by=SYSTEM)
    publish_template(template, by=SYSTEM)
    facts = client_facts([cast.acme.id], service.id, seen_by=SYSTEM)[cast.acme.id]
    wish = Wish(PeriodPattern(PeriodKind.MONTH), OCTOBER)
    planned = plan_job(facts, get_blueprint(template.id), service.name, wish, staffing(), origin="test:keys")
    create_planned_job(planned, by=SYSTEM)
    tasks = {task.step_key: task for task in session.scalars(sa.select(Task))}
    meets = dict(session.execute(sa.select(Deadline.code, Deadline.met_by_task_id)).all())
    assert meets == {"UK-VAT": tasks["post"].id, "UK-CT600": None}, "without a step it is the last required one"
    assert [each.code for each in met_by(tasks["post"])] == ["UK-VAT"]
    assert [each.code for each in met_by(tasks["review"])] == ["UK-CT600"]
    lines = session.execute(sa.select(ChecklistItem.key, ChecklistItem.text).order_by(ChecklistItem.position)).all()
    assert [tuple(line) for line in lines] == [("bank", "Bank"), ("cards", "Cards")]
    assert session.scalars(sa.select(Dependency.from_template)).all() == [True, True]
    add_dependency(tasks["post"], after=tasks["collect"], by=cast.actor(cast.mel))
    add_dependency(tasks["review"], after=tasks["post"], lag_days=3, by=cast.actor(cast.mel))
    add_dependency(tasks["review"], after=tasks["collect"], by=cast.actor(cast.mel))
    session.expire_all()
    said = session.execute(sa.select(Dependency.lag_days, Dependency.from_template)).all()
    assert sorted(map(tuple, said)) == [(0, False), (0, True), (3, False)], "what a person changed is a person's"


def test_a_stage_renamed_and_moved_is_the_same_one_for_its_jobs_and_for_the_next_version(
    cast: Cast, session: Session
) -> None:
    planned = plan(cast)
    job = session.get_one(Job, create_planned_job(planned, by=SYSTEM, hold_requests=True)[0])
    service = get_service(planned.blueprint.service_id, seen_by=SYSTEM)
    first, second = service.stages[0].id, service.stages[1].id
    edit_stage(service, first, StageValues("Papers in"), by=SYSTEM)
    move_stage(service, first, 1, by=SYSTEM)
    draft = draft_next_version(service, by=SYSTEM)
    publish_template(draft, by=SYSTEM)
    session.expire_all()
    assert [stage.id for stage in get_service(service.id, seen_by=SYSTEM).stages][:2] == [second, first]
    assert job.stage_id == first == get_blueprint(draft.id).steps[0].stage_id
    again = plan_again(cast, draft.id)
    other = session.get_one(Job, create_planned_job(again, by=SYSTEM, hold_requests=True)[0])
    assert other.stage_id == first and session.get_one(Stage, first).name == "Papers in"


def test_creating_the_same_origin_again_makes_nothing(cast: Cast) -> None:
    planned = plan(cast)
    first, made = create_planned_job(planned, by=SYSTEM, hold_requests=True)
    again, made_again = create_planned_job(planned, by=SYSTEM, hold_requests=True)
    assert (made, made_again) == (True, False) and first == again and count(Job) == 1


def test_readiness_at_creation_is_what_the_graph_gives(cast: Cast, session: Session) -> None:
    from app.jobs.commands.readiness import settle

    job_id, _made = create_planned_job(plan(cast), by=SYSTEM, hold_requests=True)
    before = session.execute(sa.select(Task.id, Task.state, Task.waited_on_by)).all()
    settle([job_id])
    session.expire_all()
    assert sorted(session.execute(sa.select(Task.id, Task.state, Task.waited_on_by)).all()) == sorted(before)


def test_nobody_is_assigned_across_a_wall(cast: Cast) -> None:
    planned = plan(cast, client="rival", roles={WorkRole.PREPARER: cast.wes.id}, owner_id=cast.wes.id)
    assert [task.assignee_id for task in planned.tasks] == [None, None, cast.mel.id]
    assert planned.owner_id == cast.mel.id and WorkRole.PREPARER not in planned.roles


def test_wes_finds_nothing_to_plan_for_rival_and_otto_may_not_at_all(cast: Cast) -> None:
    service, _template = make_service("Payroll")
    assert client_facts([cast.rival.id], service.id, seen_by=cast.actor(cast.wes)) == {}
    planned = plan(cast, client="rival")
    with pytest.raises(NotAllowed):
        create_planned_job(planned, by=cast.contact(cast.otto))
    from dataclasses import replace

    manager_behind_wall = replace(cast.actor(cast.mel), walled_clients=frozenset({cast.rival.id}))
    with pytest.raises(NotFound):
        create_planned_job(planned, by=manager_behind_wall)


def test_a_step_waits_for_its_request_from_the_first_day_though_nothing_is_asked_yet(
    cast: Cast, session: Session
) -> None:
    job_id, _made = create_planned_job(plan(cast), by=cast.actor(cast.mel))
    first = session.scalars(sa.select(Task).where(Task.job_id == job_id, Task.step_key == "collect")).one()
    request = session.scalars(sa.select(ClientRequest).where(ClientRequest.job_id == job_id)).one()
    assert request.state is RequestState.SCHEDULED and first.waits_for_client and first.state is TaskState.WAITING
    assert request.send_on == dt.date(2026, 11, 2), "the period has ended on a Saturday, so on the Monday"
    job = session.get_one(Job, job_id)
    assert (job.waiting_items, job.waiting_total) == (0, 0)
