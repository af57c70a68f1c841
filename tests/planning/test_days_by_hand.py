"""What was set for one period by hand goes before the rule, whatever changes, until it is let go: its days."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.activity.models import Event
from app.catalogue.commands import StepValues, draft_next_version, edit_step, edit_template, publish_template
from app.catalogue.due_rules import DueRule, days
from app.catalogue.models import Cadence
from app.catalogue.queries import get_service
from app.clients.commands.clients import facts_of, update_client
from app.clients.models import PayrollFrequency
from app.core.actors import SYSTEM
from app.core.clock import travel_to
from app.core.db import db
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.core.undo import take_back
from app.firm.commands.entities import add_closure
from app.jobs.models import Job
from app.planning.background import recur
from app.planning.commands.occurrences import change_occurrence, create_now, restore_occurrence, skip_occurrence
from app.planning.commands.series import SeriesValues, edit_series, end_series, pause_series, resume_series
from app.planning.models import ByHand, Occurrence, OccurrenceState, Series
from app.planning.proofs import forecasts_equal_their_definition
from tests.make import Cast, sign_in
from tests.planning.make_planning import make_series, make_service
from tests.planning.test_planning_screens import post
from tests.planning.test_series import at, begin, follow_events, occurrences

STARTS, DUE = dt.date(2026, 8, 11), dt.date(2026, 9, 4)
CHOSEN = ByHand(STARTS, DUE)


def told(kind: str) -> int:
    db.session.flush()
    return db.session.scalar(sa.select(sa.func.count()).select_from(Event).where(Event.kind == kind)) or 0


def test_days_set_by_hand_are_those_of_the_job_and_stay_there_locked(cast: Cast, session: Session) -> None:
    mel = cast.actor(cast.mel)
    with travel_to(at(2026, 6, 10)):
        july = occurrences(begin(cast), session)[1]
        change_occurrence(july, CHOSEN, by=mel)
        change_occurrence(july, CHOSEN, by=mel)
        assert told("planning.occurrence.set") == 1, "the second time changes nothing"
        assert (july.starts_on, july.due_on, july.create_on) == (STARTS, DUE, dt.date(2026, 7, 28))
        job = session.get_one(Job, create_now(july, by=mel))
        assert (job.starts_on, job.due_on, job.due_locked) == (STARTS, DUE, True)
        with pytest.raises(Refused, match="Change the job"):
            change_occurrence(july, ByHand(), by=mel)


def test_the_sweep_makes_the_job_on_its_own_day(cast: Cast, session: Session) -> None:
    with travel_to(at(2026, 6, 10)):
        july = occurrences(begin(cast), session)[1]
        change_occurrence(july, CHOSEN, by=cast.actor(cast.mel))
    with travel_to(at(2026, 7, 27)):
        recur()
        assert july.state is OccurrenceState.FORECAST
    with travel_to(at(2026, 7, 28)):
        recur()
        session.refresh(july)
        assert session.get_one(Job, july.job_id).due_on == DUE
        assert list(forecasts_equal_their_definition()) == []


def test_days_that_are_let_go_follow_the_rule_again(cast: Cast, session: Session) -> None:
    mel = cast.actor(cast.mel)
    with travel_to(at(2026, 6, 10)):
        july = occurrences(begin(cast), session)[1]
        before = (july.starts_on, july.due_on, july.create_on)
        change_occurrence(july, CHOSEN, by=mel)
        change_occurrence(july, ByHand(), by=mel)
        assert (july.starts_on, july.due_on, july.create_on) == before


@pytest.mark.parametrize(("chosen", "field"), [
    (ByHand(DUE, STARTS), "due_on"), (ByHand(None, dt.date(2026, 7, 1)), "due_on"),
    (ByHand(dt.date(2026, 12, 1), None), "starts_on"), (ByHand(dt.date(1066, 10, 14), None), "starts_on"),
])
def test_a_job_that_would_be_due_before_it_starts_is_refused(
    cast: Cast, session: Session, chosen: ByHand, field: str
) -> None:
    with travel_to(at(2026, 6, 10)):
        july = occurrences(begin(cast), session)[1]
        with pytest.raises(Refused) as refusal:
            change_occurrence(july, chosen, by=cast.actor(cast.mel))
        assert refusal.value.field == field
        session.refresh(july)
        assert not july.by_hand and told("planning.occurrence.set") == 0


def test_who_may_not_decide_what_recurs_sets_no_days(cast: Cast, session: Session) -> None:
    with travel_to(at(2026, 6, 10)):
        july = occurrences(begin(cast), session)[1]
        for actor in (cast.actor(cast.sam), cast.contact(cast.otto)):
            with pytest.raises(NotAllowed):
                change_occurrence(july, CHOSEN, by=actor)


def token_in(page: str) -> str:
    return page.split("/undo?token=")[1].split('"')[0]


def _version(_cast: Cast, series: Series) -> None:
    service = get_service(series.service_id, seen_by=SYSTEM)
    draft = draft_next_version(service, by=SYSTEM)
    edit_template(
        draft, title_pattern="{client} {period}", due_rule=DueRule("period_end", (days(5),)), priority=0, fee=None,
        by=SYSTEM,
    )
    edit_step(draft, "review", StepValues("Review", service.stages[2].id), by=SYSTEM)
    publish_template(draft, by=SYSTEM)


def _facts(**said: Any) -> Callable[[Cast, Series], None]:
    return lambda cast, _series: update_client(
        cast.acme, replace(facts_of(cast.acme), **said), by=SYSTEM
    ) and None


def _pause(_cast: Cast, series: Series) -> None:
    pause_series(series, by=SYSTEM)
    resume_series(series, by=SYSTEM)


CAUSES: dict[str, Callable[[Cast, Series], Any]] = {
    "a new version": _version,
    "another offset": lambda _cast, series: edit_series(series, SeriesValues(30, 9), by=SYSTEM),
    "a year end": _facts(year_end_month=4, year_end_day=30),
    "VAT quarters": _facts(vat_stagger=2),
    "payroll": _facts(payroll_frequency=PayrollFrequency.WEEKLY, first_pay_day=dt.date(2026, 6, 12)),
    "a name": _facts(name="Acme Group"),
    "a closure on that day": lambda cast, _series: add_closure(
        new_id(), closed_on=STARTS, name="Strike", by=cast.actor(cast.pat)),
    "a pause": _pause,
}


@pytest.mark.parametrize("cadence", [Cadence.MONTH, Cadence.YEAR, Cadence.VAT_QUARTER, Cadence.PAYROLL])
@pytest.mark.parametrize("cause", CAUSES)
def test_what_is_set_by_hand_survives_whatever_the_forecast_is_made_anew_for(
    cast: Cast, session: Session, cause: str, cadence: Cadence
) -> None:
    with travel_to(at(2026, 6, 10)):
        update_client(cast.acme, replace(facts_of(cast.acme), year_end_month=12, vat_stagger=1), by=SYSTEM)
        service, _template = make_service(request=False)
        series = make_series(cast.acme, service, dt.date(2026, 6, 1), cadence=cadence)
        chosen = occurrences(series, session)[1]
        own = ByHand(
            chosen.starts_on + dt.timedelta(days=9), (chosen.due_on or DUE) + dt.timedelta(days=40),
            {"reviewer": str(cast.pat.id)}, "With the stock count", "Count first", "The count comes late",
        )
        start = chosen.period_start
        change_occurrence(chosen, own, by=cast.actor(cast.mel))
        CAUSES[cause](cast, series)
        follow_events()
        recur()
        row = next(each for each in occurrences(series, session) if each.period_start <= start <= each.period_end)
        assert (row.by_hand, row.starts_on, row.due_on, row.title) == (own, own.starts_on, own.due_on, own.title)
        assert list(forecasts_equal_their_definition()) == []


def test_days_whose_period_is_gone_are_let_go_in_sight(cast: Cast, session: Session) -> None:
    """Four weeks with days of their own become one month: the first one's stay, and each other is told of."""
    with travel_to(at(2026, 6, 10)):
        _facts(payroll_frequency=PayrollFrequency.WEEKLY, first_pay_day=dt.date(2026, 7, 3))(cast, None)  # type: ignore[arg-type]
        service, _template = make_service(request=False)
        series = make_series(cast.acme, service, dt.date(2026, 7, 4), cadence=Cadence.PAYROLL)
        weeks = occurrences(series, session)[:3]
        for week in weeks:
            change_occurrence(week, ByHand(due_on=week.due_on and week.due_on + dt.timedelta(days=1)), by=SYSTEM)
        kept = weeks[0].by_hand
        _facts(payroll_frequency=None, first_pay_day=None)(cast, series)
        follow_events()
        assert [row.by_hand for row in occurrences(series, session)[:2]] == [kept, ByHand()]
        assert told("planning.occurrence.drop") == 2 and list(forecasts_equal_their_definition()) == []


def test_a_reason_for_skipping_is_kept_and_gone_when_it_is_taken_back(cast: Cast, session: Session) -> None:
    mel = cast.actor(cast.mel)
    with travel_to(at(2026, 6, 10)):
        series = begin(cast)
        july = occurrences(series, session)[1]
        skip_occurrence(july, because="  No staff   in July ", by=mel)
        assert july.skipped_because == "No staff in July"
        restore_occurrence(july, by=mel)
        session.refresh(july)
        assert (july.state, july.skipped_because) == (OccurrenceState.FORECAST, "")
        with pytest.raises(Refused):
            skip_occurrence(july, because="x" * 301, by=mel)
        end_series(series, by=mel)


def test_days_are_set_on_the_series_page_and_set_back_by_undo(
    client: FlaskClient, cast: Cast, session: Session
) -> None:
    with travel_to(at(2026, 6, 10)):
        series = begin(cast)
        july = occurrences(series, session)[1]
        mel = sign_in(client, cast.mel)
        assert "Save this period" in mel.get(f"/series/{series.id}?change={july.id}").text
        refused = post(mel, f"/occurrences/{july.id}", {"starts_on": "2026-09-25", "due_on": "2026-08-11"})
        assert refused.status_code == 422 and 'value="2026-09-25"' in refused.text
        assert "It would be due before it starts." in refused.text
        saved = post(mel, f"/occurrences/{july.id}", {"starts_on": "2026-08-11", "due_on": "2026-09-04"})
        assert saved.status_code == 303
        page = mel.get(f"/series/{series.id}").text
        assert "By hand" in page
        token = token_in(page)
        session.expire_all()
        assert take_back(token, by=cast.actor(cast.mel)).endswith("is as it was before")
        session.refresh(july)
        assert not july.by_hand
        with pytest.raises(Refused, match="changed again"):
            take_back(token, by=cast.actor(cast.mel))
        long = post(mel, f"/occurrences/{july.id}/skip", {"because": "x" * 301})
        assert long.status_code == 422 and "x" * 301 in long.text
        assert post(mel, f"/occurrences/{july.id}/skip", {"because": "Sold"}).status_code == 303
        page = mel.get(f"/series/{series.id}").text
        assert "Sold" in page
        session.expire_all()
        take_back(token_in(page), by=cast.actor(cast.mel))
        assert session.get_one(Occurrence, july.id).state is OccurrenceState.FORECAST


def test_wes_finds_no_period_of_rival_to_change(client: FlaskClient, cast: Cast, session: Session) -> None:
    service, _template = make_service(request=False)
    series = make_series(cast.rival, service, dt.date(2027, 6, 1))
    first = occurrences(series, session)[0]
    wes = sign_in(client, cast.wes)
    found = re.search(r'name="csrf_token" value="([^"]+)"', wes.get("/series").text)
    data = {"due_on": "2027-09-05", "csrf_token": found[1] if found else ""}
    assert wes.post(f"/occurrences/{first.id}", data=data).status_code == 404
    session.refresh(first)
    assert first.due_by_hand is None
