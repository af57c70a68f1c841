"""Sections of the client's and the job's page: their pages keep what was asked, and open in the whole page."""

from __future__ import annotations

import re
from functools import partial

import pytest
from flask.testing import FlaskClient

from app.documents import views as documents
from app.documents.queries import list_documents
from app.timekeeping.queries import list_entries
from app.timekeeping.views import sections as time
from tests.jobs.make_jobs import make_job
from tests.make import Cast, sign_in
from tests.requests.make_requests import FILES, give_file, item_of, make_request
from tests.timekeeping.make_time import make_entry

PAPER = (FILES / "good" / "basicapi.pdf").read_bytes()


def next_page(html: str) -> str:
    (address,) = re.findall(r'rel="next" href="([^"]+)"', html)
    return str(address).replace("&amp;", "&")


def test_the_next_page_of_what_the_client_gave_is_of_what_the_client_gave(
    client: FlaskClient, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = make_request(cast)
    for name in ("first.pdf", "second.pdf"):
        give_file(item_of(request, "statements"), name, PAPER, by=cast.contact(cast.cleo))
    monkeypatch.setattr(documents, "list_documents", partial(list_documents, per_page=1))
    sign_in(client, cast.mel)
    address = next_page(client.get(f"/clients/{cast.acme.id}/documents?from=client").text)
    page = client.get(address).text
    assert "first.pdf" in page and "second.pdf" not in page
    assert "<title>" in page and 'aria-current="page">From the client' in re.sub(r"\s+", " ", page)
    assert re.search(r'hx-get="[^"]*/documents\?from=client&(amp;)?page=2" hx-trigger="live', page)
    beyond = client.get(address.replace("page=2", "page=3")).text
    assert "Nothing stands on this page any more" in beyond and 'rel="prev"' in beyond


@pytest.mark.parametrize("of", ["clients", "jobs"])
def test_the_next_page_of_time_stands_in_the_whole_page(
    client: FlaskClient, cast: Cast, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    job = make_job(cast.acme_work)
    for words in ("Called the bank", "Wrote to the bank"):
        make_entry(cast, job_id=job.id, narrative=words)
    monkeypatch.setattr(time, "PAGE", 1)
    monkeypatch.setattr(time, "list_entries", partial(list_entries, per_page=1))
    sign_in(client, cast.mel)
    owner = cast.acme.id if of == "clients" else job.id
    first = client.get(f"/{of}/{owner}/time").text
    address = next_page(first)
    second = client.get(address).text
    assert "<title>" in second
    beyond = client.get(address.replace("page=2", "page=3")).text
    assert "Nothing stands on this page any more" in beyond and 'rel="prev"' in beyond
    assert ("Called the bank" in first) != ("Called the bank" in second)
