"""Applying a service and looking after series, on their screens."""

from __future__ import annotations

import datetime as dt
import re
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.core.clock import travel_to
from app.core.ids import new_id
from app.jobs.models import Job
from app.planning.models import Application, ApplicationClient, Occurrence, OccurrenceState, Series
from app.runs.background import work
from tests.make import Cast, count, make_client, sign_in
from tests.planning.make_planning import make_series, make_service


@pytest.fixture
def mel(client: FlaskClient, cast: Cast, session: Session) -> FlaskClient:
    return sign_in(client, cast.mel)


def post(client: FlaskClient, url: str, data: dict[str, object] | None = None, **headers: str):  # type: ignore[no-untyped-def]
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/services/library").text)
    assert found
    return client.post(url, data={"csrf_token": found[1], **(data or {})}, headers=headers)


def choice(**values: object) -> dict[str, object]:
    return {"id": str(new_id()), "cadence": "month", "period_on": "2026-10-15", "status": "active", **values}


def apply(mel: FlaskClient, service_id: UUID, **values: object) -> str:
    answer = post(mel, f"/services/{service_id}/applications", choice(**values))
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def test_clients_are_narrowed_previewed_changed_and_applied_to(mel: FlaskClient, cast: Cast, session: Session) -> None:
    service, _template = make_service(request=False)
    for n in range(4):
        make_client(f"Tagged {n}", cast.office, tags=["vat"])
    page = mel.get(f"/services/{service.id}/apply?tag=vat").text
    assert page.count("Tagged") >= 4 and "Rival plc" not in page
    where = apply(mel, service.id, everyone="1", tag="vat", preparer=str(cast.sam.id))
    assert "Create 4 jobs" in mel.get(where).text
    one = session.scalars(sa.text("SELECT id FROM client WHERE name = 'Tagged 2'")).one()
    opened = mel.get(f"{where}?open={one}").text
    assert "Collect" in opened and "Sam" in opened and "VAT return and payment" in opened
    changed = post(mel, f"{where}/clients/{one}", {"skip": "y"})
    assert changed.status_code == 303 and "Create 3 jobs" in mel.get(where).text
    run = post(mel, f"{where}/run")
    again = post(mel, f"{where}/run")
    assert run.status_code == 303 and run.location == again.location
    work(run.location.rsplit("/", 1)[1])
    progress = mel.get(run.location).text
    assert "3 of 3" in progress and "Tagged 0 Bookkeeping Oct 2026" in progress and count(Job) == 3


def test_a_client_that_has_the_job_already_is_passed_over_at_first(
    mel: FlaskClient, cast: Cast, session: Session
) -> None:
    service, _template = make_service(request=False)
    first = apply(mel, service.id, clients=[str(cast.acme.id)])
    work(post(mel, f"{first}/run").location.rsplit("/", 1)[1])
    second = apply(mel, service.id, clients=[str(cast.acme.id), str(cast.rival.id)])
    session.expire_all()
    skipped = session.scalars(sa.select(ApplicationClient.client_id).where(ApplicationClient.skip)).all()
    assert skipped == [cast.acme.id] and "Has this job already" in mel.get(second).text


def test_choosing_nobody_says_so_and_keeps_what_was_typed(mel: FlaskClient, cast: Cast, session: Session) -> None:
    service, _template = make_service(request=False)
    answer = post(mel, f"/services/{service.id}/applications", choice(offset_days="5"))
    assert answer.status_code == 422 and "Choose at least one client." in answer.text and 'value="5"' in answer.text
    assert count(Application) == 0


def test_bad_input_gets_a_clear_answer(mel: FlaskClient, cast: Cast, session: Session) -> None:
    service, _template = make_service(request=False)
    for values in (
        {"cadence": "never"},
        {"period_on": "31.02.2026"},
        {"period_on": "9999-12-31"},
        {"starts_on": "0001-01-01"},
        {"ahead_days": "x" * 999},
        {"clients": "nobody"},
        {"preparer_text": "Nobody at all"},
    ):
        answer = post(mel, f"/services/{service.id}/applications", choice(clients=str(cast.acme.id)) | values)
        assert answer.status_code == 422, values


def test_a_series_is_looked_at_paused_and_resumed(mel: FlaskClient, cast: Cast, session: Session) -> None:
    service, _template = make_service(request=False)
    with travel_to(dt.datetime(2026, 6, 10, 9, tzinfo=dt.UTC)):
        series = make_series(cast.acme, service, dt.date(2026, 6, 1))
    before = session.execute(sa.text("SELECT * FROM occurrence ORDER BY id")).all()
    for url in (
        "/series",
        f"/series?service={service.id}",
        "/series?show=ended",
        f"/series/{series.id}",
        f"/series/{series.id}?edit=1",
        f"/clients/{cast.acme.id}/series",
    ):
        assert mel.get(url).status_code == 200, url
    assert session.execute(sa.text("SELECT * FROM occurrence ORDER BY id")).all() == before, "looking changes nothing"
    assert post(mel, f"/series/{series.id}/pause").status_code == 303
    assert "Paused" in mel.get(f"/series/{series.id}").text
    assert post(mel, f"/series/{series.id}/resumption").status_code == 303
    saved = post(
        mel,
        f"/series/{series.id}",
        {
            "version": str(series.version),
            "ahead_days": "3",
            "offset_days": "2",
            "version_policy": "pin",
            "preparer": str(cast.sam.id),
        },
    )
    session.expire_all()
    assert saved.status_code == 303 and session.get_one(Series, series.id).ahead_days == 3
    assert (
        post(
            mel,
            f"/series/{series.id}",
            {"version": "1", "ahead_days": "9", "offset_days": "2", "version_policy": "pin"},
        ).status_code
        == 422
    )


def test_one_period_is_skipped_taken_back_and_created_now(mel: FlaskClient, cast: Cast, session: Session) -> None:
    service, _template = make_service(request=False)
    series = make_series(cast.acme, service, dt.date(2027, 6, 1))
    with travel_to(dt.datetime(2026, 6, 10, 9, tzinfo=dt.UTC)):
        pass
    row = session.scalars(sa.select(Occurrence).where(Occurrence.series_id == series.id).limit(1)).first()
    assert row is not None
    for noun, state in (
        ("skip", OccurrenceState.SKIPPED),
        ("restoration", OccurrenceState.FORECAST),
        ("job", OccurrenceState.CREATED),
    ):
        assert post(mel, f"/occurrences/{row.id}/{noun}").status_code == 303
        session.expire_all()
        assert session.get_one(Occurrence, row.id).state is state


def test_wes_is_told_that_there_is_nothing_of_rival(client: FlaskClient, cast: Cast, session: Session) -> None:
    service, _template = make_service(request=False)
    series = make_series(cast.rival, service, dt.date(2027, 6, 1))
    occurrence = session.scalars(sa.select(Occurrence.id).where(Occurrence.series_id == series.id)).first()
    wes = sign_in(client, cast.wes)
    assert "Rival" not in wes.get("/series").text
    unknown = wes.get(f"/series/{new_id()}")
    for url in (f"/series/{series.id}", f"/clients/{cast.rival.id}/series"):
        answer = wes.get(url)
        assert answer.status_code == 404 == unknown.status_code
    assert occurrence is not None


def test_the_series_list_asks_the_database_a_fixed_number_of_times(
    mel: FlaskClient, cast: Cast, session: Session, max_queries
) -> None:  # type: ignore[no-untyped-def]
    service, _template = make_service(request=False)
    for n in range(12):
        make_series(make_client(f"Client {n}", cast.office), service, dt.date(2027, 1, 1))
    with max_queries(12):
        assert mel.get("/series").text.count("Client ") >= 12


def test_a_service_is_applied_to_one_client_from_its_page(mel: FlaskClient, cast: Cast, session: Session) -> None:
    service, _template = make_service(request=False)
    assert f"/services?client={cast.acme.id}" in mel.get(f"/clients/{cast.acme.id}?section=recurring").text
    assert f"/apply?client={cast.acme.id}" in mel.get(f"/services?client={cast.acme.id}").text
    page = mel.get(f"/services/{service.id}/apply?client={cast.acme.id}").text
    assert "Acme Ltd" in page and "Rival plc" not in page and "checked" in page
