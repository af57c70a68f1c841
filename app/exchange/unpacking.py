"""Taking a backup apart before anything of it is believed, in the process made for it (core.reading)."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import IO, Any

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
BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, LookupError, ValueError, TypeError, AttributeError,
    NotImplementedError, RecursionError, RuntimeError,
)  # fmt: skip
_HEX = re.compile(r"[0-9a-f]{64}")


def table_member(name: str) -> str:
    return f"data/{name}.jsonl"


def object_member(key: str) -> str:
    return f"objects/{key}"


def digest_of_body(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def is_ours(stream: IO[bytes]) -> bool:
    """Whether it ends as a backup of this format does, give or take a flipped bit."""
    size = stream.seek(0, 2)
    stream.seek(max(size - DIGEST - len(MARK), 0))
    end = stream.read(len(MARK))
    return MARK[:9] in end or MARK[-7:] in end


def is_whole(stream: IO[bytes]) -> bool:
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


def prove(file: IO[bytes], path: str, whole: bool) -> dict[str, Any]:
    """The manifest of an archive whose names, types, sizes and rows are all what they should be. Raises Refused."""
    try:
        with zipfile.ZipFile(file) as archive:
            body = json.loads(_bounded(archive, MANIFEST))
            if not whole and body.get("format") == FORMAT:
                raise Refused(DAMAGED.format(path=path))
            _check_manifest(body, path)
            _check_members(archive, body, path, size=file.seek(0, 2))
            for name in body["tables"]:
                _check_rows(archive, table_member(name))
            found: dict[str, Any] = body
            return found
    except BROKEN as error:
        raise Refused(DAMAGED.format(path=path)) from error


def _check_manifest(body: Any, path: str) -> None:
    if body.get("format") != FORMAT:
        raise Refused(
            f"{path} is a backup of format {str(body.get('format'))[:20]}; this version reads format {FORMAT}. Restore "
            "it with the version that wrote it, upgrade there, and write a new backup."
        )
    if body.pop("sha256", None) != digest_of_body(body):
        raise Refused(f"The manifest of {path} is not what the backup wrote. Nothing was restored.")
    _texts(body["schema"], body["made_at"], body["chain"]["hash"], *body["missing"])
    _counts(body["chain"]["position"])
    for name, part in body["tables"].items():
        _texts(name)
        _counts(part["rows"], part["size"])
        _hex(part["sha256"])
    for key, part in body["objects"].items():
        _texts(key, part["type"])
        _counts(part["size"])
        _hex(part["sha256"])


def _check_members(archive: zipfile.ZipFile, body: Mapping[str, Any], path: str, *, size: int) -> None:
    wanted = {MANIFEST: -1}
    wanted |= {table_member(name): part["size"] for name, part in body["tables"].items()}
    wanted |= {object_member(key): part["size"] for key, part in body["objects"].items()}
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
    if sum(member.compress_size for member in found) > size:
        raise Refused(f"{path} claims to hold more than it can. Nothing was restored.")


def _check_rows(archive: zipfile.ZipFile, name: str) -> None:
    """Each line is JSON that can be read."""
    with archive.open(name) as stream:
        while line := stream.readline(MOST_LINE + 1):
            if len(line) > MOST_LINE:
                raise Refused(f"{name} has a row of more than {MOST_LINE >> 20} MB. Nothing was restored.")
            json.loads(line)


def _check_ratio(member: zipfile.ZipInfo) -> None:
    if member.file_size > SMALL and member.file_size > MOST_RATIO * max(member.compress_size, 1):
        raise Refused(f"{member.filename[:80]} would unpack to far more than any backup holds. Nothing was restored.")


def _bounded(archive: zipfile.ZipFile, name: str) -> bytes:
    """A small member whole, unless it would unpack to far more than it is."""
    _check_ratio(archive.getinfo(name))
    return archive.read(name)


def _texts(*values: Any) -> None:
    if not all(isinstance(value, str) for value in values):
        raise ValueError("not a text")


def _counts(*values: Any) -> None:
    if any(not isinstance(value, int) or isinstance(value, bool) or value < 0 for value in values):
        raise ValueError("not a count")


def _hex(value: Any) -> None:
    _texts(value)
    if not _HEX.fullmatch(value):
        raise ValueError("not a digest")
