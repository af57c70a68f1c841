"""People, title and note of one period: those of its job, and of no other's."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from html import unescape

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.catalogue.models import Cadence
from app.clients.commands import raise_wall
from app.clients.commands.clients import facts_of, update_client
from app.core.actors import SYSTEM
from app.core.clock import travel_to
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.undo import take_back
from app.jobs.models import Job, JobRole, Task
from app.people.commands.people import deactivate_person
from app.planning.background import create_due
from app.planning.commands.occurrences import change_occurrence, create_now
from app.planning.models import ByHand, Occurrence, Series
from app.planning.proofs import forecasts_equal_their_definition
from app.planning.sentences import _changed
from tests.make import Cast, sign_in
from tests.planning.make_planning import make_series, make_service
from tests.planning.test_days_by_hand import token_in
from tests.planning.test_planning_screens import post
from tests.planning.test_series import at, occurrences

JUNE = at(2026, 6, 10)


def begun(cast: Cast) -> Series:
    """Sam prepares and Mel reviews, month after month."""
    service, _template = make_service(request=False)
    roles = {"preparer": str(cast.sam.id), "reviewer": str(cast.mel.id)}
    return make_series(cast.acme, service, JUNE.date(), roles=roles)


def july_of(series: Series, session: Session) -> Occurrence:
    return occurrences(series, session)[1]


def own(cast: Cast) -> ByHand:
    return ByHand(
        None, None, {"preparer": str(cast.bea.id), "owner": str(cast.pat.id)}, " With the  stock count ", "Count first",
    )


def doers(session: Session, job: Job) -> dict[str, object]:
    steps = session.execute(sa.select(Task.step_key, Task.assignee_id).where(Task.job_id == job.id)).all()
    return {key or "": assignee for key, assignee in steps}


def test_people_title_and_note_of_one_period_are_those_of_its_job_alone(cast: Cast, session: Session) -> None:
    with travel_to(JUNE):
        july = july_of(begun(cast), session)
        change_occurrence(july, own(cast), by=cast.actor(cast.mel))
        assert july.title == "With the stock count" and list(forecasts_equal_their_definition()) == []
    with travel_to(at(2026, 8, 20)):
        assert create_due() == 3
    june, changed, august = session.scalars(sa.select(Job).order_by(Job.period_start)).all()
    assert (changed.title, changed.notes, changed.owner_id) == ("With the stock count", "Count first", cast.pat.id)
    named = session.execute(sa.select(JobRole.work_role, JobRole.person_id).where(JobRole.job_id == changed.id))
    assert dict(named.all()) == {"preparer": cast.bea.id, "reviewer": cast.mel.id}, "the series says the other"
    assert doers(session, changed) == {"collect": cast.bea.id, "post": cast.bea.id, "review": cast.mel.id}
    for job in (june, august):
        assert doers(session, job)["post"] == cast.sam.id and not job.notes and "stock" not in job.title


def test_who_has_gone_or_is_kept_away_since_gives_way_to_whom_the_series_names(cast: Cast, session: Session) -> None:
    with travel_to(JUNE):
        july = july_of(begun(cast), session)
        july.roles_by_hand = {"preparer": str(cast.bea.id)}
        session.execute(sa.text("UPDATE person SET state = 'deactivated' WHERE id = :id"), {"id": cast.bea.id})
        job = session.get_one(Job, create_now(july, by=SYSTEM))
        assert doers(session, job)["post"] == cast.sam.id


@pytest.mark.parametrize("field", ["preparer", "title", "note"])
def test_nobody_kept_away_and_nothing_too_long_is_set_and_what_was_typed_is_still_there(
    client: FlaskClient, cast: Cast, session: Session, field: str
) -> None:
    with travel_to(JUNE):
        july = july_of(begun(cast), session)
        raise_wall(new_id(), cast.wes, cast.acme, "Family", by=cast.actor(cast.pat))
        typed = {"preparer": str(cast.wes.id), "title": "x" * 201, "note": "x" * 1001}[field]
        mel = sign_in(client, cast.mel)
        refused = post(mel, f"/occurrences/{july.id}", {"due_on": "2026-09-25", "because": "Agreed", field: typed})
        assert refused.status_code == 422 and typed in refused.text and 'value="2026-09-25"' in refused.text
        assert "cannot be given this work" in refused.text or "at most" in refused.text or "longer than" in refused.text
        session.refresh(july)
        assert not july.by_hand
        with pytest.raises(Refused):
            change_occurrence(july, ByHand(None, None, {"juggler": str(cast.sam.id)}), by=cast.actor(cast.mel))


def test_a_period_is_changed_on_the_series_page_said_there_and_undone(
    client: FlaskClient, cast: Cast, session: Session
) -> None:
    with travel_to(JUNE):
        july = july_of(begun(cast), session)
        before = july.title
        mel = sign_in(client, cast.mel)
        said = {"reviewer": str(cast.pat.id), "title": "With the stock count", "note": "Count first"}
        assert post(mel, f"/occurrences/{july.id}", said).status_code == 303
        page = unescape(mel.get(f"/series/{july.series_id}").text)
        assert f"Reviewer: {cast.pat.name}" in page and "Count first" in page and "By hand" in page
        form = mel.get(f"/series/{july.series_id}?change={july.id}").text
        assert 'value="With the stock count"' in form and f'value="{cast.pat.id}"' in form
        assert f"Of the series: {cast.mel.name}." in form
        session.expire_all()
        take_back(token_in(page), by=cast.actor(cast.mel))
        session.refresh(july)
        assert not july.by_hand and july.title == before


def test_what_somebody_else_set_meanwhile_is_not_put_away_unseen(
    client: FlaskClient, cast: Cast, session: Session
) -> None:
    with travel_to(JUNE):
        july = july_of(begun(cast), session)
        mel = sign_in(client, cast.mel)
        seen = mel.get(f"/series/{july.series_id}?change={july.id}").text.split('name="seen" type="hidden" value="')[1]
        typed = {"seen": seen.split('"')[0], "title": "With the stock count"}
        change_occurrence(july, ByHand(note="Count first"), by=cast.actor(cast.pat))
        refused = post(mel, f"/occurrences/{july.id}", typed)
        assert refused.status_code == 409 and "Somebody else changed this period meanwhile" in refused.text
        assert 'value="With the stock count"' in refused.text
        session.refresh(july)
        assert july.by_hand == ByHand(note="Count first")
        typed["seen"] = refused.text.split('name="seen" type="hidden" value="')[1].split('"')[0]
        for _twice in range(2):
            assert post(mel, f"/occurrences/{july.id}", typed).status_code == 303
            session.refresh(july)
            assert july.by_hand == ByHand(title="With the stock count")


def test_who_is_named_for_one_period_is_replaced_there_too(cast: Cast, session: Session) -> None:
    with travel_to(JUNE):
        series = begun(cast)
        july = july_of(series, session)
        change_occurrence(july, ByHand(None, None, {"preparer": str(cast.bea.id)}), by=SYSTEM)
        raise_wall(new_id(), cast.bea, cast.acme, "Family", by=cast.actor(cast.pat), to=cast.ada)
        assert july.roles_by_hand == {"preparer": str(cast.ada.id)} and series.roles["preparer"] == str(cast.sam.id)
        deactivate_person(cast.ada, by=cast.actor(cast.pat))
        assert not july.by_hand, "the series has it again"
        assert list(forecasts_equal_their_definition()) == []


def test_a_job_that_moves_to_a_new_year_keeps_the_title_of_its_own(cast: Cast, session: Session) -> None:
    cast.acme.year_end_month, cast.acme.year_end_day = 9, 30
    with travel_to(at(2026, 1, 20)):
        service, _template = make_service(request=False)
        series = make_series(cast.acme, service, dt.date(2026, 5, 5), cadence=Cadence.YEAR)
        first = occurrences(series, session)[0]
        change_occurrence(first, ByHand(title="The year of the move"), by=SYSTEM)
        job = session.get_one(Job, create_now(first, by=SYSTEM))
        update_client(cast.acme, replace(facts_of(cast.acme), year_end_month=3, year_end_day=31), by=SYSTEM)
        session.refresh(job)
        assert (job.title, job.period_end) == ("The year of the move", dt.date(2026, 3, 31))


def test_the_timeline_says_what_was_changed() -> None:
    told = {"title": "July", "before": {"starts_on": "2026-07-01"}, "after": {"reviewer": "x", "note": "Count first"}}
    assert _changed(told) == "changed July alone: its start, its reviewer, its note"
