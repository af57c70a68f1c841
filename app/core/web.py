"""What every screen shares: who acts, forms that lose nothing, answers for htmx and plain forms, errors mapped once."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

import structlog
import wtforms
from babel.support import Translations
from flask import Blueprint, Flask, Response, abort, current_app, flash, g, jsonify, redirect, render_template, request
from flask_babel import get_locale
from flask_wtf import FlaskForm
from htmx_flask.requests import HtmxAwareRequest
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse
from wtforms.i18n import messages_path

from app.core.actors import Actor
from app.core.attributes import spell_attributes
from app.core.errors import Conflict, FirmamentError, NotAllowed, NotFound, Refused, Stale, Throttled
from app.core.headers import on_every_answer
from app.core.ids import new_id, parse_id, parse_whole
from app.core.locking import take_turn
from app.core.storage import StorageUnavailable

log = structlog.get_logger()
Answer = BaseResponse | str | tuple[str, int]
DISK_FULL = "53100"  # PostgreSQL, appendix A
LONGEST_LINE, LONGEST_TEXT = 500, 20_000
SAVE_AGAIN = "Save again to add this as a new one."


spell_attributes()


class HouseRequest(HtmxAwareRequest):  # type: ignore[misc]
    """A request whose texts hold no null characters: no database can keep them and nobody types them."""

    htmx: Any

    def _load_form_data(self) -> None:
        super()._load_form_data()
        cast(Any, self).form = _without_nulls(self.form)

    @property
    def query(self) -> ImmutableMultiDict[str, str]:
        return _without_nulls(self.args)


def _without_nulls(values: Any) -> ImmutableMultiDict[str, str]:
    pairs = [(key.replace("\x00", ""), value.replace("\x00", "")) for key, value in values.items(multi=True)]
    return ImmutableMultiDict(pairs)


def me() -> Actor:
    """Whoever is at the door; the door's guard has put them there."""
    return cast(Actor, g.actor)


def is_htmx() -> bool:
    return bool(cast(Any, request).htmx)


def arg(name: str, default: str = "") -> str:
    """A query argument without null characters, at most 500 characters long."""
    return request.args.get(name, default).replace("\x00", "")[:LONGEST_LINE]


def page_number() -> int:
    return min(max(parse_whole(arg("page")) or 1, 1), 100_000)


def id_arg(name: str) -> UUID | None:
    return parse_id(arg(name))


class Form(FlaskForm):  # type: ignore[misc]
    """A form that strips what was typed, bounds its length, and can carry a command's refusal beside its field."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        def bind_field(self, form: Any, unbound_field: Any, options: Any) -> Any:
            """What is added goes to the bound field: the unbound one belongs to every form of its class."""
            kind = unbound_field.field_class
            if issubclass(kind, wtforms.StringField) and not issubclass(kind, wtforms.PasswordField):
                said = unbound_field.kwargs
                options["filters"] = [*said.get("filters", ()), _strip]
                longest = LONGEST_TEXT if issubclass(kind, wtforms.TextAreaField) else LONGEST_LINE
                validators = said.get("validators", ())
                if not any(isinstance(v, wtforms.validators.Length) for v in validators):
                    options["validators"] = [*validators, wtforms.validators.Length(max=longest)]
            return unbound_field.bind(form=form, **options)

        def get_translations(self, form: Any) -> Any:
            return _words_in(str(get_locale() or "en_GB"))

    form_errors: list[str]


@lru_cache(maxsize=32)
def _words_in(language: str) -> Any:
    """What the validators of fields say, read from its file once a language."""
    return Translations.load(messages_path(), [language], domain="wtforms")


def _strip(value: Any) -> Any:
    return value.strip().replace("\r\n", "\n") if isinstance(value, str) else value


def submit(form: Form, command: Callable[[], Any]) -> bool:
    """Validate, then run the command; a refusal becomes the field's error. False: show the form again with 422."""
    if not form.validate():
        return False
    try:
        command()
    except Refused as refusal:
        if isinstance(refusal, Conflict) and "id" in form._fields:
            # What was typed is kept; saved once more it is a new thing, which is then meant.
            form.id.data = str(new_id())
            form.form_errors = [*form.form_errors, f"{refusal.message} {SAVE_AGAIN}"]
            return False
        field = form._fields.get(refusal.field) if refusal.field else None
        if field is not None:
            field.errors = [*field.errors, refusal.message]
        else:
            form.form_errors = [*form.form_errors, refusal.message]
        return False
    return True


def redirect_to(url: str, message: str = "", *, undo: str = "", meaning: str = "message") -> BaseResponse:
    """After a change: 303 to a page, or the htmx word for it; the message is shown there, with a way back if any.

    `meaning`: `late` for what did not work.
    """
    if message:
        flash(message, f"undo {undo}" if undo else meaning)
    if is_htmx():
        return Response(status=204, headers={"HX-Redirect": url})
    return redirect(url, 303)


def respond(partial: str, *, to: str, message: str = "", **context: Any) -> Answer:
    """After a change: the fragment for htmx (with its toast), a 303 to `to` for a plain form."""
    if not is_htmx():
        return redirect_to(to, message)
    return toasted(Response(render_template(partial, **context)), message)


def toasted(response: Response, message: str, meaning: str = "done", *, undo: str = "") -> Response:
    """Let the page show a message, with a way back if any, beside whatever htmx does with the answer."""
    if message:
        toast = {"text": message, "meaning": meaning, **({"undo": undo} if undo else {})}
        response.headers["HX-Trigger"] = json.dumps({"toast": toast})
    return response


def unprocessable(template: str, **context: Any) -> tuple[str, int]:
    """A form shown again with what was typed and what is wrong with it."""
    return render_template(template, **context), 422


def form_id(form: Any) -> UUID:
    """The id that a new form carries for the row it will make, so that pressing twice makes one.

    A second press waits here until the first one is through.
    """
    carried = parse_id(form.id.data)
    if carried is None:
        made = new_id()
        form.id.data = str(made)
        return made
    if request.method == "POST":
        take_turn(carried)
    return carried


def version_of(form: Any) -> int | None:
    """The version that an edit's form carries; None where it carries none that can be read."""
    return parse_whole(form.version.data)


TITLES = {
    400: "That could not be read",
    401: "Please sign in",
    403: "Not allowed",
    404: "Nothing here",
    405: "That does not work here",
    409: "Somebody was quicker",
    413: "That is too large",
    422: "That cannot be done",
    429: "Too many tries",
    500: "Something broke on our side",
    503: "Not reachable just now",
}


def asks_for_json() -> bool:
    """Whether a script asked that wants data back, not a page."""
    return request.accept_mimetypes.best == "application/json"


def error_page(status: int, message: str, **headers: str) -> Response:
    """One shape for every error: a page, data for a script, or for htmx a toast that leaves what was typed alone."""
    if asks_for_json():
        response = jsonify(status=status, message=message, reference=g.get("request_id", ""))
        response.status_code = status
    elif is_htmx():
        response = Response(message, status=status, mimetype="text/plain")
        toasted(response, message, "late" if status >= 500 else "risk")
        response.headers["HX-Reswap"] = "none"
    else:
        portal = request.path.startswith("/portal")
        page = render_template(
            "errors/error.html",
            status=status,
            title=TITLES.get(status, "That did not work"),
            message=message,
            request_id=g.get("request_id", ""),
            portal=portal,
        )
        response = Response(page, status=status)
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    return response


def _refused(error: FirmamentError) -> Response:
    status = {Stale: 409, Conflict: 409, NotAllowed: 403, NotFound: 404, StorageUnavailable: 503}.get(type(error), 422)
    if isinstance(error, Throttled):
        return error_page(429, error.message, Retry_After=str(error.retry_after))
    if status in (403, 404):
        log.info("access.refused", status=status, path=_told_path(), actor=str(getattr(g.get("actor"), "id", "")))
    return error_page(status, error.message)


def _told_path() -> str:
    """The address for the log, without the secret that a link carries."""
    head, link, _secret = request.path.partition("/link/")
    return head + link + ("…" if link else "")


def _http_error(error: HTTPException) -> Response:
    code = error.code or 500
    if error.response is not None:
        return cast(Response, error.response)
    words = {
        400: error.description
        if type(error).__name__ == "CSRFError"
        else "The request could not be read. Go back and try again.",
        404: NotFound().message,
        405: "This address does not take that kind of request.",
        413: "That is more than this page takes. Shorten the text or upload it as a file; nothing was saved yet.",
        429: "Too many tries in a short time. Wait a little and try again.",
    }
    return error_page(code, words.get(code) or "The request could not be carried out.")


def broken(error: Exception) -> Response:
    log.exception("request.broken", path=_told_path())
    if where := _full(error):
        return error_page(
            503, f"{where} is full, so nothing was saved. Tell whoever runs this server to make room, then try again."
        )
    return error_page(
        500, "An unexpected error happened; nothing was half done. Try again, and tell us the reference if it stays."
    )


def _full(error: BaseException) -> str:
    """Which disk has no room left, where that is what went wrong."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return "The disk of the web server"
        if getattr(getattr(cause, "orig", cause), "sqlstate", None) == DISK_FULL:
            return "The disk of the database"
        cause = cause.__cause__ or cause.__context__
    return ""


def init_app(app: Flask) -> None:
    app.request_class = HouseRequest
    app.register_error_handler(FirmamentError, _refused)
    app.register_error_handler(HTTPException, _http_error)
    if not app.config.get("PROPAGATE_EXCEPTIONS"):
        app.register_error_handler(Exception, broken)
    app.after_request(_security_headers)


def _security_headers(response: Response) -> Response:
    settings = current_app.config["SETTINGS"]
    storage_origin = "/".join((settings.s3_public_url or settings.s3_endpoint_url).split("/")[:3])
    live_origin = "/".join(settings.live_url.split("/")[:3])
    headers = response.headers
    headers.setdefault(
        "Content-Security-Policy",
        "; ".join(
            [
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                f"img-src 'self' data: {storage_origin}".strip(),
                "font-src 'self'",
                f"connect-src 'self' {storage_origin} {live_origin}".strip(),
                "manifest-src 'self'",
                f"frame-src 'self' {storage_origin}".strip(),
                f"form-action 'self' {storage_origin}".strip(),
                "base-uri 'none'",
                "frame-ancestors 'none'",
            ]
        ),
    )
    if "/link/" in request.path:
        headers.setdefault("Referrer-Policy", "no-referrer")
    for name, value in on_every_answer(settings).items():
        headers.setdefault(name, value)
    if not request.path.startswith("/static/"):
        headers.setdefault("Cache-Control", "no-store")
    return response


def not_found() -> None:
    abort(404)


__all__ = [
    "Answer",
    "Blueprint",
    "Form",
    "arg",
    "error_page",
    "form_id",
    "id_arg",
    "is_htmx",
    "me",
    "page_number",
    "redirect_to",
    "respond",
    "submit",
    "toasted",
    "unprocessable",
]
