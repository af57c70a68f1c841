"""Nothing is orphaned: by a wall, by somebody who leaves, by work that is opened again."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.exc import IntegrityError

from app.catalogue.models import WorkRole
from app.clients.commands import assign_partner, lower_wall, raise_wall
from app.clients.models import Client, Wall
from app.clients.proofs import prove_holders as prove_clients
from app.core.clock import now, today
from app.core.db import db
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.core.permissions import ROLES, Permission, Role
from app.jobs.commands.handover import release_from_the_gone
from app.jobs.commands.jobs import resume_job, set_job_role
from app.jobs.commands.tasks import assign_task, complete_task, reopen_task
from app.jobs.models import Job, JobRole, JobStatus, Task
from app.jobs.proofs import prove_holders
from app.jobs.queries.work import Tab, list_work
from app.people.commands.handing import NeedsAnother, hand_over
from app.people.commands.people import PersonDetails, deactivate_person, edit_person
from app.people.models import Person, PersonSession, PersonState
from app.timekeeping.commands.timers import start_timer
from app.timekeeping.models import TimeEntry, Timer
from app.timekeeping.targets import Target
from tests.jobs.make_jobs import make_chain, make_job, make_task, settle
from tests.make import Cast, count, keep, make_engagement, make_person, sign_in
from tests.planning.make_planning import make_series, make_service


def findings() -> list[str]:
    db.session.expire_all()
    return [found.message for proof in (prove_holders, prove_clients) for found in proof()]


def wall(cast: Cast, person: Person, around: Any, *, by: Person | None = None, **values: Any) -> Wall:
    return raise_wall(new_id(), person, around, "Family", by=cast.actor(by or cast.ada), **values)


def confirmed(client: FlaskClient, person: Person) -> None:
    """Signed in, with the password given again just now."""
    sign_in(client, person)
    db.session.execute(sa.update(PersonSession).values(confirmed_at=now()))


@pytest.fixture
def held(cast: Cast) -> tuple[Job, list[Task]]:
    """A job of Acme that Sam answers for, whose steps and a role are his."""
    job = make_job(cast.acme_work, owner_id=cast.sam.id)
    keep(JobRole(job_id=job.id, work_role=WorkRole.PREPARER, person_id=cast.sam.id))
    return job, make_chain(job, "Post", "Reconcile", "File", assignee_id=cast.sam.id)


def test_a_wall_gives_what_they_hold_there_to_a_colleague(cast: Cast, held: tuple[Job, list[Task]]) -> None:
    job, steps = held
    elsewhere = make_task(make_job(cast.rival_work), assignee_id=cast.sam.id)
    cast.acme.manager_id = cast.acme_work.partner_id = cast.sam.id
    wall(cast, cast.sam, cast.acme, to=cast.mel)
    db.session.expire_all()
    assert {step.assignee_id for step in steps} == {job.owner_id} == {cast.mel.id}
    assert db.session.scalars(sa.select(JobRole.person_id)).all() == [cast.mel.id]
    assert (cast.acme.manager_id, cast.acme_work.partner_id) == (cast.mel.id, cast.mel.id)
    assert elsewhere.assignee_id == cast.sam.id and findings() == []


def test_who_is_named_in_recurring_work_is_replaced_there(cast: Cast) -> None:
    service, _template = make_service("Payroll")
    series = make_series(cast.acme, service, today() - dt.timedelta(days=70))
    series.roles = {"owner": str(cast.sam.id), "preparer": str(cast.sam.id), "reviewer": str(cast.mel.id)}
    db.session.flush()
    wall(cast, cast.sam, cast.acme, to=cast.bea)
    assert series.roles == {"owner": str(cast.bea.id), "preparer": str(cast.bea.id), "reviewer": str(cast.mel.id)}
    deactivate_person(cast.bea, by=cast.actor(cast.pat))
    assert series.roles == {"reviewer": str(cast.mel.id)}, "the team of the client has it again"


def test_what_nobody_takes_stands_in_the_unassigned_list_also_while_it_waits(
    cast: Cast, held: tuple[Job, list[Task]]
) -> None:
    _job, steps = held
    wall(cast, cast.sam, cast.acme_work)
    rows, _more = list_work(Tab.NOBODY, of=cast.mel.id, seen_by=cast.actor(cast.mel))
    assert [row.name for row in rows] == ["Post", "Reconcile", "File"] and rows[1].waits_for == "“Post”"
    assert findings() == [] and {step.assignee_id for step in steps} == {None}


def test_a_timer_that_runs_behind_a_new_wall_becomes_an_entry(cast: Cast) -> None:
    start_timer(new_id(), Target(engagement_id=cast.rival_work.id), by=cast.actor(cast.sam))
    start_timer(new_id(), Target(engagement_id=cast.acme_work.id), by=cast.actor(cast.sam))
    wall(cast, cast.sam, cast.acme)
    assert db.session.scalars(sa.select(TimeEntry.client_id)).all() == [cast.acme.id]
    assert db.session.scalars(sa.select(Timer.client_id)).all() == [cast.rival.id]


def test_the_form_of_a_wall_names_what_they_hold_and_asks_who_takes_it(
    client: FlaskClient, cast: Cast, held: tuple[Job, list[Task]]
) -> None:
    _job, steps = held
    sign_in(client, cast.pat, confirmed=True)
    said = {"id": str(new_id()), "person_id": str(cast.sam.id), "engagement_id": "", "reason": "Former employer"}
    asked = client.post(f"/clients/{cast.acme.id}/walls", data=said)
    assert asked.status_code == 200 and "5 things in hand" in asked.text and "Reconcile" in asked.text
    assert "Former employer" in asked.text and count(Wall) == 1
    answer = client.post(f"/clients/{cast.acme.id}/walls", data={**said, "asked": "yes", "to": str(cast.mel.id)})
    assert answer.status_code == 303
    db.session.expire_all()
    assert count(Wall) == 2 and {step.assignee_id for step in steps} == {cast.mel.id}


def test_whoever_is_walled_off_themselves_is_not_given_it(cast: Cast, held: tuple[Job, list[Task]]) -> None:
    wall(cast, cast.mel, cast.acme)
    with pytest.raises(NeedsAnother, match="Mel must not see all of it"):
        wall(cast, cast.sam, cast.acme, to=cast.mel)
    db.session.expire_all()
    assert {step.assignee_id for step in held[1]} == {cast.sam.id}


def test_the_last_who_could_take_a_wall_down_is_not_kept_away_by_it(cast: Cast) -> None:
    wall(cast, cast.ada, cast.acme)
    with pytest.raises(Refused, match="Nobody would be left who can take this wall down: Pat"):
        wall(cast, cast.pat, cast.acme, by=cast.pat)
    with pytest.raises(Refused, match="Nobody would be left"):
        wall(cast, cast.pat, cast.acme_work, by=cast.pat)
    other = make_engagement(cast.acme, cast.entity, "Payroll")
    with pytest.raises(Refused, match="Nobody would be left"):
        wall(cast, cast.pat, other, by=cast.pat)
    assert count(Wall) == 2, "Wes's, and Ada's"


def behind(person: Person, around: Client) -> Any:
    return sa.insert(Wall).values(
        id=new_id(), person_id=person.id, client_id=around.id, reason="Family", created_at=now()
    )


def test_the_database_itself_keeps_somebody_who_can_take_a_wall_down(cast: Cast) -> None:
    for statement in (
        behind(cast.pat, cast.acme),
        sa.update(Person).where(Person.id == cast.pat.id).values(role=Role.MANAGER),
        sa.update(Person).where(Person.id == cast.pat.id).values(state=PersonState.DEACTIVATED),
    ):
        with pytest.raises(IntegrityError, match="nobody would be left"), db.session.begin_nested():
            db.session.execute(behind(cast.ada, cast.acme))
            db.session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
            db.session.execute(statement)
        db.session.execute(sa.text("SET CONSTRAINTS ALL DEFERRED"))


def test_the_roles_of_the_database_are_those_that_may_edit_walls(cast: Cast) -> None:
    for role in Role:
        able = db.session.scalar(sa.select(sa.func.can_lower_walls(role.value, "active")))
        assert able == (Permission.WALL_EDIT in ROLES[role]), role
        assert not db.session.scalar(sa.select(sa.func.can_lower_walls(role.value, "deactivated")))


def test_the_last_who_could_take_a_wall_down_neither_goes_nor_loses_the_right(cast: Cast) -> None:
    lower_wall(db.session.scalars(sa.select(Wall)).one(), by=cast.actor(cast.pat))
    second = make_person("Quinn", Role.PARTNER, cast.office)
    wall(cast, cast.ada, cast.acme)
    wall(cast, second, cast.acme, by=cast.pat)
    by = cast.actor(second)
    with pytest.raises(Refused, match="Pat is the last who can take down the wall around Acme Ltd"):
        deactivate_person(cast.pat, by=by)
    facts = PersonDetails(name="Pat", email=cast.pat.email, role=Role.MANAGER, office_id=cast.office.id)
    with pytest.raises(Refused, match="Pat is the last"):
        edit_person(cast.pat, facts, by=by)
    deactivate_person(cast.ada, by=by)
    assert cast.ada.state is PersonState.DEACTIVATED, "who is behind the wall may go"


def test_whoever_leaves_hands_over_client_by_client_what_a_wall_keeps_from_the_successor(
    client: FlaskClient, cast: Cast, held: tuple[Job, list[Task]]
) -> None:
    job = make_job(cast.rival_work, "Dispute", owner_id=cast.sam.id)
    (secret,) = make_chain(job, "Secret", assignee_id=cast.sam.id)
    confirmed(client, cast.pat)
    at = f"/people/{cast.sam.id}/deactivation"
    assert "7 things" in (shown := client.get(at).text) and "Secret" in shown
    refused = client.post(at, data={"to": str(cast.wes.id)})
    assert refused.status_code == 422 and "Wes must not see all of it" in refused.text
    asked = f"instead-{cast.rival.id}"
    assert asked in refused.text and f"instead-{cast.acme.id}" not in refused.text
    wall(cast, cast.mel, cast.rival)
    again = client.post(at, data={"to": str(cast.wes.id), asked: str(cast.mel.id)})
    assert again.status_code == 422 and "Mel must not see that either" in again.text
    done = client.post(at, data={"to": str(cast.wes.id), asked: "nobody"}, follow_redirects=True)
    assert "Sam is signed out everywhere; 5 things handed over, 2 things left to nobody" in done.text
    db.session.expire_all()
    assert (secret.assignee_id, job.owner_id, held[0].owner_id) == (None, None, cast.wes.id)
    assert findings() == []


def test_who_holds_nothing_is_out_of_everything(client: FlaskClient, cast: Cast) -> None:
    confirmed(client, cast.pat)
    done = client.post(f"/people/{cast.sam.id}/deactivation", data={"to": ""}, follow_redirects=True)
    assert "Sam is out of everything" in done.text


def test_the_list_of_what_somebody_holds_names_nothing_behind_the_readers_own_wall(
    client: FlaskClient, cast: Cast
) -> None:
    make_chain(make_job(cast.rival_work, "Dispute"), "Secret", assignee_id=cast.sam.id)
    wall(cast, cast.pat, cast.rival)
    sign_in(client, cast.pat)
    shown = client.get(f"/people/{cast.sam.id}/deactivation").text
    assert "1 thing" in shown and "Work that you may not see" in shown
    assert "Secret" not in shown and "Rival" not in shown


@pytest.mark.parametrize("leaving", ["gone", "walled"])
def test_what_is_opened_again_is_not_given_back_to_who_cannot_do_it(
    cast: Cast, held: tuple[Job, list[Task]], leaving: str
) -> None:
    job, steps = held
    complete_task(steps[0], by=cast.actor(cast.sam))
    if leaving == "gone":
        deactivate_person(cast.sam, by=cast.actor(cast.pat), to=cast.mel)
    else:
        wall(cast, cast.sam, cast.acme, to=cast.mel)
    db.session.expire_all()
    assert steps[0].assignee_id == cast.sam.id, "what is done stays his"
    reopen_task(steps[0], by=cast.actor(cast.mel))
    db.session.expire_all()
    assert steps[0].assignee_id is None and findings() == []
    job.status, job.owner_id = JobStatus.CANCELLED, cast.sam.id
    db.session.flush()
    resume_job(job, by=cast.actor(cast.mel))
    db.session.expire_all()
    assert job.owner_id is None and findings() == []


def test_no_role_falls_to_a_partner_who_is_walled_off(cast: Cast) -> None:
    job = make_job(cast.acme_work)
    review = make_task(job, "Review", work_role=WorkRole.REVIEWER, assignee_id=cast.sam.id)
    settle(job)
    keep(Wall(person_id=cast.mel.id, client_id=cast.acme.id, reason="Family", created_at=now()))
    set_job_role(job, WorkRole.REVIEWER, person=None, by=cast.actor(cast.pat))
    db.session.expire_all()
    assert review.assignee_id is None


def test_nobody_becomes_partner_of_a_client_that_they_must_not_see(cast: Cast) -> None:
    with pytest.raises(Refused, match="Wes cannot be given this client"):
        assign_partner(cast.rival, cast.wes, by=cast.actor(cast.pat))


def test_nobody_who_is_gone_becomes_partner_of_a_client(cast: Cast) -> None:
    deactivate_person(cast.sam, by=cast.actor(cast.pat))
    with pytest.raises(Refused, match="Sam does not work here any more"):
        assign_partner(cast.rival, cast.sam, by=cast.actor(cast.pat))


def test_the_proof_names_whatever_is_held_by_somebody_gone_or_walled_off(
    cast: Cast, held: tuple[Job, list[Task]]
) -> None:
    assert findings() == []
    keep(Wall(person_id=cast.sam.id, engagement_id=cast.acme_work.id, reason="Family", created_at=now()))
    assert len(findings()) == 5 and "step Post is held by Sam, who must not see it" in findings()
    cast.mel.state = PersonState.DEACTIVATED
    db.session.flush()
    assert "is answered for by Mel, who is gone" in findings()
    release_from_the_gone({held[0].id})
    assert all("Sam" not in found for found in findings())


def test_only_who_may_gives_the_work_of_one_to_another(cast: Cast, held: tuple[Job, list[Task]]) -> None:
    for actor in (cast.contact(cast.cleo), cast.contact(cast.otto)):
        with pytest.raises(NotAllowed):
            hand_over(cast.sam, to=cast.mel, by=actor)
    with pytest.raises(Refused, match="Choose a colleague who works here"):
        hand_over(cast.sam, to=cast.sam, by=cast.actor(cast.pat))
    given = hand_over(cast.sam, to=cast.mel, by=cast.actor(cast.pat))
    assert (given.given, given.left) == (5, 0)
    again = hand_over(cast.sam, to=cast.mel, by=cast.actor(cast.pat))
    assert (again.given, again.left) == (0, 0), "the second time there is nothing left"


def test_giving_work_to_somebody_waits_for_a_wall_that_is_being_put_up(cast: Cast) -> None:
    """Both take the same turn: it is held together by who gives, alone by who takes all away."""
    assign_task(make_task(make_job(cast.acme_work)), to=cast.sam, by=cast.actor(cast.mel))
    locks = sa.text("SELECT mode FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
    assert "ShareLock" in db.session.scalars(locks).all()
    wall(cast, cast.sam, cast.rival)
    assert "ExclusiveLock" in db.session.scalars(locks).all()
