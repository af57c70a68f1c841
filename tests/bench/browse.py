"""A browser's part: signed in, keep-alive, loading a page with every fragment that it asks for by itself."""

from __future__ import annotations

import datetime as dt
import http.client
import re
import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin
from uuid import UUID

import brotli
import sqlalchemy as sa
from flask import Flask
from itsdangerous import URLSafeTimedSerializer

from app.core.clock import now
from app.core.db import db
from app.core.ids import new_id, new_token, token_hash
from tests.bench.app import COUNT

BY_ITSELF = re.compile(r"\b(load|revealed|intersect)\b")
RAW = "0123456789abcdef" * 2


@dataclass(frozen=True)
class Answer:
    """One answer: `body` as sent, still compressed."""

    status: int
    body: bytes
    seconds: float
    queries: int
    encoding: str
    location: str = ""

    @property
    def text(self) -> str:
        plain = brotli.decompress(self.body) if self.encoding == "br" else self.body
        return plain.decode()


@dataclass
class Visitor:
    """One browser at one server, with the cookies of a door."""

    port: int
    cookie: str = ""
    token: str = ""
    connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def get(self, path: str, *, fragment: bool = False) -> Answer:
        return self._ask("GET", path, None, {"HX-Request": "true"} if fragment else {})

    def post(self, path: str, values: dict[str, str], *, fragment: bool = True, **headers: str) -> Answer:
        more = {"HX-Request": "true"} if fragment else {}
        body = urlencode(values).encode()
        return self._ask("POST", path, body, {
            "Content-Type": "application/x-www-form-urlencoded", "X-CSRFToken": self.token, **more,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        })

    def post_json(self, path: str, body: bytes) -> Answer:
        return self._ask("POST", path, body, {
            "Content-Type": "application/json", "Accept": "application/json", "X-CSRFToken": self.token,
        })

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {"Cookie": self.cookie, "Accept-Encoding": "br", "Accept": "text/html", **headers}
        started = time.perf_counter()
        try:
            self.connection.request(method, path, body, sent)
            response = self.connection.getresponse()
        except (http.client.HTTPException, ConnectionError):
            self.connection.close()
            started = time.perf_counter()
            self.connection.request(method, path, body, sent)
            response = self.connection.getresponse()
        content = response.read()
        seconds = time.perf_counter() - started
        return Answer(
            response.status, content, seconds, int(response.headers.get(COUNT, "0")),
            response.headers.get("Content-Encoding", ""), response.headers.get("Location", ""),
        )


class _Fragments(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "hx-get" in values and BY_ITSELF.search(values.get("hx-trigger", "")):
            self.found.append(values["hx-get"])


def fragments_of(html: str, path: str) -> list[str]:
    parser = _Fragments()
    parser.feed(html)
    return [urljoin(path, found) for found in parser.found]


@dataclass(frozen=True)
class Load:
    """A page with all that it loads by itself."""

    seconds: float
    queries: int
    html: int


def load_page(visitor: Visitor, path: str, kept: dict[str, list[str]], *, fragment: bool = False) -> Load:
    """The document and its fragments, one after the other; which they are is looked up outside the clock."""
    answer = visitor.get(path, fragment=fragment)
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status} {answer.location}")
    answers = [answer]
    if path not in kept:
        kept[path] = fragments_of(answer.text, path)
    waiting = list(kept[path])
    for each in waiting:
        part = visitor.get(each, fragment=True)
        if part.status != 200:
            raise RuntimeError(f"{each} of {path} answered {part.status}")
        answers.append(part)
    return Load(
        sum(each.seconds for each in answers), sum(each.queries for each in answers),
        sum(len(each.text.encode()) for each in answers),
    )


def sign_in(app: Flask, port: int, person_id: UUID) -> Visitor:
    """A visitor with a fresh session of this person; to be called in the application's context."""
    from app.people.models import PersonSession

    token = new_token()
    db.session.add(PersonSession(
        id=new_id(), person_id=person_id, token_hash=token_hash(token), created_at=now(), last_seen_at=now(),
        expires_at=now() + dt.timedelta(hours=12), second_factor_at=now(),
    ))
    db.session.commit()
    return _visitor(app, port, "firm", {"_user_id": token, "_fresh": True, "_permanent": True})


def sign_in_contact(app: Flask, port: int, contact_id: UUID) -> Visitor:
    from app.clients.models import ContactSession

    token = new_token()
    db.session.add(ContactSession(
        id=new_id(), contact_id=contact_id, token_hash=token_hash(token), created_at=now(), last_seen_at=now(),
        expires_at=now() + dt.timedelta(hours=12),
    ))
    db.session.commit()
    return _visitor(app, port, "portal", {"contact": token, "_permanent": True})


def _visitor(app: Flask, port: int, cookie: str, session: dict[str, object]) -> Visitor:
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    signed = serializer.dumps({**session, "csrf_token": RAW})
    csrf = URLSafeTimedSerializer(app.secret_key or "", salt="wtf-csrf-token").dumps(RAW)
    return Visitor(port, f"{cookie}={signed}", str(csrf))


def scalars(statement: str, **values: object) -> list[UUID]:
    """Ids out of the database, for choosing whom and what to look at."""
    return list(db.session.execute(sa.text(statement), values).scalars())
