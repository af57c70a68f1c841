"""Trying what will be done with file storage: a file in and out as browsers do it, and away as the product does."""

from __future__ import annotations

import http.client
import json
import re
import time
from urllib.parse import urlsplit

import redis
from flask import current_app

from app.config import Settings
from app.core.ids import new_id
from app.core.queue import FILES, background, connection
from app.core.storage import HURRIED, Storage, StorageUnavailable

SECONDS = 2
EVERY, STALE = 60, 200.0
KEY = "health:storage"
BODY = b"This file tries whether storage works. It may be deleted."
_CODE = re.compile(rb"<Code>(\w+)</Code>")
_KEYS_REFUSED = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied")


class Unusable(Exception):
    """What cannot be done with storage, as a sentence for whoever runs the server."""


def try_storage(settings: Settings) -> str:
    """Why files cannot be sent, opened or deleted; empty when they can."""
    store = Storage(settings, HURRIED)
    key = f"probe/{new_id()}"
    origin = settings.public_url
    try:
        _ask("PUT", store.put_link(key), origin, BODY, "a file cannot be sent")
        try:
            _try_the_rest(store, key, origin)
        finally:
            store.delete(key)
    except StorageUnavailable as error:
        return f"a file cannot be deleted at {settings.s3_endpoint_url}: {error.__cause__}"
    except Unusable as found:
        return str(found)
    except (OSError, http.client.HTTPException) as error:
        return f"{store.public_origin} does not answer: {type(error).__name__}: {error}"
    return ""


def _try_the_rest(store: Storage, key: str, origin: str) -> None:
    """What a browser asks before and after it sends a file from our page, and the way out."""
    answer, _body = _talk("OPTIONS", store.put_link(key), {
        "Origin": origin, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type",
    })
    methods = answer.getheader("Access-Control-Allow-Methods") or ""
    if answer.status >= 300 or not _lets_in(answer, origin) or "PUT" not in methods.upper():
        raise Unusable(f"its CORS does not let pages of {origin} PUT files")
    answer, _body = _talk("PUT", store.put_link(key), {"Origin": origin}, BODY)
    exposed = (answer.getheader("Access-Control-Expose-Headers") or "").lower()
    if not _lets_in(answer, origin) or ("etag" not in exposed and "*" not in exposed):
        raise Unusable(f"its CORS does not expose ETag to pages of {origin}")
    out = store.link(key, name="probe.txt", content_type="text/plain")
    if _ask("GET", out, origin, None, "a file cannot be opened") != BODY:
        raise Unusable("a file does not come back as it was sent")


def _lets_in(answer: http.client.HTTPResponse, origin: str) -> bool:
    return answer.getheader("Access-Control-Allow-Origin") in (origin, "*")


def _ask(method: str, url: str, origin: str, body: bytes | None, failure: str) -> bytes:
    answer, got = _talk(method, url, {"Origin": origin}, body)
    if answer.status >= 300:
        code = _CODE.search(got)
        raise Unusable(f"{failure}: {_reason(code[1].decode() if code else str(answer.status))}")
    return got


def _reason(code: str) -> str:
    if code == "NoSuchBucket":
        return "the bucket does not exist (NoSuchBucket)"
    if code in _KEYS_REFUSED:
        return f"the keys are refused ({code})"
    return code


def _talk(
    method: str, url: str, headers: dict[str, str], body: bytes | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    wire = kind(parts.hostname or "", parts.port, timeout=SECONDS)
    try:
        wire.request(method, f"{parts.path}?{parts.query}", body=body, headers=headers)
        answer = wire.getresponse()
        return answer, answer.read()
    finally:
        wire.close()


@background("core.try_storage", every=EVERY, queue=FILES, seconds=30)
def keep_trying() -> None:
    """The last result is what `/readyz` says."""
    found = try_storage(current_app.config["SETTINGS"])
    connection().set(KEY, json.dumps({"at": time.time(), "reason": found}), ex=86_400)


def last_result(store: redis.Redis) -> tuple[bool | None, str]:
    """Whether storage worked when it was last tried, and if not, why; None when that was never or too long ago."""
    kept = store.get(KEY)
    if not isinstance(kept, bytes):
        return None, "it was not tried yet"
    found = json.loads(kept)
    age = time.time() - float(found["at"])
    if age > STALE:
        return None, f"it was last tried {age / 60:.0f} minutes ago: do `firmament scheduler` and the workers run?"
    return not found["reason"], found["reason"]
