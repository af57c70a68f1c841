"""The only module that speaks to object storage (any S3): presigned multipart in, short-lived links out."""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from flask import Flask, current_app

from app.config import Settings
from app.core.errors import FirmamentError
from app.core.filenames import disposition
from app.core.gate import Gate, Shut

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

AWAY = "File storage cannot be reached just now. Nothing was lost; try again."
FULL = ("XMinioStorageFull", "InsufficientStorage", "QuotaExceeded")
LINK_SECONDS = 120
# One part is in memory at a time; storage takes ten thousand of them: 80 GB.
STREAM = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20, use_threads=False)
PART_LINK_SECONDS = 3600
_making = threading.Lock()


class StorageUnavailable(FirmamentError):
    """Storage did not answer; nothing was changed and the same can be tried again (503)."""


class ObjectMissing(FirmamentError):
    """There is no object under that key."""


class _Unanswered(Exception):
    """There was no answer, or one that says that storage itself is in trouble."""


@dataclass(frozen=True)
class Part:
    """One part of a multipart upload as storage lists it."""

    number: int
    etag: str
    size: int


@dataclass(frozen=True)
class Stored:
    """An object being read: its type, its size as storage has it, and its bytes piece by piece."""

    content_type: str
    size: int
    chunks: Iterator[bytes]


class Readable(Protocol):
    """What is read piece by piece and cannot go back."""

    def read(self, size: int = ..., /) -> bytes: ...


@contextmanager
def _telling_whether_it_answers() -> Iterator[None]:
    try:
        yield
    except BotoCoreError as error:
        raise _Unanswered() from error
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= 500 and status != 507:
            raise _Unanswered() from error
        raise


@contextmanager
def _answered() -> Iterator[None]:
    """Storage's refusals in our own words."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("NoSuchKey", "404", "NoSuchUpload", "NotFound"):
            raise ObjectMissing("The file is not in storage.") from error
        if code in FULL or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 507:
            raise StorageUnavailable(
                "The disk of the file storage is full, so nothing was saved. Tell whoever runs this server to make "
                "room."
            ) from error
        raise StorageUnavailable("Storage refused: " + code) from error
    except BotoCoreError as error:
        raise StorageUnavailable(AWAY) from error


@dataclass(frozen=True)
class Patience:
    """How long one call may take: seconds to connect and between bytes, attempts in all."""

    connect: float
    read: float
    attempts: int


# Whoever serves pages waits little; a worker may wait for a large file to be joined or copied.
HURRIED, PATIENT = Patience(2, 4, 2), Patience(3, 60, 4)


class Storage:
    """One bucket. `inside` is where this process reaches it, `outside` where browsers do.

    With `at_once`, no more calls than that are under way, and none while storage does not answer.
    """

    def __init__(self, settings: Settings, patience: Patience = PATIENT, *, at_once: int = 0) -> None:
        self.bucket = settings.s3_bucket
        self._inside = _client(settings, settings.s3_endpoint_url, patience)
        self._outside = _client(settings, settings.s3_public_url or settings.s3_endpoint_url, patience)
        self._settings = settings
        self.public_origin = _origin(settings.s3_public_url or settings.s3_endpoint_url)
        self._gate = Gate(at_once) if at_once else None

    @cached_property
    def _at_once(self) -> S3Client:
        return _client(self._settings, self._settings.s3_endpoint_url, Patience(2, 5, 1))

    def _call(self, operation: str, **arguments: Any) -> Any:
        with _answered(), self._passage():
            return getattr(self._inside, operation)(Bucket=self.bucket, **arguments)

    def take_room(self) -> Callable[[], None] | None:
        """A place at the gate for as long as a file is being handed on, or None; what is returned gives it back."""
        return self._gate.take_room() if self._gate else lambda: None

    @contextmanager
    def _passage(self, *, placed: bool = False) -> Iterator[None]:
        if self._gate is None:
            yield
            return
        try:
            with self._gate.passage(_Unanswered, placed=placed), _telling_whether_it_answers():
                yield
        except _Unanswered as error:
            raise cast(Exception, error.__cause__) from None
        except Shut as error:
            raise StorageUnavailable(AWAY) from error

    def put(self, key: str, body: bytes | IO[bytes], content_type: str) -> None:
        self._call("put_object", Key=key, Body=body, ContentType=content_type)

    def put_stream(self, key: str, body: Readable, content_type: str) -> None:
        """Put what is read once, of whatever length; an error of the reader leaves nothing behind."""
        with _answered():
            self._inside.upload_fileobj(
                cast(IO[bytes], _Once(body)), self.bucket, key, ExtraArgs={"ContentType": content_type}, Config=STREAM
            )

    def get(self, key: str) -> bytes:
        """A small object whole; what may be large is read by `open` or `chunks`."""
        return b"".join(self.chunks(key))

    def open(self, key: str, size: int = 1 << 20) -> Stored:
        answer = self._call("get_object", Key=key)
        kind = str(answer.get("ContentType") or "application/octet-stream")
        return Stored(kind, int(answer["ContentLength"]), _pieces(answer["Body"], size))

    def view(self, key: str, part: tuple[int, int] | None = None) -> Stored:
        """The same for somebody who waits, whole or from the first byte to the last: in seconds or not at all. By who
        has taken a room."""
        words: dict[str, Any] = {"Range": f"bytes={part[0]}-{part[1]}"} if part else {}
        with _answered(), self._passage(placed=True):
            answer: Any = self._at_once.get_object(Bucket=self.bucket, Key=key, **words)
        kind = str(answer.get("ContentType") or "application/octet-stream")
        return Stored(kind, int(answer["ContentLength"]), _pieces(answer["Body"], 1 << 18))

    def chunks(self, key: str, size: int = 1 << 20) -> Iterator[bytes]:
        yield from self.open(key, size).chunks

    def sha256(self, key: str) -> bytes:
        """The digest of an object's bytes as they lie there now."""
        digest = hashlib.sha256()
        for chunk in self.chunks(key):
            digest.update(chunk)
        return digest.digest()

    def size(self, key: str) -> int:
        return int(self._call("head_object", Key=key)["ContentLength"])

    def content_type(self, key: str) -> str:
        return str(self._call("head_object", Key=key).get("ContentType", "application/octet-stream"))

    def exists(self, key: str) -> bool:
        try:
            self.size(key)
        except ObjectMissing:
            return False
        return True

    def copy(self, source: str, target: str, content_type: str) -> None:
        self._call(
            "copy_object", Key=target, CopySource={"Bucket": self.bucket, "Key": source},
            ContentType=content_type, MetadataDirective="REPLACE",
        )

    def delete(self, key: str) -> None:
        self._call("delete_object", Key=key)

    def keys(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Every object's key and size under a prefix."""
        token: dict[str, str] = {}
        while True:
            page = self._call("list_objects_v2", Prefix=prefix, **token)
            for item in page.get("Contents", []):
                yield item["Key"], int(item["Size"])
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def start_multipart(self, key: str, content_type: str) -> str:
        return str(self._call("create_multipart_upload", Key=key, ContentType=content_type)["UploadId"])

    def part_url(self, key: str, upload_id: str, number: int) -> str:
        return str(self._outside.generate_presigned_url(
            "upload_part", ExpiresIn=PART_LINK_SECONDS,
            Params={"Bucket": self.bucket, "Key": key, "UploadId": upload_id, "PartNumber": number},
        ))

    def parts(self, key: str, upload_id: str) -> list[Part]:
        """What has arrived of a multipart upload; raises ObjectMissing when it was finished or abandoned."""
        found: list[Part] = []
        marker: dict[str, int] = {}
        while True:
            page = self._call("list_parts", Key=key, UploadId=upload_id, **marker)
            found += [Part(p["PartNumber"], p["ETag"], int(p["Size"])) for p in page.get("Parts", [])]
            if not page.get("IsTruncated"):
                return found
            marker = {"PartNumberMarker": page["NextPartNumberMarker"]}

    def finish_multipart(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        self._call(
            "complete_multipart_upload", Key=key, UploadId=upload_id,
            MultipartUpload={"Parts": [{"PartNumber": p.number, "ETag": p.etag} for p in parts]},
        )

    def abort_multipart(self, key: str, upload_id: str) -> None:
        self._call("abort_multipart_upload", Key=key, UploadId=upload_id)

    def unfinished(self, prefix: str = "") -> Iterator[tuple[str, str, dt.datetime]]:
        """Key, upload id and beginning of every multipart upload that was neither finished nor aborted."""
        for item in self._call("list_multipart_uploads", Prefix=prefix).get("Uploads", []):
            yield item["Key"], item["UploadId"], item["Initiated"]

    def form(self, key: str, *, max_bytes: int, redirect: str, seconds: int = 3600) -> dict[str, Any]:
        """URL and hidden fields of a plain HTML form that posts one file straight to storage (no JavaScript)."""
        fields = {"Content-Type": "application/octet-stream", "success_action_redirect": redirect}
        conditions = [{name: value} for name, value in fields.items()] + [["content-length-range", 1, max_bytes]]
        return dict(self._outside.generate_presigned_post(
            self.bucket, key, Fields=fields, Conditions=conditions, ExpiresIn=seconds,
        ))

    def put_link(self, key: str) -> str:
        """Where a small object is put with one request, as a browser puts a part."""
        return str(self._outside.generate_presigned_url(
            "put_object", ExpiresIn=LINK_SECONDS, Params={"Bucket": self.bucket, "Key": key},
        ))

    def link(self, key: str, *, name: str, content_type: str) -> str:
        """A link that downloads for two minutes, with a fixed type and a safe file name. Nothing is shown by it:
        storage cannot be told to send the headers that a file needs which a browser shows (`core/viewing.py`)."""
        return str(self._outside.generate_presigned_url(
            "get_object", ExpiresIn=LINK_SECONDS,
            Params={"Bucket": self.bucket, "Key": key, "ResponseContentType": content_type,
                    "ResponseContentDisposition": disposition(name),
                    "ResponseCacheControl": "private, no-store"},
        ))


def _pieces(body: Any, size: int) -> Iterator[bytes]:
    with _answered():
        yield from body.iter_chunks(size)


class _Once:
    """A reader with no way back, as the uploader wants to see it."""

    def __init__(self, body: Readable) -> None:
        self._body = body

    def read(self, size: int = -1) -> bytes:
        return self._body.read(size)

    def seekable(self) -> bool:
        return False


def _client(settings: Settings, endpoint: str, patience: Patience) -> S3Client:
    return boto3.client(
        "s3", endpoint_url=endpoint or None, region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key or "none", aws_secret_access_key=settings.s3_secret_key or "none",
        config=Config(
            signature_version="s3v4", s3={"addressing_style": "path"}, request_checksum_calculation="when_required",
            response_checksum_validation="when_required", connect_timeout=patience.connect,
            read_timeout=patience.read, retries={"total_max_attempts": patience.attempts}, max_pool_connections=20,
        ),
    )


def _origin(url: str) -> str:
    return "/".join(url.split("/")[:3])


def storage() -> Storage:
    """The application's storage, made on first use: one for all threads, so that they go through one gate."""
    extensions = current_app.extensions
    if "storage" not in extensions:
        with _making:
            if "storage" not in extensions:
                extensions["storage"] = Storage(current_app.config["SETTINGS"], **current_app.config["STORAGE"])
    return cast(Storage, extensions["storage"])


def init_app(app: Flask) -> None:
    """For whoever serves pages: half of their threads at most wait for storage. Workers are patient (`wait_long`)."""
    app.extensions.pop("storage", None)
    app.config["STORAGE"] = {"patience": HURRIED, "at_once": max(1, app.config["SETTINGS"].web_threads // 2)}


def wait_long(app: Flask) -> None:
    app.extensions.pop("storage", None)
    app.config["STORAGE"] = {"patience": PATIENT}
