"""Comments: written once, changed and taken back by their author alone."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core.actors import SYSTEM
from app.core.errors import Conflict, NotAllowed, Refused
from app.core.ids import new_id
from app.marks.commands import add_comment, delete_comment, edit_comment, restore_comment
from app.marks.models import Comment
from tests.jobs.make_jobs import make_job
from tests.make import Cast, count


def events(session: Session, verb: str) -> int:
    kind = f"marks.comment.{verb}"
    return session.scalar(sa.text("SELECT count(*) FROM event WHERE kind = :kind"), {"kind": kind}) or 0


def test_a_comment_is_written_once_beside_its_job(cast: Cast, session: Session) -> None:
    sam, job, comment_id = cast.actor(cast.sam), make_job(cast.acme_work), new_id()
    made = add_comment(comment_id, job, " Half done ", by=sam)
    assert add_comment(comment_id, job, "Half done", by=sam).id == made.id
    assert (made.body, made.client_id, made.engagement_id, made.job_id, made.author_id) == (
        "Half done", cast.acme.id, cast.acme_work.id, job.id, cast.sam.id
    )
    assert count(Comment) == 1 and events(session, "add") == 1
    with pytest.raises(Conflict):
        add_comment(comment_id, job, "Something else", by=sam)


def test_an_empty_or_endless_comment_is_refused(cast: Cast, session: Session) -> None:
    for body in ("", " \n ", "x" * 20_001):
        with pytest.raises(Refused):
            add_comment(new_id(), cast.acme, body, by=cast.actor(cast.sam))
    assert count(Comment) == 0


def test_only_its_author_changes_takes_back_and_restores_it_and_each_once(cast: Cast, session: Session) -> None:
    sam, mel = cast.actor(cast.sam), cast.actor(cast.mel)
    comment = add_comment(new_id(), cast.acme, "First", by=sam)
    for by in (mel, SYSTEM):
        with pytest.raises(NotAllowed):
            edit_comment(comment, "Mine now", by=by)
        with pytest.raises(NotAllowed):
            delete_comment(comment, by=by)
        with pytest.raises(NotAllowed):
            restore_comment(comment, by=by)
    for _ in range(2):
        edit_comment(comment, "Second", by=sam)
    for _ in range(2):
        delete_comment(comment, by=sam)
    with pytest.raises(Refused, match="deleted meanwhile"):
        edit_comment(comment, "Third", by=sam)
    for _ in range(2):
        restore_comment(comment, by=sam)
    assert comment.body == "Second" and comment.deleted_at is None
    assert [events(session, verb) for verb in ("edit", "delete", "restore")] == [1, 1, 1]


def test_nobody_comments_in_the_systems_name(cast: Cast, session: Session) -> None:
    with pytest.raises(NotAllowed):
        add_comment(new_id(), cast.acme, "Hello", by=SYSTEM)
