"""How contacts get in and out of the portal: at the door alone, once, and each only for themselves."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from app.clients.commands._shared import check_payer
from app.clients.commands.contact_access import (
    IDLE,
    end_sessions,
    end_visit,
    find_visit,
    forget_old_access,
    make_sign_in_link,
    open_contact_session,
    send_step_up,
    touch_session,
    use_sign_in_link,
)
from app.clients.commands.contact_access import ask_for_sign_in as ask
from app.clients.commands.contacts import check_contact
from app.clients.models import Client, ClientContact, Contact, ContactAddress, ContactLink, ContactSession
from app.core.actors import SYSTEM
from app.core.clock import now, travel_to
from app.core.db import db
from app.core.errors import NotAllowed, NotFound, Refused, Throttled
from app.core.ids import new_id, token_hash
from tests.make import Cast, count, keep, make_contact, not_for
from tests.test_small_commands import told, twice

HERE = "203.0.113.7"
Queued = list[tuple[str, dict[str, Any]]]


def opened(contact: Contact) -> str:
    token = open_contact_session(contact.id, by=SYSTEM, agent="Test", address=HERE)
    assert token is not None
    return token


def session_by(token: str) -> ContactSession:
    found = sa.select(ContactSession).where(ContactSession.token_hash == token_hash(token))
    return db.session.scalars(found.execution_options(populate_existing=True)).one()


def ended_meanwhile(token: str) -> None:
    db.session.execute(
        sa.update(ContactSession).where(ContactSession.token_hash == token_hash(token)).values(revoked_at=now())
        .execution_options(synchronize_session=False)
    )


def test_a_sign_in_link_is_asked_for_at_the_door_only_and_six_times(cast: Cast, queued: Queued) -> None:
    not_for((cast.actor(cast.pat), cast.contact(cast.cleo)), lambda by: ask("a@b.example", by=by, address=HERE))
    assert queued == []
    for _ in range(6):
        ask(f" {'x' * 500}@b.example", by=SYSTEM, address=HERE)
    assert [name for name, _payload in queued] == ["clients.sign_in_mail"] * 6
    assert {len(payload["email"]) for _name, payload in queued} == {254}
    with pytest.raises(Throttled):
        ask(f"{'x' * 500}@b.example", by=SYSTEM, address=HERE)
    assert len(queued) == 6


def test_whoever_came_by_a_requests_link_is_written_to_at_their_own_address(cast: Cast, queued: Queued) -> None:
    cleo = cast.contact(cast.cleo)
    not_for((cast.contact(cast.otto), cast.actor(cast.pat)), lambda by: send_step_up(cast.cleo.id, by=by, address=HERE))
    send_step_up(cast.cleo.id, by=cleo, address=HERE)
    assert [payload["email"] for _name, payload in queued] == ["cleo@client.example"]
    db.session.execute(sa.delete(ContactAddress).where(ContactAddress.contact_id == cast.cleo.id))
    for _ in range(6):
        send_step_up(cast.cleo.id, by=cleo, address=HERE)
    assert len(queued) == 1, "nobody is written to who has no address"
    with pytest.raises(Throttled):
        send_step_up(cast.cleo.id, by=cleo, address=HERE)


def test_a_sign_in_link_is_used_up_by_the_session_that_it_opens(cast: Cast) -> None:
    token = make_sign_in_link(cast.cleo.id).rpartition("/")[2]

    def use(by: Any = SYSTEM) -> str | None:
        return use_sign_in_link(token, by=by, agent="Test" * 1000, address=HERE)

    not_for((cast.contact(cast.cleo), cast.actor(cast.pat)), use)
    first = use()
    assert first is not None and session_by(first).contact_id == cast.cleo.id
    assert use() is None and count(ContactSession) == 1 and told("clients.session.opened") == 1


@pytest.mark.parametrize("why", ["late", "archived", "unknown"])
def test_a_link_that_opens_nothing_tells_nothing(cast: Cast, why: str) -> None:
    token = make_sign_in_link(cast.cleo.id).rpartition("/")[2] if why != "unknown" else "x" * 10_000
    if why == "archived":
        cast.cleo.archived_at = now()
        db.session.flush()
    with travel_to(now() + dt.timedelta(minutes=16 if why == "late" else 0)):
        assert use_sign_in_link(token, by=SYSTEM, agent="Test", address=HERE) is None
    assert count(ContactSession) == 0 and told("clients.session.opened") == 0


def test_a_session_that_is_seen_stays_alive(cast: Cast) -> None:
    first, second = opened(cast.cleo), opened(cast.cleo)
    not_for((cast.contact(cast.cleo), cast.actor(cast.pat)),
            lambda by: touch_session(session_by(first).id, by=by))
    with travel_to(now() + IDLE - dt.timedelta(hours=1)):
        touch_session(session_by(first).id, by=SYSTEM)
    with travel_to(now() + IDLE + dt.timedelta(hours=1)):
        assert find_visit(first) is not None and find_visit(second) is None


def test_signing_out_ends_one_browser_once(cast: Cast) -> None:
    here, there = opened(cast.cleo), opened(cast.cleo)
    not_for((cast.contact(cast.cleo), cast.actor(cast.pat)), lambda by: end_visit(here, by=by))
    twice(lambda: end_visit(here, by=SYSTEM), "clients.session.ended")
    assert find_visit(here) is None and find_visit(there) is not None
    end_visit("never one", by=SYSTEM)
    assert told("clients.session.ended") == 1


def test_a_contact_ends_their_own_sessions_and_nobody_elses(cast: Cast) -> None:
    here, there, ottos = opened(cast.cleo), opened(cast.cleo), opened(cast.otto)
    cleo = cast.contact(cast.cleo)
    not_for((cast.contact(cast.otto), cast.actor(cast.pat)), lambda by: end_sessions(cast.cleo.id, by=by))
    assert end_sessions(cast.cleo.id, by=cleo, only=session_by(ottos).id) == 0
    assert end_sessions(cast.cleo.id, by=cleo, only=session_by(here).id) == 1
    assert find_visit(here) is None and find_visit(there) is not None
    assert [end_sessions(cast.cleo.id, by=cleo) for _twice in range(2)] == [1, 0]
    assert told("clients.session.ended") == 2 and find_visit(ottos) is not None


def test_what_has_just_been_ended_elsewhere_is_told_of_no_second_time(cast: Cast) -> None:
    token = opened(cast.cleo)
    assert session_by(token).revoked_at is None
    ended_meanwhile(token)
    end_visit(token, by=SYSTEM)
    assert end_sessions(cast.cleo.id, by=cast.contact(cast.cleo)) == 0 and told("clients.session.ended") == 0


def test_old_links_and_sessions_are_forgotten_and_living_ones_stay(cast: Cast) -> None:
    make_sign_in_link(cast.cleo.id)
    token = opened(cast.cleo)
    not_for((cast.contact(cast.cleo), cast.actor(cast.pat)), lambda by: forget_old_access(by=by))
    for days, links, sessions in ((29, 1, 1), (31, 0, 1), (119, 0, 1), (121, 0, 0)):
        with travel_to(now() + dt.timedelta(days=days)):
            forget_old_access(by=SYSTEM)
            assert (count(ContactLink), count(ContactSession)) == (links, sessions), days
    assert find_visit(token) is None


def test_a_contact_is_changed_by_whoever_sees_every_client_they_stand_for(cast: Cast) -> None:
    both = make_contact("Nora", cast.acme)
    keep(ClientContact(client_id=cast.rival.id, contact_id=both.id, portal_access=True))
    wes, mel = cast.actor(cast.wes), cast.actor(cast.mel)
    for contact in (cast.cleo, cast.otto, both):
        check_contact(contact, by=mel)
    check_contact(cast.cleo, by=wes)
    with pytest.raises(NotFound):
        check_contact(cast.otto, by=wes)
    with pytest.raises(Refused, match="may not see"):
        check_contact(both, by=wes)


def test_only_a_client_that_can_pay_and_that_one_sees_pays_anothers_bills(cast: Cast) -> None:
    mel, wes = cast.actor(cast.mel), cast.actor(cast.wes)
    check_payer(None, None, by=wes)
    check_payer(cast.rival.id, None, by=mel)
    check_payer(cast.rival.id, cast.rival.id, by=wes)  # chosen before, by somebody who sees them
    for payer_id, by in ((cast.rival.id, wes), (new_id(), mel)):
        with pytest.raises(Refused, match="No client is meant") as refusal:
            check_payer(payer_id, None, by=by)
        assert refusal.value.field == "payer_id"
    db.session.execute(sa.update(Client).where(Client.id == cast.rival.id).values(archived_at=now()))
    db.session.expire_all()
    with pytest.raises(Refused, match="is archived"):
        check_payer(cast.rival.id, None, by=mel)
    cast.acme.is_firm = True
    db.session.flush()
    with pytest.raises(Refused, match="does not bill itself"):
        check_payer(cast.acme.id, None, by=mel)


def test_nobody_but_the_door_opens_a_session(cast: Cast) -> None:
    def open_(by: Any) -> Any:
        return open_contact_session(cast.cleo.id, by=by, agent="", address=HERE)

    not_for((cast.contact(cast.cleo), cast.actor(cast.pat)), open_)
    with pytest.raises(NotAllowed):
        ask("cleo@client.example", by=cast.contact(cast.cleo), address=HERE)
    assert count(ContactSession) == 0
