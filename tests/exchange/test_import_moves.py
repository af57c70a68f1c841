"""An import that changes year ends, VAT quarters or payrolls says first what of recurring work moves, and asks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.core.clock import travel_to
from app.core.db import db
from app.core.errors import Refused
from app.exchange.clients.commands import digest_of_plan, plan_import, start_import, undo_import
from app.exchange.models import ClientImport
from app.jobs.models import Job
from app.planning.commands.occurrences import create_now
from app.planning.models import Series
from app.planning.proofs import forecasts_equal_their_definition
from app.runs.commands import work_run
from app.runs.models import ItemState, RunItem
from tests.exchange.test_import_clients import bring, file_of
from tests.exchange.test_import_screen import text_of
from tests.exchange.test_own_list import corrected, looked_at, taken_out
from tests.make import Cast, sign_in
from tests.planning.test_clients_that_change import at, ends, job_to_come, periods, yearly
from tests.planning.test_past_deadlines import WHY, hearing

SEPTEMBER, MARCH = dt.date(2026, 9, 30), dt.date(2026, 3, 31)
MOVES = [
    ("Thu 1 Oct – Thu 30 Sept 2027, due Sat 30 Oct 2027", "Wed 1 Apr – Wed 31 Mar 2027, due Fri 30 Apr 2027"),
    ("Wed 1 Oct 2025 – Wed 30 Sept, due Fri 30 Oct", "Wed 1 Oct 2025 – Tue 31 Mar, due Thu 30 Apr"),
]


@pytest.fixture
def series(cast: Cast) -> Iterator[Series]:
    """Acme's year ends on 30 September; its yearly job about 2026 is there, and nothing is done of it."""
    cast.acme.year_end_month, cast.acme.year_end_day = 9, 30
    with travel_to(at(1, 20)):
        made = yearly(cast)
        job_to_come(cast, made)
        yield made


def the_job() -> Job:
    db.session.expire_all()
    return db.session.scalars(sa.select(Job)).one()


def listed(cast: Cast, tmp_path: Path, year_end: str = "31 March") -> Path:
    return corrected(tmp_path, [{**taken_out(cast.acme)[0], "Year end": year_end}])


def run_of(found: ClientImport, cast: Cast, **said: Any) -> Sequence[RunItem]:
    mel = cast.actor(cast.mel)
    seen = digest_of_plan(found, plan_import(found, seen_by=mel))
    run = start_import(found, by=mel, decide=lambda _: "link", foreseen=seen, **said)
    work_run(run.id, lambda _: mel)
    db.session.expire_all()
    return db.session.scalars(sa.select(RunItem).where(RunItem.run_id == run.id)).all()


def test_a_dry_run_tells_of_series_and_jobs_and_nothing_moves_until_that_is_confirmed(
    series: Series, cast: Cast, tmp_path: Path
) -> None:
    path = listed(cast, tmp_path)
    report = bring(path, dry_run=True)
    assert [(move["before"], move["after"]) for move in report["moves"]] == MOVES
    assert [(move["line"], move["client"], move["job"]) for move in report["moves"]] == [
        (2, cast.acme.code, False), (2, cast.acme.code, True)]
    asked = bring(path)
    assert asked["unconfirmed"] and not asked["imported"] and the_job().period_end == SEPTEMBER
    assert bring(path, jobs="move")["imported"] and the_job().period_end == MARCH
    assert ends(series)[:2] == [MARCH, dt.date(2027, 3, 31)]


def test_jobs_are_kept_where_that_is_said_and_the_series_follows(series: Series, cast: Cast, tmp_path: Path) -> None:
    assert bring(listed(cast, tmp_path), jobs="keep")["imported"]
    assert the_job().period_end == SEPTEMBER and ends(series)[:2] == [SEPTEMBER, dt.date(2027, 3, 31)]


def test_the_screen_shows_it_and_nothing_starts_that_nobody_has_looked_at(
    client: FlaskClient, series: Series, cast: Cast, tmp_path: Path
) -> None:
    found, mel = looked_at(listed(cast, tmp_path), cast), cast.actor(cast.mel)
    with pytest.raises(Refused, match="Look at what moves before it starts"):
        start_import(found, by=mel, decide=lambda _: "")
    sign_in(client, cast.mel)
    page = text_of(client.get(f"/clients/import/{found.id}"))
    assert "What of recurring work moves" in page and all(words in page for move in MOVES for words in move)
    seen = digest_of_plan(found, plan_import(found, seen_by=mel))
    create_now(periods(series)[1], by=mel)
    stale = client.post(f"/clients/import/{found.id}/start", data={"foreseen": seen})
    assert stale.status_code == 422 and "has changed since it was shown" in stale.text
    db.session.expire_all()
    assert ends(series)[0] == SEPTEMBER and found.run_id is None


def test_what_changed_between_the_look_and_the_work_is_not_done(series: Series, cast: Cast, tmp_path: Path) -> None:
    found, mel = looked_at(listed(cast, tmp_path), cast), cast.actor(cast.mel)
    seen = digest_of_plan(found, plan_import(found, seen_by=mel))
    run = start_import(found, by=mel, decide=lambda _: "", foreseen=seen)
    create_now(periods(series)[1], by=mel)
    work_run(run.id, lambda _: mel)
    (item,) = db.session.scalars(sa.select(RunItem).where(RunItem.run_id == run.id)).all()
    assert item.state is ItemState.FAILED and "has changed since it was shown" in item.message
    db.session.expire_all()
    assert cast.acme.year_end_month == 9


def test_taking_it_back_puts_jobs_and_series_back(series: Series, cast: Cast, tmp_path: Path) -> None:
    """Also a job whose period is over by what was imported."""
    with travel_to(at(5, 5)):
        found = looked_at(listed(cast, tmp_path), cast)
        run_of(found, cast)
        assert the_job().period_end == MARCH
        back = undo_import(found, by=cast.actor(cast.mel))
        work_run(back.id, lambda _: cast.actor(cast.mel))
        job = the_job()
        assert (job.period_end, job.due_on) == (SEPTEMBER, dt.date(2026, 10, 30))
        assert ends(series)[:2] == [SEPTEMBER, dt.date(2027, 9, 30)]
        assert list(forecasts_equal_their_definition()) == []


def test_a_job_that_would_pass_a_deadline_needs_a_reason(series: Series, cast: Cast, tmp_path: Path) -> None:
    bring(listed(cast, tmp_path), jobs="move")
    hearing(the_job(), dt.date(2026, 6, 1))
    path = listed(cast, tmp_path, "30 September")
    (told,) = [move["past_deadline"] for move in bring(path, dry_run=True)["moves"] if move["job"]]
    assert told == "Thu 30 Apr → Fri 30 Oct is past “Hearing” on Mon 1 Jun"
    with pytest.raises(Refused, match="is past “Hearing”.*or keep the jobs"):
        bring(path, jobs="move")
    bring(path, jobs="move", because=WHY)
    assert (the_job().due_on, the_job().due_because) == (dt.date(2026, 10, 30), WHY)


def test_a_client_of_another_system_that_is_linked_is_told_of_too(cast: Cast, tmp_path: Path) -> None:
    cast.acme.year_end_month = cast.acme.year_end_day = None
    with travel_to(at(1, 20)):
        yearly(cast)
        report = bring(file_of(tmp_path, "Company,Year end\nAcme Ltd,31 March\n"), dry_run=True)
        assert report["matched"] == 1 and [move["what"] for move in report["moves"]] == ["Bookkeeping, next period"]
