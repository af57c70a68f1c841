"""Bytes from outside are read in a process of their own, with limits on its memory, time and output.

Whoever parses a workbook, a picture or a PDF that a stranger sent calls `read_apart(reader, file, …)`: the reader runs
in a fresh interpreter without our connections, keys or memory. What it would do to the process it is in ends there, and
the person who sent the file is told in a sentence. `python -m app.core.reading` is that process.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from app.core.errors import Refused

ROOT = Path(__file__).parents[2]
AT_ONCE, PATIENCE = 3, 30
_turns = threading.BoundedSemaphore(AT_ONCE)
# How the process ends when it says so itself; any other end is one that something put to it.
TOO_LARGE = 3
MOST_SAID = 2_000


@dataclass(frozen=True)
class Limits:
    """Of one reading: bytes of memory (address space), seconds of processor and of waiting, bytes of its answer."""

    memory: int = 512 << 20
    seconds: int = 20
    wait: int = 60
    answer: int = 64 << 20


class NotRead(Refused):
    """A reading that came to no end within its limits, or broke; `why` is short enough for a log."""

    def __init__(self, why: str) -> None:
        super().__init__("This file takes more memory or time to open than any list or picture needs, or is damaged. "
                         "Save it again, smaller, and send the new copy.", field="file")
        self.why = why


def read_apart(reader: Callable[..., Any], file: IO[bytes], *words: Any, limits: Limits = Limits()) -> Any:
    """What `reader(file, *words)` returns, read in a process of its own. A Refused of the reader is raised here.

    `file` is a real file, `words` and the answer are of JSON; with bytes too the answer is a pair (JSON, bytes).
    Raises NotRead where the limits were met.
    """
    file.flush()
    asked = {"reader": f"{reader.__module__}:{reader.__qualname__}", "words": words, "limits": asdict(limits)}
    if not _turns.acquire(timeout=PATIENCE):
        raise Refused("Several files are being read at the moment. Send this one again in a minute.", field="file")
    try:
        with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as said:
            code = _run(json.dumps(asked), file, answer, said, limits.wait)
            said.seek(0)
            why = said.read(MOST_SAID).decode("utf-8", "replace").strip()
            return _answered(answer, limits.answer) if code == 0 else _fail(code, why)
    finally:
        _turns.release()


def read_bytes_apart(reader: Callable[..., Any], content: bytes, *words: Any, limits: Limits = Limits()) -> Any:
    """The same for bytes at hand."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        return read_apart(reader, file, *words, limits=limits)


def _run(asked: str, file: IO[bytes], answer: IO[bytes], said: IO[bytes], wait: int) -> int:
    """How it ended. No code of ours runs between fork and exec: a web worker has threads."""
    # One arena: each thread's own would be counted as memory that is never used.
    own = {"PYTHONPATH": str(ROOT), "PATH": os.defpath, "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "1"}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "app.core.reading", asked],
        stdin=file, stdout=answer, stderr=said, cwd="/", env=own, start_new_session=True,
    )
    try:
        return process.wait(wait)
    except subprocess.TimeoutExpired:
        return -signal.SIGXCPU
    finally:
        process.kill()
        process.wait()


def _fail(code: int, why: str) -> Any:
    if code == TOO_LARGE:
        raise NotRead("memory")
    if code < 0:
        raise NotRead(signal.Signals(-code).name)
    raise NotRead(why.splitlines()[-1] if why else f"ended with {code}")


def _answered(answer: IO[bytes], most: int) -> Any:
    """The answer is bytes from outside too: of JSON alone, and of no more than was allowed."""
    answer.seek(0)
    try:
        found = json.loads(answer.readline(most + 1))
    except (ValueError, RecursionError):
        raise NotRead("no answer") from None
    if not isinstance(found, Mapping):
        raise NotRead("no answer")
    if "refused" in found:
        raise Refused(str(found["refused"]), field=found.get("field"))
    return (found.get("value"), answer.read(most)) if found.get("bytes") else found.get("value")


def _limit(limits: Limits) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, limits.seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.answer, limits.answer))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    signal.alarm(limits.wait)
    with contextlib.suppress(OSError):
        # Where memory runs short on the whole machine this process goes first.
        Path("/proc/self/oom_score_adj").write_text("1000")


def main(asked: str) -> int:
    """One reading, in the process made for it: the file at its standard input, the answer at its output."""
    told = json.loads(asked)
    _limit(Limits(**told["limits"]))
    module, _, name = told["reader"].partition(":")
    body = b""
    try:
        with os.fdopen(0, "rb", closefd=False) as file:
            file.seek(0)
            value = getattr(importlib.import_module(module), name)(file, *told["words"])
        pair = isinstance(value, tuple)
        if pair:
            value, body = value
        said: dict[str, Any] = {"value": value, "bytes": pair}
        line = json.dumps(said).encode()
    except Refused as refusal:
        line = json.dumps({"refused": refusal.message, "field": refusal.field}).encode()
    except MemoryError:
        return TOO_LARGE
    with os.fdopen(1, "wb", closefd=False) as out:
        out.write(line + b"\n" + body)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
