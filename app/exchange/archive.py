"""The file that a backup is: a ZIP with a manifest, sealed by its own SHA-256 in its last 64 bytes.

A reader here trusts nothing: a file of another form, a damaged one or one that would unpack to far more than it is
raises Refused with one sentence.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, cast

from app.activity.queries import Anchor
from app.core.errors import Refused

FORMAT = 2
MANIFEST = "manifest.json"
CHUNK = 1 << 20
MARK = b"firmament backup sha256 "
DIGEST = 64
# A table's rows, each with its column names, pack to a tenth or a thirtieth; a bomb packs to a thousandth.
MOST_RATIO, SMALL = 200, 64 << 20
MOST_LINE = 64 << 20
DAMAGED = "{path} is damaged or was cut short: it is not, byte for byte, what the backup wrote. Nothing was restored."
_HEX = re.compile(r"[0-9a-f]{64}")


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
        return json.dumps(body | {"sha256": _digest_of(body)}, sort_keys=True, indent=1)


def _digest_of(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def table_member(name: str) -> str:
    return f"data/{name}.jsonl"


def object_member(key: str) -> str:
    return f"objects/{key}"


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
    """An archive to read, once every byte of it is known to be what was written. Raises Refused."""
    damaged = Refused(DAMAGED.format(path=path))
    try:
        with path.open("rb") as stream:
            whole = _is_whole(stream)
            if not whole and _format_of(path) != 1:
                raise damaged
        with zipfile.ZipFile(path) as archive:
            yield archive, _manifest_of(archive, path)
    except (
        zipfile.BadZipFile, zlib.error, EOFError, OSError, LookupError, ValueError, TypeError, AttributeError,
        NotImplementedError, RecursionError, RuntimeError,
    ) as error:  # fmt: skip
        if isinstance(error, OSError) and error.filename:
            raise Refused(f"{path} cannot be read: {error.strerror}.") from error
        raise damaged from error


def _is_whole(stream: IO[bytes]) -> bool:
    """Whether the last 64 bytes are the digest of all before them."""
    size = stream.seek(0, 2)
    left = size - DIGEST
    if left < len(MARK):
        return False
    stream.seek(left - len(MARK))
    if stream.read(len(MARK)) != MARK:
        return False
    wanted, digest = stream.read(DIGEST), hashlib.sha256()
    stream.seek(0)
    while left and (chunk := stream.read(min(CHUNK, left))):
        digest.update(chunk)
        left -= len(chunk)
    return digest.hexdigest().encode() == wanted


def _format_of(path: Path) -> Any:
    """The format that an unsealed file's manifest claims: files of format 1 had no seal."""
    with zipfile.ZipFile(path) as archive:
        return json.loads(_bounded(archive, MANIFEST)).get("format")


def _manifest_of(archive: zipfile.ZipFile, path: Path) -> Manifest:
    """The manifest, with every name, type and size in it compared with what the archive holds."""
    body = json.loads(_bounded(archive, MANIFEST))
    if body.get("format") != FORMAT:
        raise Refused(
            f"{path} is a backup of format {str(body.get('format'))[:20]}; this version reads format {FORMAT}. Restore "
            "it with the version that wrote it, upgrade there, and write a new backup."
        )
    if body.pop("sha256", None) != _digest_of(body):
        raise Refused(f"The manifest of {path} is not what the backup wrote. Nothing was restored.")
    manifest = Manifest(
        schema=_text(body["schema"]), made_at=_text(body["made_at"]),
        chain=Anchor(_count(body["chain"]["position"]), _text(body["chain"]["hash"])),
        tables={
            _text(name): TablePart(_count(part["rows"]), _count(part["size"]), _hex(part["sha256"]))
            for name, part in body["tables"].items()
        },
        objects={
            _text(key): ObjectPart(_count(part["size"]), _hex(part["sha256"]), _text(part["type"]))
            for key, part in body["objects"].items()
        },
        missing=tuple(_text(key) for key in body["missing"]),
    )  # fmt: skip
    _check_members(archive, manifest, path)
    return manifest


def _check_members(archive: zipfile.ZipFile, manifest: Manifest, path: Path) -> None:
    wanted = {MANIFEST: -1}
    wanted |= {table_member(name): part.size for name, part in manifest.tables.items()}
    wanted |= {object_member(key): part.size for key, part in manifest.objects.items()}
    found = archive.infolist()
    names = {member.filename for member in found}
    if len(found) != len(names) or names != set(wanted):
        odd = sorted(names ^ set(wanted))
        raise Refused(
            f"{path} does not hold what its manifest names: {', '.join(odd[:5]) or 'one name stands there twice'}. "
            "Nothing was restored."
        )
    for member in found:
        _check_ratio(member)
        if member.filename != MANIFEST and member.file_size != wanted[member.filename]:
            raise Refused(f"{member.filename} has another size than the manifest says. Nothing was restored.")
        if member.filename.startswith("objects/") and member.compress_type != zipfile.ZIP_STORED:
            raise Refused(f"{member.filename} is packed in a way that no backup uses. Nothing was restored.")
    if sum(member.compress_size for member in found) > path.stat().st_size:
        raise Refused(f"{path} claims to hold more than it can. Nothing was restored.")


def _check_ratio(member: zipfile.ZipInfo) -> None:
    if member.file_size > SMALL and member.file_size > MOST_RATIO * max(member.compress_size, 1):
        raise Refused(f"{member.filename[:80]} would unpack to far more than any backup holds. Nothing was restored.")


def _bounded(archive: zipfile.ZipFile, name: str) -> bytes:
    """A small member whole, unless it would unpack to far more than it is."""
    _check_ratio(archive.getinfo(name))
    return archive.read(name)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("not a count")
    return value


def _hex(value: Any) -> str:
    if not _HEX.fullmatch(_text(value)):
        raise ValueError("not a digest")
    return cast(str, value)


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


