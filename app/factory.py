"""Putting the house together: the only module that imports every screen."""

from __future__ import annotations

import importlib
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask, g, request
from flask.sessions import SecureCookieSessionInterface
from flask_babel import Babel
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

import app.models  # noqa: F401
from app.config import Settings
from app.core import assets, clock, drawing, gated_redis, health, live, logs, metrics, races, storage, web, wording
from app.core.connections import keep_prepared
from app.core.db import db, each_at_its_own_door
from app.firm.words import english, reader_country

ROOT = Path(__file__).parents[1]
PORTAL = "/portal"

# Every package with screens of its own; each offers `blueprint` (or `blueprints`).
SCREENS = (
    "app.desk.guard",
    "app.desk.setup_views",
    "app.desk.home_views",
    "app.desk.undo_views",
    "app.people.views",
    "app.firm.views",
    "app.clients.views",
    "app.desk.client.views",
    "app.desk.activity.views",
    "app.search.views",
    "app.exchange.views",
    "app.exchange.views.anchors",
    "app.desk.comment_views",
    "app.desk.list_views",
    "app.delivery.views",
    "app.timekeeping.views",
    "app.catalogue.views",
    "app.planning.views",
    "app.runs.views",
    "app.documents.views",
    "app.requests.views",
    "portal",
    "app.jobs.views",
    "app.billing.views",
    "app.approvals.views",
    "app.desk.work.views",
    "app.desk.board.views",
    "app.desk.dashboard.views",
    "app.desk.failures.views",
    "app.notifications.views",
)
# Every module that registers background work, run workers, event readers or sentences.
WORKS = (
    "app.core.probing",
    "app.approvals.proofs",
    "app.approvals.sentences",
    "app.billing.approval_proofs",
    "app.billing.mails",
    "app.billing.meanings",
    "app.billing.background",
    "app.billing.commands.runs",
    "app.billing.copies",
    "app.billing.proofs",
    "app.billing.sentences",
    "app.ledger.background",
    "app.ledger.proofs",
    "app.activity.background",
    "app.runs.background",
    "app.clients.holdings",
    "app.clients.proofs",
    "app.billing.ways_back",
    "app.clients.ways_back",
    "app.clients.sentences",
    "app.activity.proofs",
    "app.exchange.anchors",
    "app.exchange.background",
    "app.exchange.objects",
    "app.exchange.clients.commands",
    "app.exchange.sentences",
    "app.marks.sentences",
    "app.catalogue.sentences",
    "app.planning.background",
    "app.planning.holdings",
    "app.delivery.background",
    "app.clients.letterhead",
    "app.people.background",
    "app.people.mails",
    "app.people.proofs",
    "app.people.sentences",
    "app.firm.sentences",
    "app.documents.background",
    "app.documents.proof",
    "app.documents.sentences",
    "app.requests.background",
    "app.requests.mails",
    "app.requests.proofs",
    "app.requests.sentences",
    "app.timekeeping.background",
    "app.timekeeping.commands.leaving",
    "app.jobs.commands.handover",
    "app.timekeeping.proofs",
    "app.timekeeping.sentences",
    "app.jobs.background",
    "app.jobs.ways_back",
    "app.live.page",
    "app.notifications.background",
)
NAVIGATION = ()


class TwoDoorSessions(SecureCookieSessionInterface):
    """Staff and portal have a cookie each, so that neither door ever reads the other's session."""

    def get_cookie_name(self, app: Flask) -> str:
        prefix = "__Host-" if app.config["SESSION_COOKIE_SECURE"] else ""
        return prefix + ("portal" if request.path.startswith(PORTAL) else "firm")

    def should_set_cookie(self, app: Flask, session: Any) -> bool:
        """Only when something in it has changed: nobody's session lives longer than the cookie that began it."""
        return bool(session.modified)


class House(Flask):
    """The application, with the house's own templates."""

    jinja_environment = drawing.Templates


def create_app(settings: Settings | None = None) -> Flask:
    """The application, ready for any WSGI server. Raises BadSettings."""
    settings = settings or Settings.from_environment()
    flask = House("firmament", root_path=str(ROOT / "app"), template_folder=str(ROOT / "templates"), static_folder=None)
    _configure(flask, settings)
    db.init_app(flask)
    with flask.app_context():
        for engine in db.engines.values():
            keep_prepared(engine)
    flask.session_interface = TwoDoorSessions()
    logs.init_app(flask)
    CSRFProtect(flask)
    Babel(flask, default_locale="en_GB", locale_selector=_locale)
    web.init_app(flask)
    races.init_app(flask)
    gated_redis.init_app(flask)
    live.init_app(flask)
    storage.init_app(flask)
    wording.init_app(flask)
    drawing.init_app(flask)
    assets.init_app(flask, settings.var, settings)
    health.init_app(flask)
    metrics.init_app(flask)
    for name in (*WORKS, *SCREENS):
        _add(flask, importlib.import_module(name))
    flask.wsgi_app = each_at_its_own_door(flask.wsgi_app)  # type: ignore[assignment]
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        flask.wsgi_app = ProxyFix(flask.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return flask


def _add(flask: Flask, module: Any) -> None:
    for blueprint in getattr(module, "blueprints", ()) or filter(None, [getattr(module, "blueprint", None)]):
        flask.register_blueprint(blueprint)
    if hasattr(module, "init_app"):
        module.init_app(flask)


def _configure(flask: Flask, settings: Settings) -> None:
    secure = settings.public_url.startswith("https://")
    app_url = settings.database_app_url or settings.database_url
    flask.config.update(
        SETTINGS=settings,
        TESTING=settings.testing,
        SECRET_KEY=settings.secret_key,
        SECRET_KEY_FALLBACKS=list(settings.previous_secret_keys),
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(days=30),
        MAX_CONTENT_LENGTH=24 << 20,
        MAX_FORM_MEMORY_SIZE=16 << 20,
        MAX_FORM_PARTS=5000,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
        TEMPLATES_AUTO_RELOAD=False,
        SQLALCHEMY_DATABASE_URI=app_url,
        SQLALCHEMY_ENGINE_OPTIONS=_pool(),
        QUEUE_INLINE=None,
        PORTAL_STAND_IN_ROLE="",
    )
    if settings.database_portal_url:
        flask.config["SQLALCHEMY_BINDS"] = {"portal": {"url": settings.database_portal_url, **_pool()}}
    else:
        from app.core.schema import role_names

        flask.config["PORTAL_STAND_IN_ROLE"] = role_names(settings.database_url, app_url)["portal"]
    flask.jinja_env.trim_blocks = True
    flask.jinja_env.lstrip_blocks = True
    flask.jinja_env.globals.update(navigation=NAVIGATION, today=clock.today, now=clock.now)

    @flask.before_request
    def start_clock() -> None:
        g.started = time.perf_counter()


def _pool() -> dict[str, Any]:
    return {"pool_size": 10, "max_overflow": 10, "pool_pre_ping": True, "pool_recycle": 1800,
            "hide_parameters": True, "connect_args": {"application_name": "firmament"}}


def _locale() -> str | None:
    actor = g.get("actor")
    if actor is not None and actor.is_contact:
        return str(g.get("language") or "en_GB")
    return str(english(reader_country()))


def worker_app(settings: Settings | None = None) -> Flask:
    """The same application for workers and commands, which may wait longer for storage and Redis."""
    app = create_app(settings or Settings.from_environment())
    storage.wait_long(app)
    gated_redis.wait_long(app)
    return app
