"""Whoever changes the books behind the house's back is named by `firmament verify`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.core.backing.provision import make_bucket
from tests.conftest import running_app
from tests.plumbing import TestServices, cloned_database, empty_bucket
from tests.tampering.acts import ACTS, Act
from tests.tampering.firm import House, tampered_house

pytestmark = pytest.mark.real
A_FEW = (
    "another account in balance", "a payment removed and the sums rebuilt", "the first bill of the series deleted",
    "the printed facts", "the rate of billed work", "a document's digest",
    "the end of the log deleted", "a period reopened",
    "the log written anew from a place on", "a payload erased by hand",
    "a document's bytes altered at equal size", "WIP left in base by whoever may post",
)  # fmt: skip


@pytest.fixture(scope="module")
def house(services: TestServices) -> Iterator[House]:
    with cloned_database(services) as settings:
        settings = replace(settings, s3_bucket=f"{settings.s3_bucket}-tampered")
        make_bucket(settings)
        empty_bucket(settings)
        for app in running_app(settings):
            with tampered_house(app, services) as made:
                yield made
        empty_bucket(settings)


def test_an_honest_firm_is_found_clean(house: House) -> None:
    assert house.findings() == []


def found_after(house: House, act: Act, without: str = "") -> list[str]:
    with house.tampered():
        if callable(act.do):
            act.do(house)
        else:
            house.sql(*act.do)
        return [f"{name}: {one.subject} {one.message}" for name, one in house.findings(without)]


def assert_named(house: House, act: Act) -> None:
    found = found_after(house, act)
    wanted = re.compile(f"{re.escape(act.named_by)}: .*{act.words}")
    assert any(wanted.match(line) for line in found), f"{act.name}: {found or 'nothing was found'}"


@pytest.mark.parametrize("act", [act for act in ACTS if act.name in A_FEW], ids=lambda act: act.name)
def test_an_act_of_tampering_is_named(house: House, act: Act) -> None:
    assert_named(house, act)


@pytest.mark.soak
@pytest.mark.parametrize("act", [act for act in ACTS if act.name not in A_FEW], ids=lambda act: act.name)
def test_every_act_of_tampering_is_named(house: House, act: Act) -> None:
    assert_named(house, act)


# Acts that a second proof sees too: its sums or amounts do not agree any more.
TWICE = frozenset({
    "a bill made by hand", "a bounced payment made good", "a document deleted", "a document's digest",
    "a kept balance", "a line more in a transaction, and one less", "a payment removed and the sums rebuilt",
    "a transaction deleted", "a void one revived", "aged from another day", "all of the log deleted",
    "allocated to another bill", "an item of a bill moved to another entry", "another client", "another currency",
    "base amounts at another rate", "both amounts of a transaction doubled", "for another bill",
    "for another entry", "for another payment", "the bank that is printed", "the client",
    "the end of the log deleted", "the first bill of the series deleted", "the payer", "the printed facts",
    "the value of billed work", "what an item was billed at", "voided by hand", "who approved it",
})  # fmt: skip
NEEDED = {
    "ledger.told": "another reason", "billing.told": "the narrative of billed work",
    "documents.told": "a document renamed", "events.chain": "an event's author",
    "events.anchors": "the anchors deleted", "objects.digests": "a document's bytes altered at equal size",
    "ledger.wip_in_base": "WIP left in base by whoever may post",
    "ledger.balances": "a kept balance and the sums above it", "ledger.sums": "a client's kept sum",
}  # fmt: skip


def assert_needed(house: House, act: Act) -> None:
    """Without the proof that names it, what was done is seen by nothing; or, of those above, by another one."""
    found = found_after(house, act, without=act.named_by)
    assert bool(found) is (act.name in TWICE), f"{act.name}: {found or 'nothing was found'}"


@pytest.mark.parametrize("act", [act for act in ACTS if act.name in NEEDED.values()], ids=lambda act: act.name)
def test_each_proof_is_the_only_one_that_sees_some_act(house: House, act: Act) -> None:
    assert NEEDED[act.named_by] == act.name
    assert_needed(house, act)


def test_no_proof_is_left_out_of_that() -> None:
    assert {act.named_by for act in ACTS} == set(NEEDED)


@pytest.mark.soak
@pytest.mark.parametrize("act", [act for act in ACTS if act.name not in NEEDED.values()], ids=lambda act: act.name)
def test_an_act_goes_unnoticed_without_the_proof_that_names_it(house: House, act: Act) -> None:
    assert_needed(house, act)


def test_there_are_sixty_acts_and_none_twice() -> None:
    assert len({act.name for act in ACTS}) == len(ACTS) >= 60
