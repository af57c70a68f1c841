"""Files shown in the browser come from our own address, with headers under which nothing in them runs.

Storage's links cannot be told to send such headers, so that they only ever download (`Storage.link`). What is shown
passes through here piece by piece; who may see it was asked before. Storage has seconds to answer, and each file that
is handed on takes one of the places of all that ask storage: together they never hold more than half of a process's
threads. Whoever finds no room is sent to storage and gets the file there.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from flask import Response, redirect, request
from werkzeug.datastructures import ContentRange
from werkzeug.wrappers import Response as BaseResponse

from app.core.filenames import disposition
from app.core.storage import StorageUnavailable, Stored, storage

log = structlog.get_logger()
PDF = "application/pdf"
MOST_SHOWN = 50_000_000  # larger files are downloaded
LONGEST = 120  # seconds that one file may take
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"


@dataclass(frozen=True)
class Shown:
    """An object to be shown as what its type says. `size` where it is known: only then parts of it can be had."""

    key: str
    name: str
    media_type: str
    size: int | None = None
    tag: str = ""


def show_file(file: Shown) -> BaseResponse:
    """The answer that shows it, whole or the part that the browser asked for. Raises what storage raises."""
    if file.tag and request.if_none_match.contains_weak(file.tag):
        return _with_headers(Response(status=304), file)
    leave_room = storage().take_room()
    if leave_room is None:
        return redirect(storage().link(file.key, name=file.name, content_type=file.media_type), 303)
    leave = contextlib.ExitStack()
    leave.callback(leave_room)
    try:
        part = _part(file)
        if part == (0, -1):
            leave.close()
            wrong = Response(status=416, headers={"Content-Range": f"bytes */{file.size}"})
            return _with_headers(wrong, file)
        stored = storage().view(file.key, part)
    except BaseException:
        leave.close()
        raise
    answer = Response(_pieces(stored, leave), 206 if part else 200, mimetype=file.media_type)
    answer.call_on_close(leave.close)
    answer.content_length = stored.size
    if part:
        answer.headers["Content-Range"] = ContentRange("bytes", part[0], part[1] + 1, file.size).to_header()
    if file.size is not None:
        answer.headers["Accept-Ranges"] = "bytes"
    return _with_headers(answer, file)


def _part(file: Shown) -> tuple[int, int] | None:
    """First and last byte of the one part that was asked for; (0, -1) for what cannot be."""
    asked = request.range
    if file.size is None or asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return None
    found = asked.range_for_length(file.size)
    return (found[0], found[1] - 1) if found else (0, -1)


def _with_headers(answer: Response, file: Shown) -> Response:
    headers = answer.headers
    headers["Content-Security-Policy"] = POLICY if _breaks_in_a_sandbox(file) else f"{POLICY}; sandbox"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["X-Frame-Options"] = "SAMEORIGIN"
    headers["Content-Disposition"] = disposition(file.name, inline=True)
    headers["Cache-Control"] = "private, no-cache" if file.tag else "private, no-store"
    if file.tag:
        answer.set_etag(file.tag)
    return answer


def _breaks_in_a_sandbox(file: Shown) -> bool:
    """WebKit saves a PDF in a sandbox instead of showing it; its viewer runs nothing, and active PDFs are not shown."""
    agent = request.headers.get("User-Agent", "")
    return file.media_type == PDF and "AppleWebKit/" in agent and "Chrome/" not in agent


def _pieces(stored: Stored, leave: contextlib.ExitStack) -> Iterator[bytes]:
    """Its bytes as they come; one that stalls ends short, which the browser sees by its length."""
    until = time.monotonic() + LONGEST
    with leave:
        for chunk in stored.chunks:
            yield chunk
            if time.monotonic() > until:
                log.warning("viewing.too_slow")
                raise StorageUnavailable("This file took too long to come.")
