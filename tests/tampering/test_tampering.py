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
    "a document's bytes altered at equal size",
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


def assert_named(house: House, act: Act) -> None:
    with house.tampered():
        if callable(act.do):
            act.do(house)
        else:
            house.sql(*act.do)
        found = [f"{name}: {one.subject} {one.message}" for name, one in house.findings()]
    wanted = re.compile(f"{re.escape(act.named_by)}: .*{act.words}")
    assert any(wanted.match(line) for line in found), f"{act.name}: {found or 'nothing was found'}"


@pytest.mark.parametrize("act", [act for act in ACTS if act.name in A_FEW], ids=lambda act: act.name)
def test_an_act_of_tampering_is_named(house: House, act: Act) -> None:
    assert_named(house, act)


@pytest.mark.soak
@pytest.mark.parametrize("act", [act for act in ACTS if act.name not in A_FEW], ids=lambda act: act.name)
def test_every_act_of_tampering_is_named(house: House, act: Act) -> None:
    assert_named(house, act)


def test_there_are_sixty_acts_and_none_twice() -> None:
    assert len({act.name for act in ACTS}) == len(ACTS) >= 60
