"""Real processes killed again and again at random moments, while staff and two clients go on writing.

What somebody was told of is there, once; what nobody was told of is there whole or not at all; nobody is answered as
somebody else, and nobody is told of anything but that it is done or cannot be done just now.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import http.client
import os
import random
import signal
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.activity.models import Event, Outbox
from app.core import clock
from app.core.backing.processes import is_ours
from app.core.db import db, transaction
from app.core.ids import new_id
from app.ledger.models import Account, Balance
from app.requests.models import RequestItem
from app.timekeeping.models import TimeEntry
from tests.journeys.running import House
from tests.journeys.test_killed import Firm, _within, answers, faults, firm, house, silent, until  # noqa: F401
from tests.make import with_csrf
from tests.portal.make_portal import at_portal
from tests.requests.make_requests import NOTES, TURNOVER, make_request

pytestmark = [pytest.mark.soak, pytest.mark.real, pytest.mark.timeout(0)]
# `make soak` kills a tenth as often as it plays histories: 1,000 times.
KILLS = max(int(os.environ.get("FIRMAMENT_EXAMPLES", "50")) // 10, 5)
LONGEST = 120.0  # seconds until everybody has been told of something again
# How often each is chosen: processes by words of their command line, services by the file that names their process.
# The database and the whole web seldom: what falls often is started again with growing pauses, and everybody waits.
PARTS = {"wsgi:app": 8, "app.cli worker": 8, "app.cli scheduler": 2, "app.live.server:app": 2, "backing.keeper": 1}
SERVICES = {"postgres": 1, "valkey": 2, "s3": 1}
HEADS = 0.1  # how often the one that forked the others is chosen, beside each of them
WORTH = Decimal(20)  # 12 minutes at 100 an hour


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any) -> None:
        return None


_open = urllib.request.build_opener(NoRedirect).open


@dataclass
class Somebody:
    """One person at one door, who writes and looks, and mostly presses again when told of nothing."""

    mark: str
    url: str
    home: str
    headers: dict[str, str]
    dice: random.Random
    strangers: set[str] = field(default_factory=set)
    said: Counter[str] = field(default_factory=Counter)
    written: int = 0
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def look(self) -> None:
        page = self._ask(self.home)
        if page is not None and (self.mark not in page or any(mark in page for mark in self.strangers)):
            self.wrong.append(f"{self.home} was answered as somebody else: {page[:3000]}")

    def write(self, path: str, facts: dict[str, str]) -> bool:
        """Whether this person was told that it is done."""
        begun = time.monotonic()
        while self._ask(path, facts) is None:
            if self.dice.random() < 0.3:
                return False
            time.sleep(0.2)
        self.slowest = max(self.slowest, time.monotonic() - begun)
        self.written += 1
        return True

    def _ask(self, path: str, facts: dict[str, str] | None = None) -> str | None:
        """The page; empty after what was written; None where no answer came, or that it cannot be done just now."""
        body = None if facts is None else urllib.parse.urlencode(facts).encode()
        try:
            with _open(urllib.request.Request(self.url + path, body, self.headers), timeout=LONGEST) as answer:
                page: str | None = answer.read().decode()
        except urllib.error.HTTPError as error:
            to, page = error.headers.get("Location", ""), None
            if error.code in (302, 303) and facts is not None and "sign-in" not in to:
                page = ""
            elif error.code != 503:
                self.wrong.append(f"{path}: {error.code} {to} {error.read()[:3000]!r}")
        except (OSError, http.client.HTTPException):
            page = None
        self.said["nothing, or not just now" if page is None else "done" if facts else "a page"] += 1
        return page


def kill_something(house: House, dice: random.Random) -> str:  # noqa: F811
    """One process of the product or of its services, unless what the dice say is just being started."""
    what = dice.choices([*PARTS, *SERVICES], [*PARTS.values(), *SERVICES.values()])[0]
    with contextlib.suppress(OSError, ValueError, IndexError):
        if what in SERVICES:
            pid = int((house.var / "services" / f"{what}.pid").read_text())
            if not is_ours(pid, str(house.var)):
                return ""
        else:
            pids = house.parts(what)
            pid = dice.choices(pids, [HEADS if os.getpgid(pid) == pid else 1 for pid in pids])[0]
        os.kill(pid, signal.SIGKILL)
        return what
    return ""


def kill_at_random(house: House, people: list[Somebody]) -> Counter[str]:  # noqa: F811
    """Each kill comes after everybody has been told again that something is done."""
    dice, killed = random.Random(7), Counter[str]()
    while killed.total() < KILLS and not any(each.wrong for each in people):
        before = [each.written for each in people]
        until(
            lambda: all(each.written > n for each, n in zip(people, before, strict=True))  # noqa: B023
            or any(each.wrong for each in people),
            f"everybody is told of something again after {killed}, {[each.said for each in people]}", LONGEST,
        )
        time.sleep(dice.uniform(0, 0.5))
        if what := kill_something(house, dice):
            killed[what] += 1
            if killed.total() % 100 == 0:
                print(f"{killed.total()} kills", flush=True)
    return killed


@dataclass
class Answers:
    """What a contact types into a request's items, and what may stand there."""

    contact: Somebody
    request_id: UUID
    items: dict[str, UUID]
    may_stand: dict[str, set[str]] = field(default_factory=dict)

    def type_one(self) -> None:
        code, value = self.contact.dice.choice(sorted(self.items)), str(self.contact.dice.randint(1, 10**6))
        before = self.may_stand.get(code, {""})
        self.may_stand[code] = before | {value}
        if self.contact.write(f"/portal/requests/{self.request_id}/items/{self.items[code]}/answer", {"value": value}):
            self.may_stand[code] = {value}

    def assert_kept(self) -> None:
        for code, values in self.may_stand.items():
            answer = db.session.scalar(sa.select(RequestItem.answer).where(RequestItem.id == self.items[code])) or {}
            assert str(answer.get("value", "")).removesuffix(".00") in values, code


@pytest.fixture
def mel(firm: Firm) -> Somebody:  # noqa: F811
    headers = {key: value for key, value in firm.headers.items() if key in ("Cookie", "X-CSRFToken")}
    return Somebody(f'content="{firm.cast.mel.id}"', firm.house.url, "/work", headers, random.Random(1))


@pytest.fixture
def contacts(firm: Firm) -> list[Answers]:  # noqa: F811
    """Cleo of Acme and Otto of Rival, each with a request to answer."""
    found = []
    for n, (contact, client) in enumerate(((firm.cast.cleo, firm.cast.acme), (firm.cast.otto, firm.cast.rival))):
        browser = firm.app.test_client()
        with transaction():
            request = make_request(firm.cast, client=client, by=firm.cast.actor(firm.cast.pat), items=(TURNOVER, NOTES))
            at_portal(browser, contact)
        with_csrf(browser, "/portal/")
        cookie = browser.get_cookie("portal")
        assert cookie is not None
        token = str(browser.environ_base["HTTP_X_CSRFTOKEN"])
        headers = {"Cookie": f"portal={cookie.value}", "X-CSRFToken": token, "HX-Request": "true"}
        somebody = Somebody(f'content="{contact.id}"', firm.house.url, "/portal/", headers, random.Random(2 + n))
        found.append(Answers(somebody, request.id, {item.code: item.id for item in request.items}))
    return found


@contextlib.contextmanager
def at_work(*acts: Any) -> Iterator[None]:
    """Each act done again and again, by somebody of its own, until the block ends."""
    ended = threading.Event()

    def go_on(act: Any) -> None:
        while not ended.is_set():
            act()

    threads = [threading.Thread(target=go_on, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_kills_at_random_moments_lose_nothing_double_nothing_and_answer_nobody_as_somebody_else(
    firm: Firm, mel: Somebody, contacts: list[Answers]  # noqa: F811
) -> None:
    people = [mel, *(each.contact for each in contacts)]
    for each in people:
        each.strangers = {other.mark for other in people if other is not each}
    told: dict[UUID, bool] = {}

    def record_time() -> None:
        entry_id, on = new_id(), clock.today() - dt.timedelta(days=mel.dice.randint(0, 200))
        told[entry_id] = False
        told[entry_id] = mel.write("/time", {
            "id": str(entry_id), "work": f"engagement:{firm.cast.acme_work.id}", "recorded": "0:12", "billable": "y",
            "worked_on": on.isoformat(), "narrative": "Work",
        })  # fmt: skip
        mel.look()

    def answer_by(contact: Answers) -> None:
        contact.type_one()
        contact.contact.look()

    begun = time.monotonic()
    with at_work(record_time, *((lambda each=each: answer_by(each)) for each in contacts)):
        killed = kill_at_random(firm.house, people)
    until(lambda: answers(firm.house.url + "/readyz"), "it answers again", 300)
    print(f"{killed.total()} kills in {time.monotonic() - begun:.0f} s: {dict(killed)}")
    for each in people:
        print(f"{each.home}: {each.written} writes done, the slowest in {each.slowest:.1f} s; told {dict(each.said)}")
    assert [what for each in people for what in each.wrong] == []

    db.session.rollback()
    there = set(db.session.scalars(sa.select(TimeEntry.id).where(TimeEntry.person_id == firm.cast.mel.id)))
    assert {entry_id for entry_id, done in told.items() if done} - there == set(), "told of, and lost"
    assert there - set(told) == set(), "there, and nobody asked for it"
    recorded = sa.select(Event.subject_id).where(Event.kind == "timekeeping.entry.record")
    assert sorted(db.session.scalars(recorded)) == sorted(there), "each of them happened once"
    worth = sa.select(sa.func.sum(Balance.amount)).where(Balance.account == Account.WIP)
    assert db.session.scalar(worth) == WORTH * len(there), "each of them is worth something once"
    for contact in contacts:
        contact.assert_kept()

    def nothing_waits() -> bool:
        db.session.rollback()
        return db.session.scalar(sa.select(sa.func.count()).select_from(Outbox)) == 0

    until(nothing_waits, "the workers have sealed what happened", 300)
    found: list[str] = []

    def nothing_is_wrong() -> bool:
        found[:] = faults()
        return found == []

    with contextlib.suppress(AssertionError):
        until(nothing_is_wrong, "every proof holds", 120)
    assert found == []
