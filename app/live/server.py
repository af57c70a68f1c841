"""The live process: one long answer a browser, with the cookies of either door and no database connection held."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
import structlog
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from werkzeug.wrappers import Request, Response

import app.models
from app.clients.access import actor_for
from app.clients.commands.contact_access import find_visit
from app.clients.models import ContactSession
from app.config import Settings
from app.core import logs
from app.core.db import db
from app.core.headers import on_every_answer
from app.core.ids import token_hash
from app.live.hub import Hub, Stream, own_topics
from app.people.models import PersonSession
from app.people.queries import live_session

log = structlog.get_logger()
HEARTBEAT, CHECK_EVERY = 20.0, 30.0
MOST_TOPICS = 400
BEAT, HELLO = b": .\n\n", b"retry: 2000\n: hello\n\n"
StartResponse = Any


class LiveServer:
    """A WSGI application of its own: `/live` for the firm, `/live/portal` for its clients."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # Some threads are left for whoever is turned away.
        most = settings.live_threads - max(2, settings.live_threads // 20)
        self.hub = Hub(settings.redis_url or "redis://127.0.0.1:1/0", most=most, of_one=settings.live_streams)
        self.flask = self._flask(settings)
        signer = SecureCookieSessionInterface().get_signing_serializer(self.flask)
        assert signer is not None
        self.signer = signer
        self.prefix = "__Host-" if settings.public_url.startswith("https://") else ""
        self.checker: threading.Thread | None = None
        self.starting = threading.Lock()

    @staticmethod
    def _flask(settings: Settings) -> Flask:
        flask = Flask("live", static_folder=None)
        flask.config.update(
            SECRET_KEY=settings.secret_key, SECRET_KEY_FALLBACKS=list(settings.previous_secret_keys), SETTINGS=settings,
            SQLALCHEMY_DATABASE_URI=settings.database_app_url or settings.database_url,
            SQLALCHEMY_ENGINE_OPTIONS={
                "pool_size": 3, "max_overflow": 2, "pool_timeout": 60, "pool_recycle": 1800, "pool_pre_ping": True,
                "connect_args": {"application_name": "firmament-live"},
            },
        )
        db.init_app(flask)
        logs.init_app(flask)
        return flask

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        if request.path == "/healthz":
            return Response("ok")(environ, start_response)
        if request.path not in ("/live", "/live/portal"):
            return Response(status=404)(environ, start_response)
        stream = self.authenticate(request)
        headers = self._headers(request)
        if stream is None:
            return Response(status=401, headers=headers)(environ, start_response)
        self._start()
        if not self.hub.join(stream):
            return Response(status=503, headers=headers)(environ, start_response)
        headers |= {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        start_response("200 OK", list(headers.items()))
        return self._stream(stream)

    def authenticate(self, request: Request) -> Stream | None:
        """The stream of whoever holds the door's cookie; its connection goes back before the stream begins."""
        is_portal = request.path == "/live/portal"
        token = self._token(request.cookies.get(self.prefix + ("portal" if is_portal else "firm"), ""), is_portal)
        if not token:
            return None
        wanted = _wanted(request.args.get("topics", ""))
        with self.flask.app_context():
            try:
                return _contact_stream(token, wanted) if is_portal else _person_stream(token, wanted)
            finally:
                db.session.remove()

    def _token(self, cookie: str, is_portal: bool) -> str:
        try:
            data = self.signer.loads(cookie, max_age=30 * 86400)
        except Exception:  # whatever is wrong with a cookie, it is no session
            return ""
        token = data.get("contact" if is_portal else "_user_id") if isinstance(data, dict) else None
        return token if isinstance(token, str) else ""

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {"Vary": "Origin", **on_every_answer(self.settings)}
        if request.headers.get("Origin") == self.settings.public_url:
            headers["Access-Control-Allow-Origin"] = self.settings.public_url
            headers["Access-Control-Allow-Credentials"] = "true"
        return headers

    def _stream(self, stream: Stream) -> Iterator[bytes]:
        try:
            yield HELLO
            while True:
                try:
                    told = stream.box.get(timeout=HEARTBEAT)
                except queue.Empty:
                    told = BEAT
                if told is None:
                    return
                yield told
        finally:
            self.hub.leave(stream)

    def _start(self) -> None:
        self.hub.start()
        with self.starting:
            if self.checker is None:
                self.checker = threading.Thread(target=self._check, name="sessions", daemon=True)
                self.checker.start()

    def _check(self) -> None:
        """End the streams of ended sessions: soon after something happened to a person, and now and then anyway."""
        while True:
            self.hub.to_check.wait(CHECK_EVERY)
            self.hub.to_check.clear()
            try:
                self.end_ended()
            except sa.exc.SQLAlchemyError:
                log.warning("live.check_failed", exc_info=True)
            threading.Event().wait(0.5)

    def end_ended(self) -> int:
        """Close the streams whose session does not count any more; two queries for all of them."""
        streams = list(self.hub.streams)
        if not streams:
            return 0
        with self.flask.app_context():
            try:
                hashes = {stream.session for stream in streams}
                ended = set(db.session.scalars(_ended(PersonSession, hashes))) | set(
                    db.session.scalars(_ended(ContactSession, hashes))
                )
            finally:
                db.session.remove()
        closing = [stream for stream in streams if stream.session in ended]
        self.hub.close(closing)
        return len(closing)


def _ended(table: Any, hashes: set[bytes]) -> sa.Select[Any]:
    return sa.select(table.token_hash).where(
        table.token_hash.in_(hashes), sa.or_(table.revoked_at.is_not(None), table.expires_at <= sa.func.now())
    )


def _wanted(text: str) -> frozenset[str] | None:
    """The topics that a page names; everything when it names none, or more than is sensible."""
    topics = text.split()
    return frozenset(topics) if 0 < len(topics) <= MOST_TOPICS else None


def _person_stream(token: str, wanted: frozenset[str] | None) -> Stream | None:
    row = live_session(token)
    if row is None or (row.person.totp_secret is not None and row.second_factor_at is None):
        return None
    actor = actor_for(row.person)
    hidden = frozenset(f"client:{each}" for each in actor.walled_clients) | frozenset(
        f"engagement:{each}" for each in actor.walled_engagements
    )
    own, whose = own_topics("person", row.person.id), f"person:{row.person.id}"
    return Stream(token_hash(token), own, whose, wanted=wanted, hidden=hidden)


def _contact_stream(token: str, wanted: frozenset[str] | None) -> Stream | None:
    visit = find_visit(token)
    if visit is None:
        return None
    own = own_topics("contact", visit.contact_id, visit.client_ids, visit.request_id)
    return Stream(
        token_hash(token), own, f"contact:{visit.contact_id}", is_contact=True,
        request_only=visit.request_id is not None, wanted=wanted,
    )


@lru_cache(maxsize=1)
def _server() -> LiveServer:
    return LiveServer(Settings.from_environment())


_making = threading.Lock()


def app(  # type: ignore[no-redef]
    environ: dict[str, Any], start_response: StartResponse
) -> Iterable[bytes]:
    """What gunicorn serves; made with the first request, from the environment."""
    with _making:
        server = _server()
    return server(environ, start_response)
