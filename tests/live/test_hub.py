"""Who is told what: topics that they want, and that no wall or door keeps from them."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from flask import Flask

from app.core.live import CHANNEL
from app.live.hub import Hub, Stream, own_topics

ACME, RIVAL, WES, CLEO, JOB, REQUEST = (uuid4() for _ in range(6))


def told(stream: Stream) -> list[str]:
    found: list[str] = []
    while not stream.box.empty():
        data = stream.box.get()
        assert data is not None
        found += json.loads(data.removeprefix(b"data: "))
    return found


def hub_with(*streams: Stream) -> Hub:
    hub = Hub("redis://127.0.0.1:1/0")
    for stream in streams:
        hub.join(stream)
    return hub


def test_a_page_is_told_only_what_it_asks_for() -> None:
    wide, narrow = Stream(b"1", frozenset()), Stream(b"2", frozenset(), wanted=frozenset({f"job:{JOB}"}))
    hub = hub_with(wide, narrow)
    hub.tell([(f"job:{JOB}", f"client:{ACME}"), ("stage:1",)])
    assert told(wide) == [f"job:{JOB}", f"client:{ACME}", "stage:1"]
    assert told(narrow) == [f"job:{JOB}"]
    hub.tell([("stage:1",)])
    assert told(narrow) == []


def test_wes_hears_nothing_of_the_client_behind_his_wall() -> None:
    own = own_topics("person", WES)
    wes = Stream(b"1", own, hidden=frozenset({f"client:{RIVAL}"}))
    hub = hub_with(wes)
    hub.tell([(f"job:{JOB}", f"client:{RIVAL}", f"person:{WES}"), (f"client:{ACME}",)])
    assert told(wes) == [f"person:{WES}", f"client:{ACME}"]


def test_a_contact_hears_of_their_own_client_only() -> None:
    cleo = Stream(b"1", own_topics("contact", CLEO, [ACME]), is_contact=True)
    hub = hub_with(cleo)
    hub.tell([(f"client:{RIVAL}", f"client_request:{REQUEST}"), (f"job:{JOB}", "stage:1", "board")])
    assert told(cleo) == []
    hub.tell([(f"client:{ACME}", f"client_request:{REQUEST}", f"job:{JOB}")])
    assert told(cleo) == [f"client:{ACME}", f"client_request:{REQUEST}"]


def test_a_request_link_hears_of_its_request_only() -> None:
    link = Stream(b"1", own_topics("contact", CLEO, [ACME], REQUEST), is_contact=True, request_only=True)
    hub = hub_with(link)
    hub.tell([(f"client:{ACME}", f"client_request:{uuid4()}"), (f"client:{ACME}", f"client_request:{REQUEST}")])
    assert told(link) == [f"client_request:{REQUEST}"]


@pytest.mark.real
def test_a_stream_is_opened_only_once_the_process_listens(real_app: Flask) -> None:
    store = real_app.extensions["redis"]
    hub = Hub(real_app.config["SETTINGS"].redis_url)
    before = dict(store.pubsub_numsub(CHANNEL)).get(CHANNEL.encode(), 0)
    hub.start()
    assert dict(store.pubsub_numsub(CHANNEL))[CHANNEL.encode()] == before + 1


def test_one_person_has_so_many_streams_and_all_together_have_so_many() -> None:
    hub = Hub("redis://127.0.0.1:1/0", most=4, of_one=2)
    first, *wes = [Stream(b"1", frozenset(), "person:wes") for _ in range(3)]
    assert [hub.join(stream) for stream in (first, *wes)] == [True, True, False]
    others = [Stream(b"2", frozenset(), f"person:{number}") for number in range(3)]
    assert [hub.join(stream) for stream in others] == [True, True, False]
    hub.leave(first)
    assert hub.join(wes[1]) and len(hub.streams) == 4


def test_who_has_left_is_forgotten() -> None:
    stream = Stream(b"1", frozenset(), wanted=frozenset({"stage:1"}))
    hub = hub_with(stream)
    hub.leave(stream)
    assert not hub.by_topic and not hub.streams and not hub.wide
