"""A run can be left and found again, stopped, resumed; what failed says why."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.clients.models import Client
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.queue import TookTooLong
from app.runs import commands
from app.runs.background import sweep, work
from app.runs.commands import Skip, start_run
from app.runs.models import Run, RunItem, RunState
from tests.desk.test_figures import Walk, read
from tests.make import Cast, make_client, sign_in

KIND = "tests.run"


@pytest.fixture
def does(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], None]], None]:
    """Say what the work on one item is, by its label."""

    def register(act: Callable[[str], None]) -> None:
        def one(run: Run, item: RunItem, by: Actor) -> dict[str, Any] | None:
            return act(item.label)

        monkeypatch.setitem(commands._workers, KIND, one)

    return register


def begin(cast: Cast, *clients: Client) -> Run:
    items = [(client.name, {"client_id": str(client.id)}) for client in clients]
    return start_run(new_id(), KIND, "Something long", items, by=cast.actor(cast.mel))


def post(client: FlaskClient, run: Run, noun: str) -> Any:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/services/library").text)
    assert found
    return client.post(f"/runs/{run.id}/{noun}", data={"csrf_token": found[1]})


def test_a_failed_item_says_why_and_is_tried_again(
    client: FlaskClient, cast: Cast, session: Session, does: Callable[..., None]
) -> None:
    def fails_for_rival(label: str) -> None:
        if label == cast.rival.name:
            raise Refused("Rival has no year end.")

    does(fails_for_rival)
    mel, run = sign_in(client, cast.mel), begin(cast, cast.acme, cast.rival)
    work(str(run.id))
    page = mel.get(f"/runs/{run.id}").text
    assert "2 of 2" in page and "1 failed" in page and "Rival has no year end." in page
    assert "Acme" not in mel.get(f"/runs/{run.id}?show=failed").text
    does(lambda label: None)
    assert post(mel, run, "resumption").status_code == 303
    work(str(run.id))
    assert "1 failed" not in mel.get(f"/runs/{run.id}").text


def test_a_run_whose_time_is_up_goes_on_by_the_sweep_with_nothing_lost(
    cast: Cast, session: Session, does: Callable[..., None]
) -> None:
    def takes_too_long(label: str) -> None:
        if label == cast.rival.name:
            raise TookTooLong("It took more than 3600 seconds.")

    does(takes_too_long)
    run = begin(cast, cast.acme, cast.rival)
    work(str(run.id))
    assert states(run) == ["done", "waiting"]
    does(lambda label: None)
    sweep()
    assert states(run) == ["done", "done"]


def states(run: Run) -> list[str]:
    of = sa.select(RunItem.state).where(RunItem.run_id == run.id).order_by(RunItem.position)
    return [state.value for state in db.session.scalars(of)]


def test_a_stopped_run_is_found_again_and_goes_on(
    client: FlaskClient, cast: Cast, session: Session, does: Callable[..., None]
) -> None:
    does(lambda label: None)
    mel, run = sign_in(client, cast.mel), begin(cast, cast.acme)
    assert post(mel, run, "stop").status_code == 303
    work(str(run.id))
    assert "0 of 1" in mel.get(f"/runs/{run.id}").text and "Something long" in mel.get("/runs").text
    post(mel, run, "resumption")
    work(str(run.id))
    session.expire_all()
    assert session.get_one(Run, run.id).state is RunState.FINISHED


def test_what_needs_nothing_is_passed_over_with_its_reason(
    client: FlaskClient, cast: Cast, session: Session, does: Callable[..., None]
) -> None:
    def skip(label: str) -> None:
        raise Skip("Nothing to do here.")

    does(skip)
    mel, run = sign_in(client, cast.mel), begin(cast, cast.acme)
    work(str(run.id))
    assert "Nothing to do here." in mel.get(f"/runs/{run.id}?show=skipped").text


def test_wes_sees_no_item_of_rival(
    client: FlaskClient, cast: Cast, session: Session, does: Callable[..., None]
) -> None:
    does(lambda label: None)
    run = begin(cast, cast.acme, cast.rival)
    work(str(run.id))
    page = sign_in(client, cast.wes).get(f"/runs/{run.id}").text
    assert "Acme" in page and "Rival" not in page


def test_an_unknown_run_is_not_there(client: FlaskClient, cast: Cast, session: Session) -> None:
    mel = sign_in(client, cast.mel)
    assert mel.get(f"/runs/{new_id()}").status_code == 404


def test_the_tabs_of_a_run_count_what_they_open_over_all_pages_and_behind_a_wall(
    client: FlaskClient, cast: Cast, does: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(label: str) -> None:
        raise Refused("Not today.")

    does(fails)
    monkeypatch.setattr("app.runs.views.PER_PAGE", 2)
    others = [make_client(f"Client {number}", cast.office) for number in range(3)]
    run = begin(cast, cast.acme, cast.rival, *others)
    work(str(run.id))
    for person, failed in ((cast.mel, 5), (cast.wes, 4)):
        sign_in(client, person)
        assert [each.count for each in read(client, f"/runs/{run.id}").figures if each.name == "failed"] == [failed]
        found = Walk(client)
        found.look("", f"/runs/{run.id}")
        assert found.faults == [] and found.met["failed"]
