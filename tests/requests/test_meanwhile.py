"""Client and firm act on one request at once: whoever comes second goes by what the first has left.

The first act is written past the session, as another process would; the second still has the rows from before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from app.activity.models import Event
from app.core.clock import now
from app.core.db import db
from app.core.errors import Refused
from app.core.ids import new_id
from app.documents.commands.uploads import NewFile
from app.requests.commands.answering import (
    Typed,
    answer_for_client,
    change_answer,
    clear_answer,
    mark_viewed,
    remove_file,
    save_answer,
    save_answers,
    set_not_applicable,
    start_item_upload,
    start_plain_item_upload,
    submit_answers,
)
from app.requests.commands.reviewing import accept_item, return_item
from app.requests.models import ClientRequest, ItemState, RequestItem, RequestState
from tests.make import Cast
from tests.requests.make_requests import STATEMENTS, TURNOVER, fresh, give_file, item_of, make_request

ACTS: dict[str, Callable[[RequestItem, Any], Any]] = {
    "saving": lambda item, by: save_answer(item, ["300"], by=by),
    "saying why not": lambda item, by: set_not_applicable(item, "None", by=by),
    "clearing": lambda item, by: clear_answer(item, by=by),
    "handing over": lambda item, by: submit_answers(item.request, by=by),
}


def meanwhile(row: Any, **values: Any) -> None:
    """Somebody else's act, committed while this session still has the row from before."""
    db.session.flush()
    table = type(row)
    db.session.execute(sa.update(table).where(table.id == row.id).values(**values)
                       .execution_options(synchronize_session=False))
    db.session.commit()


def answered(cast: Cast) -> tuple[ClientRequest, RequestItem]:
    request = make_request(cast, items=(TURNOVER, STATEMENTS))
    save_answer(item_of(request, "turnover"), ["120"], by=cast.contact(cast.cleo))
    return fresh(request), item_of(request, "turnover")


def told(kind: str) -> int:
    return db.session.scalar(sa.select(sa.func.count()).where(Event.kind == kind)) or 0


@pytest.mark.parametrize("name", ACTS)
def test_what_was_accepted_meanwhile_stays_as_it_was_accepted(cast: Cast, name: str) -> None:
    request, item = answered(cast)
    meanwhile(item, state=ItemState.ACCEPTED)
    with pytest.raises(Refused):
        ACTS[name](item, cast.contact(cast.cleo))
    kept = item_of(fresh(request), "turnover")
    assert (kept.state, kept.answer) == (ItemState.ACCEPTED, {"value": "120", "currency": "GBP"})


@pytest.mark.parametrize("name", ACTS)
def test_nothing_is_added_to_a_request_that_was_closed_meanwhile(cast: Cast, name: str) -> None:
    request, item = answered(cast)
    meanwhile(request, state=RequestState.CANCELLED, closed_at=now())
    with pytest.raises(Refused, match="closed in the meantime"):
        ACTS[name](item, cast.contact(cast.cleo))


def test_the_whole_form_leaves_out_what_was_handed_over_meanwhile(cast: Cast) -> None:
    request, item = answered(cast)
    meanwhile(item, state=ItemState.ANSWERED)
    assert save_answers(request, [Typed(item.id, ["300"], "")], by=cast.contact(cast.cleo)) == {}
    assert (item_of(fresh(request), "turnover").answer or {})["value"] == "120"


@pytest.mark.parametrize("act", [
    lambda item, by: accept_item(item, by=by), lambda item, by: return_item(item, "Which quarter?", by=by),
], ids=["accepting", "sending back"])
def test_an_answer_that_was_taken_back_meanwhile_is_not_reviewed(cast: Cast, act: Any) -> None:
    request, item = answered(cast)
    submit_answers(request, by=cast.contact(cast.cleo))
    item = item_of(fresh(request), "turnover")
    meanwhile(item, state=ItemState.OPEN)
    with pytest.raises(Refused, match="no answer here yet|not answered this yet"):
        act(item, cast.actor(cast.mel))


@pytest.mark.parametrize("act", [
    lambda item, cast: change_answer(item, by=cast.contact(cast.cleo)),
    lambda item, cast: answer_for_client(item, ["5"], by=cast.actor(cast.mel)),
], ids=["the client", "the firm for them"])
def test_an_answer_that_was_accepted_meanwhile_is_not_changed(cast: Cast, act: Any) -> None:
    request, item = answered(cast)
    submit_answers(request, by=cast.contact(cast.cleo))
    item = item_of(fresh(request), "turnover")
    meanwhile(item, state=ItemState.ACCEPTED)
    with pytest.raises(Refused, match="accepted already"):
        act(item, cast)


def test_what_was_handed_over_meanwhile_is_not_handed_over_again(cast: Cast) -> None:
    request, item = answered(cast)
    meanwhile(item, state=ItemState.ANSWERED)
    with pytest.raises(Refused, match="nothing new to send"):
        submit_answers(request, by=cast.contact(cast.cleo))
    assert told("requests.request.submitted") == 0


def test_a_file_is_neither_given_nor_taken_back_once_it_was_accepted(cast: Cast) -> None:
    cleo = cast.contact(cast.cleo)
    request = make_request(cast, items=(STATEMENTS,))
    given_id = give_file(item_of(request, "statements"), "a.csv", b"a,b\n1,2\n", by=cleo).id
    item = item_of(fresh(request), "statements")
    for act in (
        lambda item: start_item_upload(item, NewFile(new_id(), "b.csv", 8), by=cleo),
        lambda item: start_plain_item_upload(item, new_id(), by=cleo),
        lambda item: remove_file(item, given_id, by=cleo),
    ):
        item = item_of(fresh(request), "statements")
        assert item.state is ItemState.OPEN
        meanwhile(item, state=ItemState.ACCEPTED)
        with pytest.raises(Refused, match="accepted already"):
            act(item)
        meanwhile(item, state=ItemState.OPEN)
    assert [link.document_id for link in item_of(fresh(request), "statements").files] == [given_id]


def test_a_first_look_does_not_put_back_what_was_answered_meanwhile(cast: Cast) -> None:
    request = make_request(cast)
    meanwhile(request, state=RequestState.IN_PROGRESS)
    mark_viewed(request, by=cast.contact(cast.cleo))
    assert fresh(request).state is RequestState.IN_PROGRESS
    meanwhile(request, viewed_at=None)
    db.session.expire_all()
    request = fresh(request)
    meanwhile(request, viewed_at=now())
    mark_viewed(request, by=cast.contact(cast.cleo))
    assert told("requests.request.viewed") == 1
