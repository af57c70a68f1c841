"""200 MB as a browser sends it, against boto3 alone with as many parts at once."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from app.config import Settings
from app.core.ids import new_id
from tests.bench.browse import Visitor
from tests.bench.report import Report, Row, middle

SIZE, AT_ONCE, TURNS, TIMES = 200 << 20, 6, 3, 1.1


def measure_upload(visitor: Visitor, request_id: UUID, item_id: UUID, settings: Settings, report: Report) -> None:
    """Turn about, so that a slow moment of the disk is everybody's."""
    body = os.urandom(1 << 20) * (SIZE >> 20)
    ours, alone, asked = [], [], 0
    for _ in range(TURNS):
        seconds, asked = _as_browser(visitor, f"/portal/requests/{request_id}/items/{item_id}/uploads", body)
        ours.append(seconds)
        alone.append(_boto3_alone(settings, body))
    _clear(settings)
    ratio = round(middle(ours) / middle(alone), 2)
    report.rows.append(Row(
        "upload of 200 MB", None, p50_ms=round(middle(ours) * 1000), p95_ms=round(max(ours) * 1000), ratio=ratio,
        goal=f"≤ {TIMES:g} × boto3 alone", ok=ratio <= TIMES,
    ))
    # What the web process was sent: questions in JSON, no byte of the file.
    report.rows.append(Row(
        "upload, bytes through the web", None, bytes=asked, goal="none of the file", ok=asked < 64_000
    ))


def _as_browser(visitor: Visitor, address: str, body: bytes) -> tuple[float, int]:
    """Seconds from the first question to the completion's answer, and the bytes that the web process was sent."""
    started = time.perf_counter()
    question = {"id": str(new_id()), "name": "scan.pdf", "size": len(body)}
    plan, asked = _ask(visitor, address, question)
    size = int(plan["partSize"])
    whole, lines = memoryview(body), threading.local()

    def send(part: tuple[int, str]) -> str:
        number, url = part
        piece = whole[(number - 1) * size: number * size]
        digest = beside.submit(lambda: hashlib.sha256(piece).hexdigest())
        _put(lines, url, piece)
        return digest.result()

    with ThreadPoolExecutor(2) as beside, ThreadPoolExecutor(AT_ONCE) as pool:
        digests = list(pool.map(send, sorted((int(number), url) for number, url in plan["addresses"].items())))
    said, more = _ask(visitor, plan["urls"]["completion"], {"digests": digests})
    if said["state"] != "received":
        raise RuntimeError(f"The upload is {said['state']}.")
    return time.perf_counter() - started, asked + more


def _ask(visitor: Visitor, address: str, question: dict[str, Any]) -> tuple[dict[str, Any], int]:
    sent = json.dumps(question).encode()
    answer = visitor.post_json(address, sent)
    if answer.status != 200:
        raise RuntimeError(f"{address} answered {answer.status}: {answer.text[:200]}")
    return json.loads(answer.text), len(sent)


def _put(lines: threading.local, url: str, piece: memoryview) -> None:
    """Over the thread's own line, which stays open, as a browser's does."""
    place = urlsplit(url)
    if not hasattr(lines, "open"):
        lines.open = http.client.HTTPConnection(place.hostname or "", place.port, timeout=120)
    lines.open.request("PUT", f"{place.path}?{place.query}", piece)
    answer = lines.open.getresponse()
    answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"Storage answered {answer.status}.")


def _store(settings: Settings) -> Any:
    return boto3.client(
        "s3", endpoint_url=settings.s3_endpoint_url, region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key, aws_secret_access_key=settings.s3_secret_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, max_pool_connections=AT_ONCE + 2),
    )


def _clear(settings: Settings) -> None:
    """The rows go with the database's copy; what was stored for them goes here."""
    store = _store(settings)
    for found in store.list_objects_v2(Bucket=settings.s3_bucket, Prefix="incoming/").get("Contents", []):
        store.delete_object(Bucket=settings.s3_bucket, Key=found["Key"])


def _boto3_alone(settings: Settings, body: bytes) -> float:
    store = _store(settings)
    config = TransferConfig(multipart_chunksize=8 << 20, max_concurrency=AT_ONCE)
    key = f"incoming/bench-{new_id()}"
    started = time.perf_counter()
    store.upload_fileobj(io.BytesIO(body), settings.s3_bucket, key, Config=config)
    seconds = time.perf_counter() - started
    store.delete_object(Bucket=settings.s3_bucket, Key=key)
    return seconds
