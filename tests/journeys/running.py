"""The whole product running as its user starts it: `firmament up` in a place of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """A port that is free, and the next one too (the live streams')."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            with contextlib.suppress(OSError):
                two.bind(("127.0.0.1", port + 1))
                return port


@dataclass
class House:
    """A running product."""

    var: Path
    port: int
    process: subprocess.Popen[str]
    log: Path
    environment: dict[str, str] = field(repr=False, default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def said(self, pattern: str, seconds: float = 120) -> str:
        """The first match of a pattern in what it printed; waits for it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := re.search(pattern, self.log.read_text()):
                return found[0]
            if self.process.poll() is not None:
                break
            time.sleep(0.2)
        raise AssertionError(f"{pattern!r} was not printed:\n{self.log.read_text()[-3000:]}")

    def mails(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.url}/dev/mail.json", timeout=30) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found

    def command(self, *words: str, var: Path | None = None) -> subprocess.CompletedProcess[str]:
        """`firmament …` beside it, in the same place or in another."""
        environment = self.environment | ({"FIRMAMENT_VAR": str(var)} if var else {})
        return subprocess.run(
            [sys.executable, "-m", "app.cli", *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def part(self, words: str) -> int:
        """The process id of one of its parts, by words of its command line or of its name; waits for it."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if found := self.parts(words):
                return found[0]
            time.sleep(0.2)
        raise AssertionError(f"nothing runs as {words!r}")

    def parts(self, words: str) -> list[int]:
        """The process ids of all that run as these words now."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                line += (folder / "comm").read_text()
                place = (folder / "environ").read_bytes().decode(errors="replace")
                if words in line and f"FIRMAMENT_VAR={self.var}" in place:
                    found.append(int(folder.name))
        return found

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
            self.process.wait(60)


@contextlib.contextmanager
def running(var: Path, *, empty: bool = True, **settings: str) -> Iterator[House]:
    """Start it, wait until it answers, stop it as Ctrl-C does."""
    port = free_port()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FIRMAMENT", "DATABASE", "S3_", "REDIS"))}
    environment = kept | {"FIRMAMENT_VAR": str(var), "PORT": str(port), "WEB_WORKERS": "1"}
    environment |= ({"EMPTY": "1"} if empty else {}) | settings
    var.mkdir(parents=True, exist_ok=True)
    log = var / "said.txt"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "app.cli", "up"],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        house = House(var, port, process, log, environment)
        try:
            house.said(r"Firmament is running")
            yield house
        finally:
            house.stop()
