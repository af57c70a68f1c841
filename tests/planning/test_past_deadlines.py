"""A job's due date goes past a deadline that is not met only with a reason, whatever moves it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.catalogue.commands import draft_next_version, edit_template, publish_template
from app.catalogue.due_rules import DueRule, days, working_days
from app.catalogue.models import Cadence
from app.catalogue.plausible import doubts
from app.catalogue.queries import get_blueprint, get_service, latest_published
from app.clients.changes import digest_of_effects, effects_of
from app.clients.commands.clients import change_of, facts_of, update_client
from app.core.actors import SYSTEM
from app.core.clock import travel_to
from app.core.db import db
from app.core.errors import Refused
from app.core.ids import new_id
from app.firm.commands.entities import add_closure
from app.firm.days_off import ClosureChange, moved_by
from app.jobs.commands.dates import Answer, follow_rules, preview
from app.jobs.commands.deadline_dates import NewDeadline, add_deadline, extend_deadline
from app.jobs.commands.jobs import JobChange, causes_of_edit, edit_job
from app.jobs.commands.shifts import follow_day_off
from app.jobs.dates import DayOff, DeadlineMoved, Move, drifted
from app.jobs.models import Job
from app.jobs.queries.dates import dates_of_job, digest_of_moves
from app.planning.commands.applications import change_client
from app.planning.commands.occurrences import change_occurrence, create_now
from app.planning.commands.series import SeriesValues, edit_series
from app.planning.models import ByHand, Series
from app.planning.outlook import _doubts
from app.planning.queries import get_application, preview_one
from app.planning.ways_back import set_back
from app.runs.commands import Skip
from tests.jobs.test_dates import Suit, suit
from tests.make import Cast, sign_in
from tests.planning.make_planning import make_series, make_service
from tests.planning.test_apply_to_many import prepare
from tests.planning.test_clients_that_change import at as on
from tests.planning.test_clients_that_change import job_to_come, yearly
from tests.planning.test_planning_screens import post
from tests.planning.test_series import JUNE, at, begin, occurrences
from tests.test_edit_forms import edit_forms

__all__ = ["suit"]
WHY = "The court will not mind"


def hearing(job: Job, on: dt.date) -> None:
    add_deadline(job, NewDeadline(id=new_id(), name="Hearing", due_on=on, basis="Order"), by=SYSTEM)
    db.session.refresh(job)


def confirmed(moves: Sequence[Move]) -> Answer:
    return Answer(True, digest_of_moves(moves))


def a_week_later(job: Job, because: str = "") -> JobChange:
    return JobChange(title=job.title, starts_on=job.starts_on + dt.timedelta(days=7), due_on=job.due_on,
                     because=because)


def test_a_moved_start_that_takes_the_due_date_past_a_deadline_needs_a_reason(suit: Suit, cast: Any) -> None:
    by, job = cast.actor(cast.sam), suit.job
    hearing(job, dt.date(2025, 11, 25))
    moves = preview(job, *causes_of_edit(job, a_week_later(job)))
    with pytest.raises(Refused, match="Sun 23 Nov → Sun 30 Nov is past “Hearing” on Tue 25 Nov") as refusal:
        edit_job(job, a_week_later(job), version=None, by=by, answer=confirmed(moves))
    assert refusal.value.field == "because" and job.due_on == dt.date(2025, 11, 23)
    edit_job(job, a_week_later(job, WHY), version=None, by=by, answer=confirmed(moves))
    assert (job.due_on, job.due_because) == (dt.date(2025, 11, 30), WHY)


def test_dates_that_are_put_where_their_rules_say_need_a_reason_too(suit: Suit, cast: Any) -> None:
    by, job = cast.actor(cast.sam), suit.job
    edit_job(job, a_week_later(job), version=None, by=by)
    hearing(job, dt.date(2025, 11, 25))
    seen = digest_of_moves(drifted(dates_of_job(job)))
    with pytest.raises(Refused, match="is past “Hearing”"):
        follow_rules(job, seen=seen, by=by)
    follow_rules(job, seen=seen, because=WHY, by=by)
    assert (job.due_on, job.due_because) == (dt.date(2025, 11, 30), WHY)
    back = replace(a_week_later(job), starts_on=dt.date(2025, 11, 3))
    edit_job(job, back, version=None, by=by, answer=confirmed(preview(job, *causes_of_edit(job, back))))
    assert (job.due_on, job.due_because) == (dt.date(2025, 11, 23), ""), "within it again, nothing is excused"


def test_the_reason_for_an_extension_is_the_reason_for_what_it_moves(suit: Suit, cast: Any) -> None:
    job, to = suit.job, dt.date(2025, 12, 8)
    hearing(job, dt.date(2025, 11, 25))
    moves = preview(job, DeadlineMoved(suit.answer.id, to))
    extend_deadline(suit.answer, to=to, because="Stipulated", by=cast.actor(cast.sam), answer=confirmed(moves))
    assert (job.due_on, job.due_because) == (dt.date(2025, 12, 7), "Stipulated")


def test_the_page_says_so_before_it_saves_and_keeps_what_was_typed(
    client: FlaskClient, suit: Suit, cast: Any
) -> None:
    sign_in(client, cast.sam)
    job, at_edit = suit.job, f"/jobs/{suit.job.id}/edit"
    hearing(job, dt.date(2025, 11, 25))
    typed = {"version": str(job.version), "title": "Renamed", "starts_on": "2025-11-10", "priority": "0",
             "due_on": "2025-11-23"}
    asked = client.post(at_edit, data=typed)
    assert asked.status_code == 200 and "is past “Hearing” on Tue 25 Nov" in asked.text
    typed |= {"seen": digest_of_moves(preview(job, *causes_of_edit(job, a_week_later(job)))), "dates": "apply"}
    refused = client.post(at_edit, data=typed)
    assert refused.status_code == 422 and "Say why the job may be due later than that." in refused.text
    assert 'name="title" value="Renamed"' in refused.text
    assert client.post(at_edit, data={**typed, "because": WHY}).status_code == 303
    assert WHY in client.get(f"/jobs/{job.id}/dates").text


def test_the_database_takes_no_due_date_past_a_deadline_without_a_reason(suit: Suit, session: Session) -> None:
    later = sa.update(Job).where(Job.id == suit.job.id)
    session.execute(later.values(due_on=dt.date(2025, 12, 24), due_because=WHY))
    session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.execute(sa.text("SET CONSTRAINTS ALL DEFERRED"))
    session.execute(later.values(due_on=dt.date(2025, 11, 23), due_because=""))
    session.execute(later.values(due_on=dt.date(2025, 12, 24)))
    with pytest.raises(IntegrityError, match="past a deadline without a reason"):
        session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.rollback()


def ruled(rule: DueRule) -> Any:
    """A monthly service without requests whose job is due by this rule; VAT is due on the 7th of the second month."""
    service, _template = make_service(request=False)
    draft = draft_next_version(service, by=SYSTEM)
    edit_template(draft, title_pattern="{client} {period}", due_rule=rule, priority=0, fee=None, by=SYSTEM)
    publish_template(draft, by=SYSTEM)
    return get_service(service.id, seen_by=SYSTEM)


def test_a_day_off_leaves_a_job_that_it_would_take_past_a_deadline_and_says_so(cast: Cast, session: Session) -> None:
    with travel_to(at(2026, 6, 10)):
        series = make_series(cast.acme, ruled(DueRule("period_end", (working_days(20),))), JUNE)
        job = session.get_one(Job, create_now(occurrences(series, session)[0], by=SYSTEM))
        assert job.due_on is not None
        hearing(job, job.due_on)
        off = DayOff(dt.date(2026, 7, 7))
        (moved,) = moved_by(ClosureChange(off.on, None), seen_by=cast.actor(cast.mel))
        assert "is past “Hearing”" in moved.stays_because
        add_closure(new_id(), closed_on=off.on, name="Strike", office_id=None, by=cast.actor(cast.ada))
        with pytest.raises(Skip, match="is past “Hearing”.*say why"):
            follow_day_off(job, off, moved.item["shown"], by=cast.actor(cast.mel))


def test_a_client_whose_periods_change_takes_no_job_past_a_deadline_without_a_reason(
    client: FlaskClient, cast: Cast, session: Session
) -> None:
    cast.acme.year_end_month, cast.acme.year_end_day = 9, 30
    with travel_to(on(1, 20)):
        job = job_to_come(cast, yearly(cast))
        march = replace(facts_of(cast.acme), year_end_month=3, year_end_day=31)
        update_client(cast.acme, march, by=SYSTEM)
        hearing(job, dt.date(2026, 6, 1))
        facts = replace(march, year_end_month=9, year_end_day=30)
        effects = effects_of(change_of(cast.acme, facts), seen_by=SYSTEM)
        assert [each.overrun for each in effects if each.of_job] == [
            "Thu 30 Apr → Fri 30 Oct is past “Hearing” on Mon 1 Jun"]
        with pytest.raises(Refused, match="is past “Hearing”") as refusal:
            update_client(cast.acme, facts, by=SYSTEM)
        assert refusal.value.field == "because"
        session.expire_all()
        typed = _as_shown(sign_in(client, cast.mel), cast) | {"year_end_month": "9", "year_end_day": "30"}
        asked = client.post(f"/clients/{cast.acme.id}", data=typed)
        assert asked.status_code == 422 and "is past “Hearing”" in asked.text and "Why a job moves" in asked.text
        typed |= {"foreseen": digest_of_effects(effects), "jobs": "move"}
        refused = client.post(f"/clients/{cast.acme.id}", data=typed)
        assert refused.status_code == 422 and "Say why the job may be due later than that." in refused.text
        assert client.post(f"/clients/{cast.acme.id}", data={**typed, "because": WHY}).status_code == 303
        session.expire_all()
        assert (job.due_on, job.due_because) == (dt.date(2026, 10, 30), WHY)


def _as_shown(client: FlaskClient, cast: Cast) -> dict[str, Any]:
    page = client.get(f"/clients/{cast.acme.id}/edit").text
    return next(fields for at, fields in edit_forms(page) if at == f"/clients/{cast.acme.id}")


def test_a_period_with_days_of_its_own_past_a_deadline_needs_a_reason_and_so_does_its_undo(
    cast: Cast, session: Session
) -> None:
    mel = cast.actor(cast.mel)
    with travel_to(at(2026, 6, 10)):
        june, july, _ = occurrences(begin(cast), session)[:3]
        late = ByHand(due_on=dt.date(2026, 9, 25))
        with pytest.raises(Refused, match="Sun 30 Aug → Fri 25 Sept is past “VAT return and payment” on Mon 7 Sept"):
            change_occurrence(july, late, by=mel)
        assert not july.by_hand
        change_occurrence(july, replace(late, because=WHY), by=mel)
        job = session.get_one(Job, create_now(july, by=mel))
        assert (job.due_on, job.due_because) == (late.due_on, WHY)
        before = ByHand(due_on=dt.date(2026, 8, 25)).told()
        with pytest.raises(Refused, match="is past"):
            set_back(mel, occurrence=str(june.id), before=before, after=june.by_hand.digest)


def test_a_series_that_starts_later_needs_a_reason_where_that_takes_its_jobs_past_a_deadline(
    client: FlaskClient, cast: Cast, session: Session
) -> None:
    with travel_to(at(2026, 6, 10)):
        series = make_series(cast.acme, ruled(DueRule("job_start", (days(30),))), JUNE)
        later = SeriesValues(offset_days=20)
        with pytest.raises(Refused, match="is past “VAT return and payment”"):
            edit_series(series, later, by=cast.actor(cast.mel))
        session.expire_all()
        edit_series(series, SeriesValues(offset_days=2), by=cast.actor(cast.mel))
        sign_in(client, cast.mel)
        typed = {"version": str(session.get_one(Series, series.id).version), "ahead_days": "14", "offset_days": "20",
                 "version_policy": "latest"}
        refused = post(client, f"/series/{series.id}", typed)
        assert refused.status_code == 422 and "Say why the job may be due later than that." in refused.text
        typed["version"] = str(session.get_one(Series, series.id).version)
        assert post(client, f"/series/{series.id}", {**typed, "because": WHY}).status_code == 303


def test_an_application_says_so_and_asks_for_a_reason_where_one_client_has_a_day_of_its_own(
    cast: Cast, session: Session
) -> None:
    application, mel = prepare(cast, clients=1), cast.actor(cast.mel)
    own: Callable[..., None] = lambda **more: change_client(  # noqa: E731
        application, cast.acme.id, skip=False, owner_id=None, starts_on=None, due_on=dt.date(2026, 12, 24), by=mel,
        **more,
    )
    with pytest.raises(Refused, match="is past “VAT return and payment” on Mon 7 Dec"):
        own()
    own(because=WHY)
    plan = preview_one(get_application(application.id, seen_by=mel), cast.acme.id, seen_by=mel).plan
    assert plan.due_because == WHY
    assert "The job is due 17 days after the deadline that it meets, “VAT return and payment”." in _doubts([plan])


def test_a_template_whose_rules_pass_its_own_deadlines_is_doubted(cast: Cast) -> None:
    late = ruled(DueRule("period_end", (days(60),)))
    found = doubts(get_blueprint(latest_published(late.id)), Cadence.MONTH)  # type: ignore[arg-type]
    assert any("after the deadline that it meets, “VAT return and payment”" in said for said in found)
