"""Leave: one's own or a manager's to add, never twice at once, left out of plans and capacity."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.activity.models import Event
from app.core.clock import travel_to
from app.core.db import db, transaction
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.people.commands.leave import NewLeave, add_leave, cancel_leave
from app.people.models import Leave, LeaveKind
from app.people.queries import list_leave
from app.reports.dashboard import hours_of_week
from tests.make import sign_in

MONDAY = dt.datetime(2025, 11, 17, 12, tzinfo=dt.UTC)
TUESDAY, FRIDAY = dt.date(2025, 11, 18), dt.date(2025, 11, 21)


def away(from_on: dt.date, to_on: dt.date, **values: Any) -> NewLeave:
    values.setdefault("kind", LeaveKind.SICK)
    return NewLeave(id=new_id(), from_on=from_on, to_on=to_on, **values)


def test_leave_is_left_out_of_the_weeks_capacity_by_the_half_day(cast: Any) -> None:
    with travel_to(MONDAY):
        add_leave(cast.sam, away(TUESDAY, FRIDAY, from_midday=True), by=cast.actor(cast.sam))
        week = {row.id: row.capacity for row in hours_of_week(seen_by=cast.actor(cast.pat)).people}
        assert week[cast.sam.id] == dt.timedelta(hours=7.5 * 1.5) and week[cast.mel.id] == dt.timedelta(hours=37.5)


def test_leave_never_overlaps_but_two_halves_of_a_day_stand_side_by_side(cast: Any) -> None:
    by = cast.actor(cast.sam)
    with transaction():
        first = away(TUESDAY, TUESDAY, until_midday=True)
        leave = add_leave(cast.sam, first, by=by)
    assert add_leave(cast.sam, first, by=by) is leave
    with transaction():
        add_leave(cast.sam, away(TUESDAY, TUESDAY, from_midday=True), by=by)
    with pytest.raises(Refused, match="overlaps"):
        add_leave(cast.sam, away(TUESDAY, FRIDAY), by=by)
    add_leave(cast.mel, away(TUESDAY, FRIDAY), by=cast.actor(cast.mel))
    with pytest.raises(Refused, match="on or after the first"):
        add_leave(cast.sam, away(FRIDAY, TUESDAY), by=by)
    with pytest.raises(Refused, match="no time at all"):
        add_leave(cast.sam, away(FRIDAY, FRIDAY, from_midday=True, until_midday=True), by=by)


def test_leave_taken_back_stays_as_a_row_and_makes_room(cast: Any) -> None:
    by = cast.actor(cast.sam)
    leave = add_leave(cast.sam, away(TUESDAY, FRIDAY), by=by)
    cancel_leave(leave, by=by)
    told = sa.select(sa.func.count()).select_from(Event).where(Event.subject_id == leave.id)
    db.session.flush()
    before = db.session.scalar(told)
    cancel_leave(leave, by=by)
    assert db.session.scalar(told) == before and leave.cancelled_at is not None
    add_leave(cast.sam, away(TUESDAY, FRIDAY), by=by)
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Leave)) == 2


def test_only_oneself_and_whoever_looks_after_leave_change_it_or_see_its_kind(client: FlaskClient, cast: Any) -> None:
    with travel_to(MONDAY):
        leave = add_leave(cast.sam, away(TUESDAY, FRIDAY), by=cast.actor(cast.mel))
        for someone in (cast.actor(cast.wes), cast.contact(cast.otto), cast.actor(cast.bea)):
            with pytest.raises(NotAllowed):
                add_leave(cast.sam, away(TUESDAY, TUESDAY), by=someone)
            with pytest.raises(NotAllowed):
                cancel_leave(leave, by=someone)
        kinds = [row.kind for who in (cast.sam, cast.mel, cast.wes)
                 for row in list_leave(cast.sam, seen_by=cast.actor(who))]
        assert kinds == ["sick", "sick", ""] and list_leave(cast.sam, seen_by=cast.contact(cast.cleo)) == []
        db.session.flush()
        told = db.session.scalar(sa.text("SELECT string_agg(data::text, ' ') FROM event_payload"))
        assert "sick" not in (told or "")
        sign_in(client, cast.wes)
        page = client.get(f"/people/{cast.sam.id}/leave").text
        assert "Tue 18 Nov" in page or "tomorrow" in page
        assert "<span class=\"context\">away</span>" in page and "Take back" not in page
        assert client.post(f"/leave/{leave.id}/cancellation").status_code == 403
        sign_in(client, cast.sam)
        sent = {"id": str(new_id()), "kind": "holiday", "from_on": "2025-11-20", "to_on": "2025-11-24"}
        refused = client.post(f"/people/{cast.sam.id}/leave", data=sent)
        assert refused.status_code == 422 and "overlaps" in refused.text and 'value="2025-11-24"' in refused.text
        assert client.post(f"/people/{cast.sam.id}/leave", data={**sent, "from_on": "2025-11-24"}).status_code == 303
        assert "My leave" in client.get("/leave").text
