"""The ground that the other tests stand on."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread
from time import sleep

import psycopg
import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.config import Settings
from app.core.clock import now
from app.core.db import db, portal_door, transaction
from app.core.ids import new_id
from app.marks.models import Comment
from tests.plumbing import TestServices, cloned_database, turn


@pytest.mark.parametrize("time", [1, 2])
def test_what_a_rolled_back_test_commits_is_gone_for_the_next(session: Session, time: int) -> None:
    def comments() -> int | None:
        return session.scalar(sa.select(sa.func.count()).select_from(Comment))

    assert comments() == 0
    with transaction():
        session.add(Comment(
            subject_kind="job", subject_id=new_id(), author_id=new_id(), body="Here for a moment", created_at=now()
        ))
    assert comments() == 1


def test_a_rolled_back_test_knows_one_connection_for_both_doors(session: Session) -> None:
    assert session.scalar(sa.text("SELECT current_user")) == "firmament_test_app"
    session.commit()
    with portal_door():
        assert session.scalar(sa.text("SELECT current_user")) == "firmament_test_portal"
        session.commit()
    assert session.scalar(sa.text("SELECT current_user")) == "firmament_test_app"


@pytest.mark.real
def test_a_real_test_really_commits_and_the_portal_has_a_login_of_its_own(real_app: Flask) -> None:
    with real_app.app_context():
        with portal_door():
            assert db.session.scalar(sa.text("SELECT session_user")) == "firmament_test_portal"
        db.session.remove()
        assert db.session.scalar(sa.text("SELECT session_user")) == "firmament_test_app"


@pytest.mark.real
def test_a_cloned_database_is_complete_and_gone_afterwards(services: TestServices) -> None:
    def ask(settings: Settings, question: str) -> object:
        with psycopg.connect(settings.database_url.replace("+psycopg", "")) as connection:
            return connection.execute(question).fetchone()

    with cloned_database(services) as settings:
        assert ask(settings, "SELECT count(*) > 50 FROM pg_tables WHERE schemaname = 'public'") == (True,)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        ask(settings, "SELECT 1")


def test_a_test_that_measures_time_waits_for_the_others_and_goes_before_who_comes_later(tmp_path: Path) -> None:
    happened: list[str] = []
    begun, may_end = Event(), Event()

    def take(name: str, *, alone: bool) -> None:
        with turn(tmp_path, alone=alone):
            happened.append(f"{name} begins")
            if name == "first":
                begun.set()
                may_end.wait(10)
            happened.append(f"{name} ends")

    first, timed, later = (
        Thread(target=take, args=(name,), kwargs={"alone": name == "timed"}) for name in ("first", "timed", "later")
    )
    first.start()
    begun.wait(10)
    timed.start()
    sleep(0.1)
    later.start()
    sleep(0.1)
    assert happened == ["first begins"]
    may_end.set()
    for thread in (first, timed, later):
        thread.join(10)
    assert happened == ["first begins", "first ends", "timed begins", "timed ends", "later begins", "later ends"]


def test_templates_share_their_globals_and_keep_their_own_to_themselves(app: Flask) -> None:
    templates = app.jinja_env
    assert templates.get_template("errors/error.html").globals is templates.globals
    assert templates.from_string("{{ its_own }} {{ today is defined }}", globals={"its_own": 1}).render() == "1 True"
    assert "its_own" not in templates.globals
