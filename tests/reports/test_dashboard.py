"""The dashboard: figures for whoever looks, each opening into the same rows."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.core.clock import today
from app.jobs.queries.board import BoardFilter, Mark, list_table
from app.ledger.models import Account, AccountBalance, Balance
from app.reports.dashboard import Weeks, hours_of_week, standing, unbilled
from app.timekeeping.models import TimeEntry
from tests.jobs.make_jobs import make_job
from tests.make import keep, sign_in


@pytest.fixture
def jobs(cast: Any) -> None:
    late = today() - dt.timedelta(days=1)
    make_job(cast.acme_work, "Fine")
    make_job(cast.acme_work, "Tight", at_risk_because="“Review” should have started yesterday")
    make_job(cast.acme_work, "Gone", due_on=late, at_risk_because="whatever")
    make_job(cast.rival_work, "Secret", due_on=late)
    make_job(cast.acme_work, "Asked", waiting_items=2, waiting_total=5)


def test_every_figure_counts_the_rows_that_it_opens(cast: Any, jobs: None) -> None:
    for person, overdue in ((cast.mel, 2), (cast.wes, 1)):
        seen_by = cast.actor(person)
        found = standing(seen_by=seen_by)
        assert (found.on_track, found.at_risk, found.overdue, found.waiting_jobs) == (2, 1, overdue, 1)
        for mark, figure in ((Mark.ON_TRACK, found.on_track), (Mark.AT_RISK, found.at_risk),
                             (Mark.OVERDUE, found.overdue), (Mark.WAITING, found.waiting_jobs)):
            assert list_table(BoardFilter(mark=mark), seen_by=seen_by)[1] == figure


def test_wip_and_hours_leave_out_what_a_wall_hides(cast: Any) -> None:
    for client, work, amount in ((cast.acme, cast.acme_work, 100), (cast.rival, cast.rival_work, 40)):
        keep(Balance(client_id=client.id, engagement_id=work.id, account=Account.WIP, currency="GBP",
                     aged_on=today(), amount=Decimal(amount)))
        keep(AccountBalance(account=Account.WIP, currency="GBP", aged_on=today(),
                            amount=Decimal(amount)))
        keep(TimeEntry(client_id=client.id, engagement_id=work.id, person_id=cast.sam.id, worked_on=today(),
                       recorded=dt.timedelta(hours=2), charged=dt.timedelta(hours=2, minutes=6), currency="GBP",
                       rate=Decimal(100), rate_source="person", billable=True))
    assert [aged.total for aged in unbilled(seen_by=cast.actor(cast.mel))] == [Decimal(140)]
    assert [aged.total for aged in unbilled(seen_by=cast.actor(cast.wes))] == [Decimal(100)]
    sam = next(week for week in hours_of_week(seen_by=cast.actor(cast.mel)).people if week.id == cast.sam.id)
    assert (sam.recorded, sam.charged) == (dt.timedelta(hours=4), dt.timedelta(hours=4, minutes=12))
    assert dt.timedelta(hours=22) < sam.capacity <= dt.timedelta(hours=37, minutes=30)
    sam = next(week for week in hours_of_week(seen_by=cast.actor(cast.wes)).people if week.id == cast.sam.id)
    assert sam.recorded == dt.timedelta(hours=2)
    assert unbilled(seen_by=cast.contact(cast.otto))[0].total == Decimal(40)
    assert hours_of_week(seen_by=cast.contact(cast.otto)) == Weeks([], [])


def test_the_page_is_for_managers_and_asks_a_fixed_number_of_questions(
    client: FlaskClient, cast: Any, jobs: None, max_queries: Any
) -> None:
    assert sign_in(client, cast.sam).get("/dashboard").status_code == 403
    mel = sign_in(client, cast.mel)
    mel.get("/dashboard")
    with max_queries(14):
        page = mel.get("/dashboard")
    assert page.status_code == 200
    link = re.search(r'href="([^"]*mark=overdue[^"]*)"', page.text)
    assert link and "Gone" in mel.get(link[1].replace("&amp;", "&")).text
    assert "Mel," in mel.get("/dashboard/hours.csv").text
