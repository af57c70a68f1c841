"""The screens of clients, contacts, engagements and walls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient

from app.clients.commands import close_engagement, update_client
from app.clients.models import Client, ClientContact, Engagement, Wall
from app.core.db import db
from app.core.ids import new_id
from tests.clients.test_clients import facts
from tests.make import Cast, count, make_client, make_contact, sign_in


def text_of(response: Any) -> str:
    return str(response.get_data(as_text=True))


def test_from_the_list_to_a_new_client_with_its_engagement(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.mel)
    assert "New client" in text_of(client.get("/clients"))
    form = {"id": str(new_id()), "name": "שלום Consulting Ltd", "kind": "organisation", "status": "active",
            "office_id": str(cast.office.id), "country": "GB", "partner_id_text": "pat", "currency": "GBP"}
    for _ in range(2):
        answer = client.post("/clients", data=form)
        assert answer.status_code == 303, text_of(answer)
    page = text_of(client.get(answer.headers["Location"]))
    assert "שלום Consulting Ltd" in page and "Pat, partner" in page
    made = db.session.scalars(sa.select(Client).where(Client.name == "שלום Consulting Ltd")).one()
    answer = client.post(f"/clients/{made.id}/engagements", data={
        "id": str(new_id()), "name": "Bookkeeping", "kind": "hourly", "round_mode": "up", "currency": "GBP",
        "budget": "12:30", "increment": "6",
    })
    assert answer.status_code == 303
    page = text_of(client.get(answer.headers["Location"]))
    assert "12:30 hours" in page and "up to 6 minutes" in page


def test_a_refused_form_keeps_what_was_typed(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.sam)
    answer = client.post("/clients", data={"name": "Kept", "email": "no mail", "office_id": str(cast.office.id),
                                           "kind": "organisation", "status": "active", "partner_id_text": "Nobody"})
    page = text_of(answer)
    assert answer.status_code == 422
    assert 'value="Kept"' in page and 'value="no mail"' in page and "Nothing is called “Nobody”" in page


def test_a_stale_form_shows_both_versions(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.pat)
    page = text_of(client.get(f"/clients/{cast.acme.id}/edit"))
    assert 'name="version" type="hidden" value="1"' in page
    update_client(cast.acme, facts(cast, "Theirs Ltd", code=cast.acme.code), by=cast.actor(cast.mel), version=1)
    form = {"name": "Yours Ltd", "code": cast.acme.code, "kind": "organisation", "status": "active", "version": "1",
            "office_id": str(cast.office.id), "currency": "GBP"}
    answer = client.post(f"/clients/{cast.acme.id}", data=form)
    page = text_of(answer)
    assert answer.status_code == 409
    assert "Theirs Ltd" in page and 'value="Yours Ltd"' in page
    assert client.post(f"/clients/{cast.acme.id}", data={**form, "version": "2"}).status_code == 303


def test_the_list_asks_the_same_questions_whatever_it_holds(
    client: FlaskClient, cast: Cast, max_queries: Callable[[int], Any]
) -> None:
    for n in range(60):
        make_client(f"Client {n:02}", cast.office, tags=[f"tag {n % 3}"])
    sign_in(client, cast.mel)
    with max_queries(11):
        page = text_of(client.get("/clients"))
    assert "1–50 of 62" in page
    assert "51–62 of 62" in text_of(client.get("/clients?page=2"))


def test_the_client_page_asks_the_same_questions_whatever_it_holds(
    client: FlaskClient, cast: Cast, max_queries: Callable[[int], Any]
) -> None:
    for n in range(30):
        make_contact(f"Contact {n}", cast.acme)
    sign_in(client, cast.mel)
    with max_queries(14):
        assert client.get(f"/clients/{cast.acme.id}").status_code == 200


def test_every_section_opens_in_the_page_and_alone(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.pat)
    for section in ("contacts", "engagements", "timeline"):
        address = f"/clients/{cast.acme.id}?section={section}"
        assert "<html" in text_of(client.get(address))
        alone = text_of(client.get(address, headers={"HX-Request": "true"}))
        assert "<html" not in alone and 'id="client-record"' in alone
    assert client.get(f"/clients/{cast.acme.id}?section=nonsense").status_code == 404


def test_wes_gets_the_same_answer_for_rival_as_for_nobody(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.wes)
    contact, engagement = cast.otto.id, cast.rival_work.id
    for address in (f"/clients/{cast.rival.id}", f"/clients/{cast.rival.id}/edit", f"/contacts/{contact}",
                    f"/engagements/{engagement}", f"/clients/{cast.rival.id}/timeline",
                    f"/timeline/client/{cast.rival.id}", f"/clients/{cast.rival.id}/contacts"):
        answer = client.get(address)
        assert answer.status_code == 404 and "Rival" not in text_of(answer), address
    assert "Rival" not in text_of(client.get("/clients"))
    for address in ("/palette?q=riv", "/lookup/clients?q=", "/lookup/engagements?q=", f"/timeline/job/{engagement}"):
        assert "Rival" not in text_of(client.get(address)), address


def test_a_wall_works_from_the_next_click_on(client: FlaskClient, cast: Cast) -> None:
    other = client.application.test_client()
    sign_in(client, cast.pat, confirmed=True)
    sign_in(other, cast.sam)
    assert other.get(f"/clients/{cast.acme.id}").status_code == 200
    answer = client.post(f"/clients/{cast.acme.id}/walls", data={
        "id": str(new_id()), "person_id": str(cast.sam.id), "engagement_id": "", "reason": "Former employer",
    })
    assert answer.status_code == 303
    assert other.get(f"/clients/{cast.acme.id}").status_code == 404
    wall = db.session.scalars(sa.select(Wall).where(Wall.person_id == cast.sam.id)).one()
    client.post(f"/walls/{wall.id}/removal")
    assert other.get(f"/clients/{cast.acme.id}").status_code == 200


def test_only_who_may_sets_walls(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.mel)
    assert client.get(f"/clients/{cast.acme.id}/walls").status_code == 403
    assert client.post(f"/clients/{cast.acme.id}/walls", data={"person_id": str(cast.sam.id)}).status_code == 403


def test_the_list_opens_a_client_beside_itself(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.mel)
    at = f"/clients/{cast.acme.id}"
    assert f'hx-get="{at}/panel" hx-push-url="{at}"' in text_of(client.get("/clients"))
    beside = text_of(client.get(f"{at}/panel", headers={"HX-Request": "true"}))
    assert "panel-head" in beside and "Acme Ltd" in beside and "<html" not in beside
    plain = client.get(f"{at}/panel")
    assert plain.status_code == 303 and plain.headers["Location"].endswith(at)


def test_many_clients_change_at_once(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.mel)
    both = [str(cast.acme.id), str(cast.rival.id)]
    client.post("/clients/selected/tag?q=a", data={"id": both, "tag": "Year end"})
    db.session.expire_all()
    assert cast.acme.tags == cast.rival.tags == ["Year end"]
    page = text_of(client.get("/clients?tag=Year+end"))
    assert "Acme Ltd" in page and "Acme Ltd" not in text_of(client.get("/clients?tag=Year"))
    client.post("/clients/selected/partner", data={"id": both, "partner_id": str(cast.mel.id)})
    db.session.expire_all()
    assert cast.acme.partner_id == cast.mel.id
    client.post("/clients/selected/archive", data={"id": both})
    db.session.expire_all()
    assert cast.acme.archived_at and cast.rival.archived_at


def test_a_contact_stands_for_several_clients_with_one_primary_each(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.sam, confirmed=True)
    answer = client.post(f"/clients/{cast.acme.id}/contacts", data={
        "id": str(new_id()), "name": "Jo Doe", "emails": "jo@home.example\njo@work.example, JO@work.example",
        "role": "Director", "portal_access": "y", "is_primary": "y",
    })
    assert answer.status_code == 303
    primary = sa.select(ClientContact).where(ClientContact.client_id == cast.acme.id, ClientContact.is_primary)
    link = db.session.scalars(primary).one()
    page = text_of(client.get(f"/contacts/{link.contact_id}"))
    assert "jo@home.example" in page and page.count("mailto:jo@work.example") == 1
    client.post(f"/contacts/{link.contact_id}/clients", data={"client_text": "rival plc"})
    links = db.session.scalars(sa.select(ClientContact).where(ClientContact.contact_id == link.contact_id)).all()
    assert {each.client_id: each.portal_access for each in links} == {cast.acme.id: True, cast.rival.id: False}
    client.post(f"/clients/{cast.acme.id}/contacts/{link.contact_id}/removal")
    assert count(ClientContact) == 3


def test_the_csv_of_clients_holds_no_formula_and_leaves_a_trace(client: FlaskClient, cast: Cast) -> None:
    make_client('=HYPERLINK("http://evil.example")', cast.office)
    sign_in(client, cast.sam)
    assert client.get("/clients.csv").status_code == 403
    sign_in(client, cast.mel)
    text = text_of(client.get("/clients.csv"))
    assert "'=HYPERLINK" in text and "Acme Ltd" in text
    sign_in(client, cast.pat)
    assert "exchange.list.export" in text_of(client.get("/audit"))


def test_a_closed_engagement_opens_again(client: FlaskClient, cast: Cast) -> None:
    close_engagement(cast.acme_work, by=cast.actor(cast.mel))
    sign_in(client, cast.mel)
    assert "Open again" in text_of(client.get(f"/engagements/{cast.acme_work.id}"))
    client.post(f"/engagements/{cast.acme_work.id}/reopening")
    db.session.expire_all()
    assert db.session.get_one(Engagement, cast.acme_work.id).status == "open"
