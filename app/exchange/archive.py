"""The file that a backup is: a ZIP with a manifest, sealed by its own SHA-256 in its last 64 bytes.

A reader here trusts nothing: a file of another form, a damaged one or one that would unpack to far more than it is
raises Refused with one sentence.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, cast

import structlog

from app.activity.queries import Anchor
from app.core.errors import Refused
from app.core.reading import Limits, NotRead, read_apart
from app.exchange.unpacking import (
    BROKEN,
    CHUNK,
    DAMAGED,
    DIGEST,
    FORMAT,
    MANIFEST,
    MARK,
    MOST_LINE,
    digest_of_body,
    is_ours,
    is_whole,
    object_member,
    prove,
    table_member,
)

__all__ = ["MANIFEST", "MARK", "object_member", "table_member"]

log = structlog.get_logger()


@dataclass(frozen=True)
class TablePart:
    """One table as it lies in the archive: a JSON object a line."""

    rows: int
    size: int
    sha256: str


@dataclass(frozen=True)
class ObjectPart:
    """One stored object as it lies in the archive."""

    size: int
    sha256: str
    type: str


@dataclass(frozen=True)
class Manifest:
    """What a backup holds. `schema` is the mark of the database it came from; `missing` the keys storage had lost."""

    schema: str
    made_at: str
    chain: Anchor
    tables: Mapping[str, TablePart]
    objects: Mapping[str, ObjectPart]
    missing: tuple[str, ...] = ()

    def to_json(self) -> str:
        body: dict[str, Any] = {"format": FORMAT, **asdict(self)}
        return json.dumps(body | {"sha256": digest_of_body(body)}, sort_keys=True, indent=1)


class _Sealed:
    """What is written, counted and hashed on its way: all but the last 64 bytes, where the digest goes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._tail, self._at, self._digest = stream, b"", 0, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._stream.write(data)
        self._at += len(data)
        kept = self._tail + bytes(data)
        self._digest.update(kept[:-DIGEST])
        self._tail = kept[-DIGEST:]
        return len(data)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        self._stream.flush()

    def seal(self) -> None:
        self._stream.seek(-DIGEST, 2)
        self._stream.write(self._digest.hexdigest().encode())


@contextmanager
def new_archive(stream: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """An archive to write into an empty file; sealed at the end, in one pass over what is written."""
    sealed = _Sealed(stream)
    with zipfile.ZipFile(cast(IO[bytes], sealed), "w", allowZip64=True) as archive:
        archive.comment = MARK + b"0" * DIGEST
        yield archive
    sealed.seal()


@contextmanager
def whole_archive(path: Path) -> Iterator[tuple[zipfile.ZipFile, Manifest]]:
    """An archive to read, once every byte of it is known to be what was written. Raises Refused.

    It is taken apart first in a process of its own, within limits: what would break or fill a reader does so there.
    """
    try:
        with path.open("rb") as stream:
            manifest = _proven(stream, path)
            with zipfile.ZipFile(stream) as archive:
                yield archive, manifest
    except BROKEN as error:
        if isinstance(error, OSError) and error.filename:
            raise Refused(f"{path} cannot be read: {error.strerror}.") from error
        raise Refused(DAMAGED.format(path=path)) from error


def _proven(stream: IO[bytes], path: Path) -> Manifest:
    whole = is_whole(stream)
    if not whole and is_ours(stream):
        raise Refused(DAMAGED.format(path=path))
    try:
        body = read_apart(prove, stream, str(path), whole, limits=limits_of(stream.seek(0, 2)))
    except NotRead as error:
        log.warning("backup.not_read", why=error.why)
        raise Refused(
            f"{path} takes more memory or time to take apart than a backup of its size does. Nothing was restored."
        ) from error
    return Manifest(
        schema=body["schema"], made_at=body["made_at"],
        chain=Anchor(body["chain"]["position"], body["chain"]["hash"]),
        tables={name: TablePart(part["rows"], part["size"], part["sha256"]) for name, part in body["tables"].items()},
        objects={key: ObjectPart(part["size"], part["sha256"], part["type"]) for key, part in body["objects"].items()},
        missing=tuple(body["missing"]),
    )  # fmt: skip


def limits_of(size: int) -> Limits:
    """For a backup of this many bytes: its rows unpack to thirty times as much, a few at a time."""
    seconds = 60 + 2 * (size >> 20)
    return Limits(memory=1 << 30, seconds=seconds, wait=2 * seconds, answer=256 << 20)


class Counted:
    """A member as it is read: never more than it should be, and in the end exactly what was written."""

    def __init__(self, body: IO[bytes], name: str, part: TablePart | ObjectPart) -> None:
        self._body, self._name, self._part = body, name, part
        self._size, self._digest = 0, hashlib.sha256()

    def read(self, size: int = CHUNK) -> bytes:
        return self._seen(self._body.read(size))

    def readline(self) -> bytes:
        line = self._seen(self._body.readline(MOST_LINE + 1))
        if len(line) > MOST_LINE:
            raise Refused(f"{self._name} has a row of more than {MOST_LINE >> 20} MB. Nothing was restored.")
        return line

    def finish(self) -> None:
        """Raises Refused unless all was read and is what the manifest says."""
        if (self._size, self._digest.hexdigest()) != (self._part.size, self._part.sha256):
            raise Refused(f"{self._name} is not what the backup wrote. Nothing was restored.")

    def _seen(self, chunk: bytes) -> bytes:
        self._size += len(chunk)
        if self._size > self._part.size:
            raise Refused(f"{self._name} unpacks to more than the manifest says. Nothing was restored.")
        self._digest.update(chunk)
        return chunk


