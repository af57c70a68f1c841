"""Finding things by a few letters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.clients.models import EngagementStatus, Wall
from app.core.clock import now
from app.search.queries import find_anything, find_clients, find_engagements, find_matters
from tests.make import Cast, keep, make_client, make_engagement, sign_in


def text_of(response: Any) -> str:
    return str(response.get_data(as_text=True))


def test_six_questions_at_most(cast: Cast, max_queries: Callable[[int], Any]) -> None:
    pat = cast.actor(cast.pat)
    with max_queries(6):
        find_anything("acme 1", seen_by=pat)


@pytest.mark.parametrize("typed", ["acme", "ACM", "me Lt", "äcme"])
def test_a_client_is_found_by_any_part_of_its_name(cast: Cast, typed: str) -> None:
    assert [hit.text for hit in find_clients(typed, seen_by=cast.actor(cast.sam))] == ["Acme Ltd"]


def test_names_that_begin_with_the_letters_come_first(cast: Cast) -> None:
    make_client("The Acme Agency", cast.office)
    assert [hit.text for hit in find_clients("acme", seen_by=cast.actor(cast.sam))] == ["Acme Ltd", "The Acme Agency"]


def test_the_palette_offers_what_one_may_do(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.sam)
    page = text_of(client.get("/palette?q="))
    assert "New client" in page and "Event log" not in page
    page = text_of(client.get("/palette?q=acme"))
    assert 'role="option"' in page and f"/clients/{cast.acme.id}" in page
    assert "Nothing is called" in text_of(client.get("/palette?q=%00zzz%25"))


def test_lookups_answer_options(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.sam)
    assert f'data-value="{cast.acme.id}"' in text_of(client.get("/lookup/clients?q=acm"))
    assert f'data-value="{cast.mel.id}"' in text_of(client.get("/lookup/people?q=me"))
    page = text_of(client.get(f"/lookup/engagements?q=&client={cast.acme.id}"))
    assert str(cast.acme_work.id) in page and str(cast.rival_work.id) not in page


def test_wes_and_otto_find_only_their_own(cast: Cast) -> None:
    wes, otto = cast.actor(cast.wes), cast.contact(cast.otto)
    assert find_anything("rival", seen_by=wes) == []
    assert find_engagements("", cast.rival.id, seen_by=wes) == []
    assert [hit.text for _, hits in find_anything("a", seen_by=otto) for hit in hits] == ["Rival plc"]


@pytest.mark.parametrize("typed", ["harb", "Harbour v", "HQ-2026-00", "te9", "quay"])
def test_an_engagement_is_found_by_its_name_its_parties_its_references_and_its_number(cast: Cast, typed: str) -> None:
    make_engagement(
        cast.acme, cast.entity, "Harbour v Quayside", scope="Defendant: Quayside Ltd. Claim HQ-2026-0017",
        number="TE9X", status=EngagementStatus.CLOSED,
    )
    found = dict(find_anything(typed, seen_by=cast.actor(cast.sam)))["Engagements"]
    assert [(hit.text, hit.hint) for hit in found] == [("Harbour v Quayside", "Acme Ltd · TE9X · closed")]


def test_no_engagement_is_found_through_a_wall_nor_by_another_clients_contact(client: FlaskClient, cast: Cast) -> None:
    secret = make_engagement(cast.rival, cast.entity, "Harbour v Quayside")
    matter = make_engagement(cast.acme, cast.entity, "Harbour lease")
    keep(Wall(person_id=cast.sam.id, engagement_id=matter.id, reason="Family", created_at=now()))
    assert find_matters("harbour", seen_by=cast.actor(cast.sam))[0].id == secret.id
    assert [hit.id for hit in find_matters("harbour", seen_by=cast.actor(cast.wes))] == [matter.id]
    assert [hit.id for hit in find_matters("harbour", seen_by=cast.contact(cast.otto))] == [secret.id]
    sign_in(client, cast.pat)
    page = text_of(client.get("/palette?q=harbour"))
    assert f"/engagements/{secret.id}" in page and f"/engagements/{matter.id}" in page
