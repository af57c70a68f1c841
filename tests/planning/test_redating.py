"""A closure, an office's calendar or a new version moves what recurs: in pieces, only what it touches, never half."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.activity.commands import run_reader, seal_events
from app.catalogue.commands import StepValues, draft_next_version, edit_step, edit_template, publish_template
from app.catalogue.due_rules import DueRule, working_days
from app.catalogue.models import Cadence, Service
from app.clients.commands.clients import facts_of, update_client
from app.clients.models import Client
from app.core.actors import SYSTEM
from app.core.clock import travel_to
from app.core.errors import NotAllowed
from app.core.ids import new_id
from app.firm.commands.entities import add_closure, remove_closure
from app.planning.background import recur, redate
from app.planning.commands import forecasting
from app.planning.commands.forecasting import redate_next, refresh_stuck, top_up_forecasts
from app.planning.models import Occurrence, Redating, Series
from app.planning.proofs import forecasts_equal_their_definition
from app.planning.queries import count_redating
from tests.make import Cast, count, make_client, sign_in
from tests.planning.make_planning import make_series, make_service
from tests.planning.test_days_by_hand import _version
from tests.planning.test_series import at, follow_events

NOW, CLOSED = at(2026, 6, 10), dt.date(2026, 7, 2)


@pytest.fixture
def series(cast: Cast, session: Session) -> Sequence[Series]:
    """Five of the first office and one of the second, whose jobs are due two working days after their period."""
    with travel_to(NOW):
        service, _template = make_service(request=False)
        draft = draft_next_version(service, by=SYSTEM)
        rule = DueRule("period_end", (working_days(2),))
        edit_template(draft, title_pattern="{client} {period}", due_rule=rule, priority=0, fee=None, by=SYSTEM)
        edit_step(draft, "review", StepValues("Review", service.stages[2].id), by=SYSTEM)
        publish_template(draft, by=SYSTEM)
        follow_events()
        made = [make_series(make_client(f"Client {n}", cast.office), service, NOW.date()) for n in range(5)]
        other = make_client("Elsewhere", cast.second_office)
        made.append(make_series(other, service, NOW.date()))
        redate()
        assert not count(Redating) and list(forecasts_equal_their_definition()) == []
    return sorted(made, key=lambda each: each.id)


def close(cast: Cast, office: bool = True) -> Any:
    return add_closure(
        new_id(), closed_on=CLOSED, name="Strike", by=cast.actor(cast.pat), office_id=cast.office.id if office else None
    )


def due(session: Session, of: Series) -> dt.date | None:
    return session.scalar(
        sa.select(Occurrence.due_on).where(Occurrence.series_id == of.id).order_by(Occurrence.period_start).limit(1)
    )


def test_a_closure_moves_what_it_touches_piece_by_piece_and_says_so_until_it_is_done(
    cast: Cast, session: Session, series: Sequence[Series]
) -> None:
    mel = cast.actor(cast.mel)
    with travel_to(NOW):
        close(cast)
        assert [due(session, each) for each in series] == [CLOSED] * 6
        left = [5]
        assert count_redating(seen_by=mel) == 5, "the other office's goes on as it is"
        while redate_next(by=SYSTEM, limit=2):
            left.append(count_redating(seen_by=mel))
            assert list(forecasts_equal_their_definition()) == [], "what waits is no fault, what is done is right"
        assert left == [5, 3, 1, 0, 0] and not count(Redating)
        moved = [due(session, each) for each in series]
        assert sorted(moved, key=str) == [CLOSED, *[dt.date(2026, 7, 3)] * 5]


def test_a_worker_killed_between_two_pieces_loses_nothing_and_does_nothing_twice(
    cast: Cast, session: Session, series: Sequence[Series], monkeypatch: pytest.MonkeyPatch
) -> None:
    brought: list[list[Any]] = []
    refresh = forecasting.refresh_forecasts

    def watched(ids: Any, *, by: Any) -> None:
        brought.append(list(ids))
        refresh(ids, by=by)
        if len(brought) == 2:
            raise sa.exc.OperationalError("killed", None, Exception())

    with travel_to(NOW):
        close(cast)
        monkeypatch.setattr(forecasting, "refresh_forecasts", watched)
        assert redate_next(by=SYSTEM, limit=2)
        monkeypatch.setattr(forecasting, "lost_a_race", lambda _error: True)
        with pytest.raises(sa.exc.OperationalError):
            redate_next(by=SYSTEM, limit=2)
        session.rollback()
        assert count_redating(seen_by=SYSTEM) == 3 and list(forecasts_equal_their_definition()) == []
        redate()
        done = [each for piece in (brought[0], *brought[2:]) for each in piece]
        assert len(done) == len(set(done)) == 5, "the piece that was cut off is done again, the one before it is not"
        assert not count(Redating) and list(forecasts_equal_their_definition()) == []


def test_a_series_that_cannot_be_worked_out_holds_up_no_other_says_so_and_is_tried_again(
    client: FlaskClient, cast: Cast, session: Session, series: Sequence[Series], monkeypatch: pytest.MonkeyPatch
) -> None:
    with travel_to(NOW):
        close(cast)
        broken = next(each for each in series if each.client_id != series[-1].client_id)
        refresh = forecasting.refresh_forecasts

        def breaks(ids: Any, *, by: Any) -> None:
            if broken.id in ids:
                raise LookupError("no such thing")
            refresh(ids, by=by)

        monkeypatch.setattr(forecasting, "refresh_forecasts", breaks)
        redate()
        assert not count(Redating)
        assert [finding.subject for finding in forecasts_equal_their_definition()] == [f"series {broken.id}"]
        mel = sign_in(client, cast.mel)
        assert "could not be worked out anew" in mel.get(f"/series/{broken.id}").text
        others = [each for each in series if each.id != broken.id]
        assert not any("could not be worked out anew" in mel.get(f"/series/{each.id}").text for each in others)
        recur()
        assert [finding.subject for finding in forecasts_equal_their_definition()] == [f"series {broken.id}"]
        monkeypatch.undo()
        recur()
        assert list(forecasts_equal_their_definition()) == [] and due(session, broken) == dt.date(2026, 7, 3)
        assert "could not be worked out anew" not in mel.get(f"/series/{broken.id}").text


@pytest.fixture
def broken(series: Sequence[Series], monkeypatch: pytest.MonkeyPatch) -> Series:
    """One of them whose periods cannot be worked out, whoever asks."""
    one = next(each for each in series if each.client_id != series[-1].client_id)
    define = forecasting.forecasts_of

    def breaks(row: Series, *said: Any, **more: Any) -> Any:
        if row.id == one.id:
            raise LookupError("no such thing")
        return define(row, *said, **more)

    monkeypatch.setattr(forecasting, "forecasts_of", breaks)
    return one


def stuck(session: Session) -> list[Any]:
    return list(session.scalars(sa.select(Series.id).where(Series.is_stuck)))


def test_a_series_that_breaks_holds_up_no_other_when_forecasts_are_lengthened(
    cast: Cast, session: Session, series: Sequence[Series], broken: Series, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends() -> set[tuple[Any, dt.date | None]]:
        return set(session.execute(sa.select(Series.id, Series.forecast_until)).all())

    def lengthen() -> None:
        refresh_stuck(by=SYSTEM)
        while top_up_forecasts(by=SYSTEM):
            session.expire_all()

    before = ends()
    with travel_to(at(2026, 9, 10)):
        lengthen()
        assert {key for key, _until in before & ends()} == {broken.id} and stuck(session) == [broken.id]
        lengthen()
        assert stuck(session) == [broken.id], "tried again, and no other is done anew"
        monkeypatch.undo()
        lengthen()
        assert len({until for _key, until in ends()}) == 1 and stuck(session) == []
        assert list(forecasts_equal_their_definition()) == []


def test_a_series_that_breaks_keeps_no_event_from_those_who_come_after(
    cast: Cast, session: Session, series: Sequence[Series], broken: Series
) -> None:
    with travel_to(NOW):
        other = next(one for one in series if one.id != broken.id)
        service = session.get_one(Service, other.service_id)
        second = make_series(session.get_one(Client, broken.client_id), service, NOW.date(), cadence=Cadence.QUARTER)
        for each in (broken, other):
            client = session.get_one(Client, each.client_id)
            update_client(client, replace(facts_of(client), name=f"{client.name} Group"), by=SYSTEM)
        follow_events()
        renamed = set(session.scalars(sa.select(Occurrence.series_id).where(Occurrence.title.contains("Group"))))
        assert stuck(session) == [broken.id] and renamed == {second.id, other.id}


def test_a_closure_taken_back_moves_everything_back(cast: Cast, session: Session, series: Sequence[Series]) -> None:
    with travel_to(NOW):
        closure = close(cast, office=False)
        redate()
        assert {due(session, each) for each in series} == {dt.date(2026, 7, 3)}
        remove_closure(closure, by=cast.actor(cast.pat))
        redate()
        assert {due(session, each) for each in series} == {CLOSED}
        assert list(forecasts_equal_their_definition()) == []


def test_a_closure_long_past_touches_nothing(cast: Cast, session: Session, series: Sequence[Series]) -> None:
    with travel_to(NOW):
        add_closure(new_id(), closed_on=dt.date(2024, 5, 1), name="Old", by=cast.actor(cast.pat))
        assert count_redating(seen_by=SYSTEM) == 0 and list(forecasts_equal_their_definition()) == []
        redate()
        assert not count(Redating)


def test_another_calendar_of_an_office_and_a_new_version_are_followed_alike(
    cast: Cast, session: Session, series: Sequence[Series]
) -> None:
    with travel_to(NOW):
        session.execute(
            sa.text("UPDATE office SET calendar = 'US' WHERE id = :id"), {"id": cast.office.id}
        )
        session.expire_all()
        assert count_redating(seen_by=SYSTEM) == 5
        redate()
        assert list(forecasts_equal_their_definition()) == []
        _version(cast, series[0])
        while seal_events():
            pass
        run_reader("planning.forecasts")
        assert count_redating(seen_by=SYSTEM) == 6
        redate()
        assert due(session, series[0]) == dt.date(2026, 7, 5) and list(forecasts_equal_their_definition()) == []


def test_who_may_not_decide_what_recurs_starts_no_redating(cast: Cast, session: Session) -> None:
    with pytest.raises(NotAllowed):
        redate_next(by=cast.actor(cast.sam))


def test_the_pages_say_that_dates_are_being_worked_out(
    client: FlaskClient, cast: Cast, session: Session, series: Sequence[Series]
) -> None:
    with travel_to(NOW):
        mel = sign_in(client, cast.mel)
        page = f"/series/{series[0].id}"
        assert "Being re-dated" not in mel.get("/series").text + mel.get(page).text
        close(cast, office=False)
        assert "Being re-dated: 6 recurring services" in mel.get("/series").text
        assert "Being re-dated" in mel.get(page).text
        redate()
        assert "Being re-dated" not in mel.get("/series").text + mel.get(page).text
