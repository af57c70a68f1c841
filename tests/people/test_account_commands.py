"""What people change of themselves, and how they come in: once, told, by themselves alone, and after it nothing old
opens anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyotp
import pytest
import sqlalchemy as sa

from app.core.actors import SYSTEM, Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import NotAllowed, NotFound, Refused, Stale, Throttled
from app.core.ids import token_hash
from app.core.permissions import Role
from app.core.sealing import seal, unseal
from app.delivery.models import Delivery
from app.people.commands.account import (
    accept_invitation,
    ask_for_reset,
    change_email,
    change_password,
    edit_profile,
    reset_password,
)
from app.people.commands.codes import enrol, remove_second_factor, renew_recovery_codes
from app.people.commands.links import find_link, make_link
from app.people.commands.people import reset_second_factor
from app.people.commands.sessions import end_session, open_session, revoke_sessions
from app.people.commands.sign_in import enter_code, sign_in_by_link
from app.people.models import LinkPurpose, Person, PersonSession, PersonState
from app.people.passwords import verify_password
from app.people.second_factor import PURPOSE, take_code
from app.people.totp import recovery_hash
from tests.make import Cast, make_person, not_for
from tests.test_small_commands import told

PASSWORD, SECRET = "seven quiet lanterns", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
VISITOR = replace(SYSTEM, address="203.0.113.7")


def session_of(person: Person, **values: Any) -> PersonSession:
    token = open_session(person, by=SYSTEM, agent="Test", **values)
    return by_token(token)


def by_token(token: str) -> PersonSession:
    row = db.session.scalars(sa.select(PersonSession).where(PersonSession.token_hash == token_hash(token))).one()
    db.session.refresh(row)
    return row


def is_open(row: PersonSession) -> bool:
    db.session.refresh(row)
    return row.revoked_at is None


def a_link(purpose: LinkPurpose, person: Person) -> str:
    return make_link(purpose, person).rpartition("/")[2]


def with_app(person: Person) -> Person:
    """They have an authenticator app, and one recovery code."""
    person.totp_secret, person.recovery_hashes = seal(SECRET, purpose=PURPOSE), [recovery_hash("abcd-efgh-jkmn-pqrs")]
    db.session.flush()
    return person


def code_of(secret: str = SECRET) -> str:
    return pyotp.TOTP(secret).at(now())


def mails_to(address: str, kind: str) -> int:
    return db.session.scalar(
        sa.select(sa.func.count()).where(Delivery.recipient == address, Delivery.kind == kind)
    ) or 0


def strangers(cast: Cast) -> tuple[Actor, ...]:
    """Whoever is not Sam: a partner is nobody else here, and a contact least of all."""
    return cast.actor(cast.pat), cast.actor(cast.wes), cast.contact(cast.cleo)


def test_a_profile_is_changed_by_whose_it_is_and_told_once(cast: Cast) -> None:
    sam = cast.actor(cast.sam)
    version = cast.sam.version
    edit_profile(cast.sam, by=sam, name=" Örs  Reed ", initials="", number_format="1.234,56", version=version)
    assert (cast.sam.name, cast.sam.initials, cast.sam.sort_key) == ("Örs Reed", "ÖR", "ors reed")
    assert cast.sam.number_format == "1.234,56"
    edit_profile(cast.sam, by=sam, name="Örs Reed", initials="öR", number_format="1.234,56")
    assert told("people.person.update") == 1
    with pytest.raises(Stale):
        edit_profile(cast.sam, by=sam, name="Sam", initials="S", version=version)
    for values, field in (({"name": " "}, "name"), ({"name": "x" * 10_000}, "name"),
                          ({"name": "Sam", "number_format": "1 2 3"}, "number_format")):
        with pytest.raises(Refused) as refusal:
            edit_profile(cast.sam, by=sam, initials="", **values)  # type: ignore[arg-type]
        assert refusal.value.field == field
    not_for(strangers(cast), lambda by: edit_profile(cast.sam, by=by, name="Mine", initials="M"))
    assert cast.sam.name == "Örs Reed"


def test_an_address_is_changed_once_and_open_reset_links_die_with_the_old_one(cast: Cast) -> None:
    sam, token = cast.actor(cast.sam), a_link(LinkPurpose.RESET, cast.sam)
    for _twice in range(2):
        change_email(cast.sam, " New@firm.example ", by=sam)
    assert cast.sam.email == "New@firm.example"
    change_email(cast.sam, "new@FIRM.example", by=sam)
    assert told("people.email.change") == 1 and mails_to("sam@firm.example", "people.email.change") == 1
    with pytest.raises(NotFound):
        find_link(LinkPurpose.RESET, token)
    for address in ("mel@firm.example", "MEL@firm.example", "no address", "a@b.example, c@d.example", "x" * 10_000):
        with pytest.raises(Refused) as refusal:
            change_email(cast.sam, address, by=sam)
        assert refusal.value.field == "email"
    not_for(strangers(cast), lambda by: change_email(cast.sam, "mine@firm.example", by=by))
    assert cast.sam.email == "New@firm.example"


def test_a_new_password_is_told_and_ends_what_the_old_one_opened(cast: Cast) -> None:
    sam, token = cast.actor(cast.sam), a_link(LinkPurpose.RESET, cast.sam)
    here, elsewhere = session_of(cast.sam), session_of(cast.sam)
    change_password(cast.sam, PASSWORD, by=sam, keep=here.id)
    assert verify_password(cast.sam.password_hash, PASSWORD)
    assert is_open(here) and not is_open(elsewhere)
    with pytest.raises(NotFound):
        find_link(LinkPurpose.RESET, token)
    assert told("people.password.change") == 1 and mails_to("sam@firm.example", "people.password.change") == 1
    with pytest.raises(Refused):
        change_password(cast.sam, "sam@firm.example", by=sam)
    not_for(strangers(cast), lambda by: change_password(cast.sam, "eight loud trombones", by=by))
    assert verify_password(cast.sam.password_hash, PASSWORD) and told("people.password.change") == 1


def test_a_password_changed_with_others_left_in_ends_nothing(cast: Cast) -> None:
    elsewhere = session_of(cast.sam)
    change_password(cast.sam, PASSWORD, by=cast.actor(cast.sam), end_others=False)
    assert is_open(elsewhere)


def test_a_reset_is_asked_for_at_the_door_only_and_five_times(
    cast: Cast, queued: list[tuple[str, dict[str, Any]]]
) -> None:
    not_for((cast.actor(cast.pat), cast.contact(cast.cleo)), lambda by: ask_for_reset("sam@firm.example", by=by))
    assert queued == []
    for _ in range(5):
        ask_for_reset(f" {'x' * 500}@firm.example", by=VISITOR)
    assert {len(payload["email"]) for _name, payload in queued} == {254}
    with pytest.raises(Throttled):
        ask_for_reset(f"{'x' * 500}@firm.example", by=VISITOR)
    assert len(queued) == 5


def test_a_reset_link_sets_a_password_once_and_ends_every_session(cast: Cast) -> None:
    token, before = a_link(LinkPurpose.RESET, cast.sam), session_of(cast.sam)
    not_for((cast.actor(cast.sam), cast.contact(cast.cleo)), lambda by: reset_password(token, PASSWORD, by=by))
    with pytest.raises(Refused):
        reset_password(token, "short", by=VISITOR)
    assert find_link(LinkPurpose.RESET, token) and is_open(before), "a refused password uses nothing up"
    reset_password(token, PASSWORD, by=VISITOR)
    assert verify_password(cast.sam.password_hash, PASSWORD) and not is_open(before)
    assert told("people.password.reset") == 1 and mails_to("sam@firm.example", "people.password.reset") == 1
    with pytest.raises(NotFound):
        reset_password(token, "eight loud trombones", by=VISITOR)
    assert told("people.password.reset") == 1


def test_whoever_left_sets_no_password_by_a_link_and_signs_in_by_none(cast: Cast) -> None:
    reset, sign_in = a_link(LinkPurpose.RESET, cast.sam), a_link(LinkPurpose.SIGN_IN, cast.sam)
    with transaction():
        cast.sam.state, cast.sam.deactivated_at = PersonState.DEACTIVATED, now()
    with pytest.raises(Refused):
        reset_password(reset, PASSWORD, by=VISITOR)
    with pytest.raises(Refused):
        sign_in_by_link(sign_in, by=VISITOR, agent="Test")
    assert cast.sam.password_hash is None and told("people.session.open") == 0


def test_an_invitation_is_accepted_once_and_by_whoever_has_its_link(cast: Cast) -> None:
    nia = make_person("Nia", Role.STAFF, cast.office)
    nia.state = PersonState.INVITED
    db.session.flush()
    token = a_link(LinkPurpose.INVITE, nia)

    def accept(by: Actor = VISITOR, name: str = " Nia  Obi ", password: str = PASSWORD) -> str:
        return accept_invitation(token, by=by, name=name, password=password, agent="Test" * 1000)

    not_for((cast.actor(cast.pat), cast.contact(cast.cleo)), accept)
    for name, password in (("", PASSWORD), ("x" * 10_000, PASSWORD), ("Nia Obi", "short")):
        with pytest.raises(Refused):
            accept(name=name, password=password)
    db.session.refresh(nia)
    assert (nia.state, nia.name) == (PersonState.INVITED, "Nia")
    row = by_token(accept())
    assert (nia.state, nia.name, nia.initials) == (PersonState.ACTIVE, "Nia Obi", "NO")
    assert row.person_id == nia.id and row.address == "203.0.113.7" and verify_password(nia.password_hash, PASSWORD)
    with pytest.raises(NotFound):
        accept()
    assert told("people.person.join") == 1


def test_an_invitation_of_somebody_who_has_joined_is_over(cast: Cast) -> None:
    token = a_link(LinkPurpose.INVITE, cast.sam)
    with pytest.raises(Refused, match="over"):
        accept_invitation(token, by=VISITOR, name="Mine", password=PASSWORD, agent="Test")
    assert cast.sam.name == "Sam" and cast.sam.password_hash is None


def test_a_development_link_signs_in_once_at_the_door(cast: Cast) -> None:
    token = a_link(LinkPurpose.SIGN_IN, cast.sam)
    not_for((cast.actor(cast.sam), cast.contact(cast.cleo)), lambda by: sign_in_by_link(token, by=by, agent="Test"))
    assert by_token(sign_in_by_link(token, by=VISITOR, agent="Test")).person_id == cast.sam.id
    with pytest.raises(NotFound):
        sign_in_by_link(token, by=VISITOR, agent="Test")
    assert told("people.session.open") == 1


def test_a_code_makes_one_whole_session_of_a_waiting_one(cast: Cast) -> None:
    row = session_of(with_app(cast.sam), pending=True)
    itself = cast.actor(cast.sam)
    not_for(strangers(cast), lambda by: enter_code(row, code_of(), by=by, agent="Test"))
    with pytest.raises(Refused):
        enter_code(row, "000 000 0", by=itself, agent="Test")
    assert is_open(row) and told("people.sign_in.fail") == 1
    code = code_of()
    whole = by_token(enter_code(row, code, by=itself, agent="Test"))
    assert whole.second_factor_at is not None and not is_open(row)
    with pytest.raises(Refused):
        enter_code(row, code, by=itself, agent="Test")
    assert told("people.session.open") == 1


def test_eight_wrong_codes_close_the_second_half_for_a_while(cast: Cast) -> None:
    row = session_of(with_app(cast.sam), pending=True)
    for _ in range(8):
        with pytest.raises(Refused):
            enter_code(row, "1", by=cast.actor(cast.sam), agent="Test")
    with pytest.raises(Throttled):
        enter_code(row, code_of(), by=cast.actor(cast.sam), agent="Test")
    assert told("people.sign_in.lock") == 1


def test_an_app_is_set_up_once_and_every_other_session_ends(cast: Cast) -> None:
    row, itself = session_of(cast.sam), cast.actor(cast.sam)

    def set_up(by: Actor = itself, secret: str = SECRET, code: str = "") -> tuple[str, list[str]]:
        return enrol(row, by=by, secret=secret, code=code or code_of(secret), agent="Test")

    not_for(strangers(cast), set_up)
    with pytest.raises(Refused) as refusal:
        set_up(code="12")
    assert refusal.value.field == "code" and cast.sam.totp_secret is None and is_open(row)
    token, codes = set_up()
    assert unseal(cast.sam.totp_secret or "", purpose=PURPOSE) == SECRET and not is_open(row)
    assert by_token(token).second_factor_at is not None and len(set(codes)) == 10
    assert take_code(cast.sam, codes[3]) and not take_code(cast.sam, codes[3])
    with pytest.raises(Refused, match="already"):
        set_up(secret=SECRET[::-1])
    assert told("people.second_factor.add") == 1
    assert mails_to("sam@firm.example", "people.second_factor.add") == 1


def test_of_two_who_set_up_an_app_at_once_the_second_is_refused(cast: Cast) -> None:
    """Else the first has recovery codes in hand that open nothing."""
    row = session_of(cast.sam)
    db.session.execute(  # in the other window, just now
        sa.update(Person).where(Person.id == cast.sam.id).values(totp_secret=seal(SECRET, purpose=PURPOSE))
        .execution_options(synchronize_session=False)
    )
    with pytest.raises(Refused, match="already"):
        enrol(row, by=cast.actor(cast.sam), secret=SECRET[::-1], code=code_of(SECRET[::-1]), agent="Test")
    assert told("people.second_factor.add") == 0


def test_new_recovery_codes_kill_the_former_and_are_ones_own(cast: Cast) -> None:
    itself = cast.actor(cast.sam)
    with pytest.raises(Refused, match="no authenticator app"):
        renew_recovery_codes(cast.sam, by=itself)
    with_app(cast.sam)
    not_for(strangers(cast), lambda by: renew_recovery_codes(cast.sam, by=by))
    codes = renew_recovery_codes(cast.sam, by=itself)
    assert not take_code(cast.sam, "abcd-efgh-jkmn-pqrs") and take_code(cast.sam, codes[0])
    assert told("people.recovery_codes.renew") == 1
    assert mails_to("sam@firm.example", "people.recovery_codes.renew") == 1


def test_an_app_is_taken_off_once_unless_the_firm_requires_one(cast: Cast) -> None:
    with_app(cast.sam)
    itself, here, elsewhere = cast.actor(cast.sam), session_of(cast.sam), session_of(cast.sam)
    with pytest.raises(Refused, match="asks everybody"):
        remove_second_factor(cast.sam, by=itself, keep=here.id, required=True)
    not_for(strangers(cast), lambda by: remove_second_factor(cast.sam, by=by, keep=None, required=False))
    assert cast.sam.totp_secret is not None
    for _twice in range(2):
        remove_second_factor(cast.sam, by=itself, keep=here.id, required=False)
    assert (cast.sam.totp_secret, cast.sam.recovery_hashes) == (None, None)
    assert is_open(here) and not is_open(elsewhere)
    assert told("people.second_factor.remove") == 1
    assert mails_to("sam@firm.example", "people.second_factor.remove") == 1


def test_a_lost_phone_is_seen_to_once_by_whoever_may_edit_that_person(cast: Cast) -> None:
    with_app(cast.sam)
    before = session_of(cast.sam)
    not_for((cast.actor(cast.mel), cast.actor(cast.wes), cast.contact(cast.cleo)),
            lambda by: reset_second_factor(cast.sam, by=by))
    assert cast.sam.totp_secret is not None and is_open(before)
    for _twice in range(2):
        reset_second_factor(cast.sam, by=cast.actor(cast.ada))
    assert (cast.sam.totp_secret, cast.sam.recovery_hashes) == (None, None) and not is_open(before)
    assert told("people.second_factor.reset") == 1
    assert mails_to("sam@firm.example", "people.second_factor.reset") == 1


def test_nobody_resets_their_own_phone_nor_an_administrator_a_partners(cast: Cast) -> None:
    for person, by in ((cast.pat, cast.pat), (cast.pat, cast.ada), (cast.ada, cast.ada)):
        with_app(person)
        with pytest.raises(NotAllowed):
            reset_second_factor(person, by=cast.actor(by))
        assert person.totp_secret is not None


def test_a_session_that_has_just_ended_elsewhere_ends_no_second_time(cast: Cast) -> None:
    row = session_of(cast.sam)
    db.session.execute(  # on another page, just now
        sa.update(PersonSession).where(PersonSession.id == row.id).values(revoked_at=now())
        .execution_options(synchronize_session=False)
    )
    end_session(row, by=cast.actor(cast.sam))
    assert told("people.session.end") == 0
    not_for(strangers(cast), lambda by: end_session(row, by=by))


def test_sessions_end_within_an_act_but_the_one_kept_and_are_told_of_once(cast: Cast) -> None:
    kept, others, mels = session_of(cast.sam), [session_of(cast.sam) for _ in range(2)], session_of(cast.mel)
    itself = cast.actor(cast.sam)
    with transaction():
        assert [revoke_sessions(cast.sam, by=itself, keep=kept.id) for _twice in range(2)] == [2, 0]
    assert is_open(kept) and is_open(mels) and not any(map(is_open, others))
    assert told("people.session.end") == 1
    with transaction():
        assert revoke_sessions(cast.sam, by=itself) == 1
    assert not is_open(kept)
