"""A job knows since when it is in its stage, and is stalled beyond the stage's time limit."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient

from app.catalogue.models import Stage
from app.core.clock import travel_to
from app.core.db import db
from app.jobs.commands.stages import move_to_stage
from app.jobs.queries.board import BoardFilter, Mark, list_table
from tests.jobs.make_jobs import make_job, make_service
from tests.make import sign_in

MONDAY = dt.datetime(2025, 11, 17, 9, tzinfo=dt.UTC)


def test_a_job_is_stalled_when_its_stage_has_had_it_for_longer_than_its_limit(client: FlaskClient, cast: Any) -> None:
    by, found = cast.actor(cast.pat), BoardFilter(mark=Mark.STALLED)
    with travel_to(MONDAY):
        service = make_service()
        first, second = db.session.scalars(
            sa.select(Stage).where(Stage.service_id == service.id).order_by(Stage.position).limit(2)
        ).all()
        first.limit_days = 5
        job = make_job(cast.acme_work, service_id=service.id, stage_id=first.id)
        assert job.stage_since == MONDAY.date() and list_table(found, seen_by=by)[1] == 0
    with travel_to(MONDAY + dt.timedelta(days=5)):
        assert list_table(found, seen_by=by)[1] == 0, "the limit itself is within it"
    with travel_to(MONDAY + dt.timedelta(days=7)):
        (card,), _ = list_table(found, seen_by=by)
        assert (card.id, card.stalled_for) == (job.id, 2)
        sign_in(client, cast.pat)
        assert "2 days beyond its limit" in client.get(f"/jobs/{job.id}").text
        assert "stalled" in client.get("/board?view=table&mark=stalled").text
        move_to_stage(job, second, by=by)
        assert job.stage_since == MONDAY.date() + dt.timedelta(days=7) and list_table(found, seen_by=by)[1] == 0
