"""Comments beside clients, jobs, tasks and invoices."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient

from app.activity.models import Event, EventPayload
from app.core.db import db
from app.core.ids import new_id
from app.desk.comments import mentioned
from app.marks.models import Comment
from app.people.models import Person
from tests.make import Cast, count, sign_in


def text_of(response: Any) -> str:
    return str(response.get_data(as_text=True))


HTMX = {"HX-Request": "true"}


def test_a_comment_is_written_once_and_tells_who_is_named(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.sam)
    words = {"id": str(new_id()), "body": "@Mel and @pat, please look. Not @Nobody, nor sam@mel.example"}
    for _ in range(2):
        page = text_of(client.post(f"/comments/client/{cast.acme.id}", data=words, headers=HTMX))
    assert "please look" in page and count(Comment) == 1
    data = db.session.scalars(
        sa.select(EventPayload.data).join(Event, Event.id == EventPayload.event_id)
        .where(Event.kind == "marks.comment.add")
    ).one()
    assert data is not None
    assert {str(cast.mel.id), str(cast.pat.id)} <= set(data["mentions"])


def test_the_longest_name_that_fits_is_meant(cast: Cast) -> None:
    cast.mel.name = "Sam Price"
    db.session.flush()
    assert mentioned("@Sam Price, have a look") == [cast.mel.id]
    assert mentioned("@Sam, have a look") == [cast.sam.id]
    assert mentioned("@Samantha") == []


def test_only_its_author_changes_a_comment_and_deleting_can_be_undone(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.sam)
    client.post(f"/comments/client/{cast.acme.id}", data={"body": "First"}, headers=HTMX)
    comment = db.session.scalars(sa.select(Comment)).one()
    assert "Second" in text_of(client.post(f"/comments/{comment.id}", data={"body": "Second"}, headers=HTMX))
    page = text_of(client.post(f"/comments/{comment.id}/removal", headers=HTMX))
    assert "Second" not in page and "Undo" in page
    assert "Second" in text_of(client.post(f"/comments/{comment.id}/return", headers=HTMX))
    sign_in(client, cast.mel)
    assert client.post(f"/comments/{comment.id}", data={"body": "Mine"}).status_code == 403
    assert client.post(f"/comments/{comment.id}/removal").status_code == 403


def test_what_cannot_be_written_is_said_and_kept(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.sam)
    assert "Write something first" in text_of(client.post(f"/comments/client/{cast.acme.id}", data={"body": "  "}))
    long = client.post(f"/comments/client/{cast.acme.id}", data={"body": "x" * 20_001})
    assert long.status_code == 422 and "xxxx" in text_of(long)


def test_wes_finds_no_comments_where_he_may_not_look(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.sam)
    client.post(f"/comments/client/{cast.rival.id}", data={"body": "Secret"}, headers=HTMX)
    comment = db.session.scalars(sa.select(Comment)).one()
    sign_in(client, cast.wes)
    known = client.get(f"/comments/client/{cast.rival.id}")
    unknown = client.get(f"/comments/client/{new_id()}")
    assert known.status_code == unknown.status_code == 404
    assert client.post(f"/comments/{comment.id}", data={"body": "x"}).status_code == 404
    assert client.post(f"/comments/client/{cast.rival.id}", data={"body": "x"}).status_code == 404


def test_a_contact_reads_no_comments(cast: Cast) -> None:
    from app.desk.comments import AUTHOR, sight_of
    from app.marks.queries import list_comments

    otto = cast.contact(cast.otto)
    db.session.add(Comment(subject_kind="client", subject_id=cast.rival.id, client_id=cast.rival.id,
                           author_id=db.session.scalars(sa.select(Person.id).limit(1)).one(), body="Inside",
                           created_at=cast.firm.created_at))
    db.session.flush()
    assert list_comments("client", cast.rival.id, sight_of(otto), AUTHOR, seen_by=otto) == []
