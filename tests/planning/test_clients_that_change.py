"""A client's year end, VAT quarters and standing reach series and jobs to come, told first and done at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.billing.commands.issue import approve_invoice
from app.catalogue.due_rules import BadDueRule
from app.catalogue.models import Cadence
from app.clients.changes import digest_of_effects, effects_of
from app.clients.commands import archive_client, restore_client
from app.clients.commands.clients import archiving_of, change_of, facts_of, update_client
from app.clients.models import Client, ClientStatus
from app.core.actors import SYSTEM
from app.core.clock import travel_to
from app.core.db import db
from app.core.errors import NotAllowed, Refused
from app.exchange.clients.commands.importing import put_away, put_values
from app.jobs.commands.tasks import complete_task
from app.jobs.models import Deadline, Job, Task
from app.planning import following
from app.planning.background import recur
from app.planning.commands import forecasting
from app.planning.commands.occurrences import create_now
from app.planning.models import Occurrence, OccurrenceState, Series
from app.planning.proofs import forecasts_equal_their_definition
from app.requests.commands.asking import ask_due_requests
from app.requests.commands.reminding import contacts_due
from app.requests.models import ClientRequest, RequestState
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, sign_in
from tests.planning.make_planning import make_series, make_service
from tests.requests.make_requests import make_request

YEAR = dt.date(2026, 5, 5)


def at(month: int, day: int, year: int = 2026, hour: int = 10) -> dt.datetime:
    return dt.datetime(year, month, day, hour, tzinfo=dt.UTC)


def yearly(cast: Cast, *, request: bool = False, cadence: Cadence = Cadence.YEAR) -> Series:
    service, _template = make_service(request=request)
    return make_series(cast.acme, service, YEAR, cadence=cadence)


def periods(series: Series) -> Sequence[Occurrence]:
    return db.session.scalars(
        sa.select(Occurrence).where(Occurrence.series_id == series.id).order_by(Occurrence.period_start)
        .execution_options(populate_existing=True)
    ).all()


def ends(series: Series) -> list[dt.date]:
    return [row.period_end for row in periods(series)]


def march(client: Client) -> object:
    return replace(facts_of(client), year_end_month=3, year_end_day=31)


def change(client: Client, *, redate: bool = True, foreseen: str | None = None) -> None:
    update_client(client, march(client), by=SYSTEM, redate=redate, foreseen=foreseen)  # type: ignore[arg-type]


def foreseen(client: Client) -> list[tuple[str, str, str]]:
    effects = effects_of(change_of(client, march(client)), seen_by=SYSTEM)  # type: ignore[arg-type]
    return [(each.words, each.before, each.after) for each in effects]


def test_a_changed_year_end_is_told_from_what_to_what_and_reaches_the_series_in_the_same_transaction(
    cast: Cast,
) -> None:
    with travel_to(at(6, 10)):
        series = yearly(cast)
        assert ends(series)[0] == dt.date(2026, 12, 31)
        assert foreseen(cast.acme) == [(
            "Bookkeeping, next period", "Thu 1 Jan – Thu 31 Dec, due Sat 30 Jan 2027",
            "Wed 1 Apr – Wed 31 Mar 2027, due Fri 30 Apr 2027",
        )]
        change(cast.acme)
        assert ends(series)[:2] == [dt.date(2026, 3, 31), dt.date(2027, 3, 31)]
        assert list(forecasts_equal_their_definition()) == []


def job_to_come(cast: Cast, series: Series) -> Job:
    create_now(periods(series)[0], by=SYSTEM)
    return db.session.scalars(sa.select(Job).where(Job.client_id == cast.acme.id)).one()


def test_a_job_to_come_moves_with_its_steps_deadlines_and_unasked_requests(cast: Cast, session: Session) -> None:
    cast.acme.year_end_month, cast.acme.year_end_day = 9, 30
    with travel_to(at(1, 20)):
        series = yearly(cast, request=True)
        job = job_to_come(cast, series)
        assert job.period_end == dt.date(2026, 9, 30)
        assert (job.title, *foreseen(cast.acme)[1][1:]) == (
            foreseen(cast.acme)[1][0], "Wed 1 Oct 2025 – Wed 30 Sept, due Fri 30 Oct",
            "Wed 1 Oct 2025 – Tue 31 Mar, due Thu 30 Apr",
        )
        change(cast.acme)
    session.expire_all()
    request = session.scalars(sa.select(ClientRequest)).one()
    first = session.scalars(sa.select(Task).where(Task.step_key == "collect")).one()
    assert (job.period_end, job.starts_on, job.due_on) == (
        dt.date(2026, 3, 31), dt.date(2026, 4, 1), dt.date(2026, 4, 30),
    )
    assert (request.send_on, request.due_on) == (dt.date(2026, 4, 1), dt.date(2026, 4, 10))
    assert first.due_on == dt.date(2026, 4, 7), "three working days after the end, over Easter"
    assert session.scalars(sa.select(Deadline.statutory_on)).all() == [dt.date(2026, 5, 7)]
    assert ends(series)[:2] == [dt.date(2026, 3, 31), dt.date(2027, 3, 31)]
    with travel_to(at(1, 20)):
        assert list(forecasts_equal_their_definition()) == []


def test_a_job_to_come_is_kept_when_that_is_asked_and_one_that_was_worked_on_always(
    cast: Cast, session: Session
) -> None:
    cast.acme.year_end_month, cast.acme.year_end_day = 9, 30
    with travel_to(at(1, 20)):
        series = yearly(cast)
        job = job_to_come(cast, series)
        change(cast.acme, redate=False)
        assert job.period_end == dt.date(2026, 9, 30) and ends(series)[1] == dt.date(2027, 3, 31)
        update_client(cast.acme, replace(facts_of(cast.acme), year_end_month=9, year_end_day=30), by=SYSTEM)
        complete_task(session.scalars(sa.select(Task).where(Task.step_key == "collect")).one(), by=SYSTEM)
        assert len(foreseen(cast.acme)) == 1, "the series alone"
        change(cast.acme)
        assert job.period_end == dt.date(2026, 9, 30)


def test_what_was_confirmed_is_refused_when_it_has_changed_meanwhile(cast: Cast) -> None:
    with travel_to(at(6, 10)):
        series = yearly(cast)
        shown = digest_of_effects(effects_of(change_of(cast.acme, march(cast.acme)), seen_by=SYSTEM))  # type: ignore[arg-type]
        create_now(periods(series)[0], by=SYSTEM)
        with pytest.raises(Refused, match="changed since it was shown"):
            change(cast.acme, foreseen=shown)
        assert ends(series)[0] == dt.date(2026, 12, 31)


def test_a_series_that_cannot_be_worked_out_keeps_nobody_from_saving_the_client_and_is_named(
    cast: Cast, client: FlaskClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.acme.year_end_month, cast.acme.year_end_day = 9, 30
    mel = sign_in(client, cast.mel)
    with travel_to(at(1, 20)):
        broken = yearly(cast)
        job = job_to_come(cast, broken)
        sound = make_series(cast.acme, make_service("Accounts")[0], YEAR, cadence=Cadence.YEAR)
        before, define = ends(broken), forecasting.forecasts_of

        def breaks(row: Series, *said: Any, **more: Any) -> Any:
            if row.id == broken.id:
                raise BadDueRule("No calendar goes that far.")
            return define(row, *said, **more)

        for room in (forecasting, following):
            monkeypatch.setattr(room, "forecasts_of", breaks)
        typed = {
            "name": "Acme Ltd", "office_id": str(cast.office.id), "year_end_day": "31", "year_end_month": "3",
            "version": str(cast.acme.version), "kind": "organisation", "status": "active", "currency": "GBP",
        }
        page = mel.post(f"/clients/{cast.acme.id}", data=typed)
        assert page.status_code == 422 and "it stays, and is tried again every hour" in page.text
        seen = page.text.split('name="foreseen" value="')[1].split('"')[0]
        session.commit()
        assert mel.post(f"/clients/{cast.acme.id}", data={**typed, "foreseen": seen}).status_code == 303
        session.expire_all()
        assert cast.acme.year_end_month == 3 and ends(sound)[:2] == [dt.date(2026, 3, 31), dt.date(2027, 3, 31)]
        assert ends(broken) == before and job.period_end == dt.date(2026, 9, 30)
        assert session.scalars(sa.select(Series.id).where(Series.is_stuck)).all() == [broken.id]
        assert "Dates not worked out" in mel.get("/series").text
        told = "could not work out the dates of Bookkeeping, Acme Ltd anew"
        recur()
        assert mel.get(f"/timeline/series/{broken.id}").text.count(told) == 1, "tried again, and told once"
        monkeypatch.undo()
        recur()
        assert ends(broken)[:2] == [dt.date(2026, 9, 30), dt.date(2027, 3, 31)]
        assert list(forecasts_equal_their_definition()) == [] and "Dates not worked out" not in mel.get("/series").text


def test_a_job_that_cannot_be_worked_out_is_named_and_stays_and_the_series_follows(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_said: Any, **_more: Any) -> Any:
        raise BadDueRule("No calendar goes that far.")

    cast.acme.year_end_month, cast.acme.year_end_day = 9, 30
    with travel_to(at(1, 20)):
        series = yearly(cast)
        job = job_to_come(cast, series)
        monkeypatch.setattr(following, "plan_job", breaks)
        assert foreseen(cast.acme)[1:] == [(job.title, "Fri 30 Oct", "cannot be worked out: it stays as it is")]
        change(cast.acme)
    assert (job.period_end, ends(series)[1]) == (dt.date(2026, 9, 30), dt.date(2027, 3, 31))


def test_a_database_that_fails_while_series_follow_marks_none_and_saves_nothing(
    cast: Cast, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_said: Any, **_more: Any) -> Any:
        raise OperationalError("SELECT", None, Exception("no route to host"))

    with travel_to(at(6, 10)):
        yearly(cast)
        monkeypatch.setattr(forecasting, "forecasts_of", breaks)
        with pytest.raises(OperationalError):
            change(cast.acme)
    session.expire_all()
    assert cast.acme.year_end_month == 12 and session.scalars(sa.select(Series.id).where(Series.is_stuck)).all() == []


def test_the_form_asks_first_keeps_what_was_typed_and_saves_when_confirmed(cast: Cast, client: FlaskClient) -> None:
    sign_in(client, cast.mel)
    with travel_to(at(6, 10)):
        yearly(cast)
        typed = {
            "name": "Acme Renamed", "office_id": str(cast.office.id), "year_end_day": "31", "year_end_month": "3",
            "version": str(cast.acme.version), "kind": "organisation", "status": "active", "currency": "GBP",
        }
        page = client.post(f"/clients/{cast.acme.id}", data=typed)
        assert page.status_code == 422 and "Wed 1 Apr – Wed 31 Mar 2027" in page.text and "Acme Renamed" in page.text
        assert db.session.get_one(Client, cast.acme.id, populate_existing=True).year_end_month == 12
        seen = page.text.split('name="foreseen" value="')[1].split('"')[0]
        assert client.post(f"/clients/{cast.acme.id}", data={**typed, "foreseen": seen}).status_code == 303
    assert db.session.get_one(Client, cast.acme.id, populate_existing=True).year_end_month == 3


@pytest.mark.parametrize("status", [ClientStatus.DORMANT, ClientStatus.FORMER, ClientStatus.PROSPECT])
def test_whom_the_firm_does_not_serve_gets_no_job_and_active_again_nothing_is_caught_up(
    cast: Cast, session: Session, status: ClientStatus
) -> None:
    with travel_to(at(6, 10)):
        series = yearly(cast, cadence=Cadence.MONTH)
        recur()
        before = session.scalar(sa.select(sa.func.count(Job.id)))
        update_client(cast.acme, replace(facts_of(cast.acme), status=status), by=SYSTEM)
    with travel_to(at(8, 20)):
        recur()
        recur()
        with pytest.raises(Refused, match=f"Acme Ltd is {status}"):
            create_now(next(row for row in periods(series) if row.state is OccurrenceState.FORECAST), by=SYSTEM)
    assert session.scalar(sa.select(sa.func.count(Job.id))) == before
    skipped = [row for row in periods(series) if row.state is OccurrenceState.SKIPPED]
    assert [row.period_end.month for row in skipped] == [6, 7, 8]
    assert {row.skipped_because for row in skipped} == {f"the client was {status}"}
    with travel_to(at(10, 5)):
        update_client(cast.acme, replace(facts_of(cast.acme), status=ClientStatus.ACTIVE), by=SYSTEM)
        recur()
        assert session.scalar(sa.select(sa.func.count(Job.id))) == before, "September fell due meanwhile"
    with travel_to(at(10, 20)):
        recur()
        assert list(forecasts_equal_their_definition()) == []
    newest = session.scalars(sa.select(Job).order_by(Job.id.desc())).first()
    assert newest is not None and newest.period_end == dt.date(2026, 10, 31)


def test_whom_the_firm_stopped_serving_is_neither_asked_nor_reminded(cast: Cast) -> None:
    with travel_to(at(6, 10)):
        make_request(cast)
        planned = make_request(cast, sent=False, name="Later", send_on=dt.date(2026, 6, 15))
        update_client(cast.acme, replace(facts_of(cast.acme), status=ClientStatus.DORMANT), by=SYSTEM)
    with travel_to(at(6, 15)):
        assert ask_due_requests(by=SYSTEM) == 0 and contacts_due(by=SYSTEM) == []
        update_client(cast.acme, replace(facts_of(cast.acme), status=ClientStatus.ACTIVE), by=SYSTEM)
        assert ask_due_requests(by=SYSTEM) == 1 and len(contacts_due(by=SYSTEM)) == 1
        assert db.session.get_one(ClientRequest, planned.id, populate_existing=True).state is RequestState.SENT


def test_archiving_names_what_is_open_and_asks(cast: Cast, client: FlaskClient, session: Session) -> None:
    from tests.jobs.make_jobs import make_job

    sign_in(client, cast.mel)
    with travel_to(at(6, 10)):
        yearly(cast)
        make_job(cast.acme_work)
        make_request(cast)
        page = client.post(f"/clients/{cast.acme.id}/archive")
        assert page.status_code == 422
        for said in ("1 open job", "1 open request", "1 recurring service", f"/clients/{cast.acme.id}?section=jobs"):
            assert said in page.text
        assert db.session.get_one(Client, cast.acme.id, populate_existing=True).archived_at is None
        seen = page.text.split('name="foreseen" value="')[1].split('"')[0]
        make_job(cast.acme_work, "One more")
        assert client.post(f"/clients/{cast.acme.id}/archive", data={"foreseen": seen}).status_code == 422
        seen = digest_of_effects(effects_of(archiving_of(cast.acme), seen_by=cast.actor(cast.mel)))
        assert client.post(f"/clients/{cast.acme.id}/archive", data={"foreseen": seen}).status_code == 303
    assert db.session.get_one(Client, cast.acme.id, populate_existing=True).archived_at is not None


def test_one_that_is_served_no_more_is_not_archived_unseen_while_time_is_unbilled_and_a_bill_unpaid(
    cast: Cast, client: FlaskClient
) -> None:
    make_rate("100")
    make_entry(cast, "2")
    approve_invoice(make_draft(cast), by=cast.actor(cast.pat), reason="Agreed")
    make_entry(cast, "3")
    update_client(cast.acme, replace(facts_of(cast.acme), status=ClientStatus.FORMER), by=SYSTEM)
    sign_in(client, cast.pat)
    page = client.post(f"/clients/{cast.acme.id}/archive")
    assert page.status_code == 422 and "WIP: 300" in page.text and "Unpaid bills: " in page.text
    answer = client.post("/clients/selected/archive", data={"id": [str(cast.acme.id)]})
    assert answer.status_code == 422 and "Acme Ltd has open work" in answer.text
    with pytest.raises(Refused, match="Acme Ltd has open work .*WIP: 300.*; Unpaid bills: "):
        put_values(cast.acme, {"archived": True}, by=cast.actor(cast.pat))
    with pytest.raises(Refused, match="Acme Ltd has open work"):
        put_away(cast.acme, by=cast.actor(cast.pat))
    assert db.session.get_one(Client, cast.acme.id, populate_existing=True).archived_at is None


def test_several_are_not_archived_at_once_while_one_has_open_work(cast: Cast, client: FlaskClient) -> None:
    sign_in(client, cast.mel)
    with travel_to(at(6, 10)):
        yearly(cast)
        answer = client.post("/clients/selected/archive", data={"id": [str(cast.acme.id), str(cast.rival.id)]})
    assert answer.status_code == 422 and "Acme Ltd has open work" in answer.text
    assert db.session.get_one(Client, cast.rival.id, populate_existing=True).archived_at is None


def test_what_came_due_while_archived_is_skipped_and_not_caught_up(cast: Cast, session: Session) -> None:
    with travel_to(at(6, 20)):
        series = yearly(cast, cadence=Cadence.MONTH)
        archive_client(cast.acme, by=SYSTEM)
    with travel_to(at(7, 20)):
        restore_client(cast.acme, by=SYSTEM)
        recur()
    due = [row for row in periods(series) if row.create_on <= dt.date(2026, 7, 20)]
    assert due and {row.skipped_because for row in due} == {"the client was archived"}
    assert session.scalar(sa.select(sa.func.count(Job.id))) == 0


def test_nothing_of_a_walled_engagement_is_named_and_otto_changes_nothing(cast: Cast) -> None:
    with travel_to(at(6, 10)):
        service, _template = make_service()
        series = make_series(cast.rival, service, YEAR, cadence=Cadence.YEAR)
        assert series
        assert effects_of(archiving_of(cast.rival), seen_by=cast.actor(cast.wes)) == []
        with pytest.raises(NotAllowed):
            archive_client(cast.rival, by=cast.contact(cast.otto))
