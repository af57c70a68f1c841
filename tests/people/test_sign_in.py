"""Coming in at the firm's door."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.make import Cast


def test_the_door_shows_a_form(client: FlaskClient, cast: Cast) -> None:
    page = client.get("/sign-in")
    assert page.status_code == 200
    assert "Forgotten your password?" in page.text


def test_without_a_firm_every_door_leads_to_setup(client: FlaskClient) -> None:
    assert client.get("/sign-in").headers["Location"] == "/setup"
    assert "one-time link" in client.get("/setup").text
