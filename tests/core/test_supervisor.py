"""`make run` as a person meets it: up, mended when something falls, and gone without a trace."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import Settings
from app.core.backing.processes import free_ports, is_free, is_running, wait_for
from app.supervisor import ROOT, Supervisor, answers

pytestmark = [pytest.mark.slow, pytest.mark.real]


class Running:
    """One `firmament up` in a group of its own, as a terminal would start it."""

    def __init__(self, var: Path, **environment: str) -> None:
        self.port = free_ports(1)[0]
        while not is_free(self.port + 1):
            self.port = free_ports(1)[0]
        self.var = var
        self.log = var.parent / f"up-{time.monotonic_ns()}.log"
        given = {"PORT": str(self.port), "FIRMAMENT_VAR": str(var), "LIVE_THREADS": "8", "WEB_WORKERS": "1"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "up"], cwd=ROOT, env={**os.environ, **given, **environment},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )

    def is_ready(self) -> bool:
        return answers(f"http://127.0.0.1:{self.port}/readyz")

    def wait(self) -> None:
        assert wait_for(lambda: self.said("Firmament is running") or self.process.poll() is not None, 120)
        assert self.said("Firmament is running"), self.log.read_text()

    def said(self, words: str) -> bool:
        return words in self.log.read_text()

    def processes(self) -> dict[int, str]:
        """All that belongs to it, by the variables that it hands down."""
        mark, found = str(self.var).encode(), {}
        for folder in Path("/proc").iterdir():
            try:
                known = mark in (folder / "environ").read_bytes() or mark in (folder / "cmdline").read_bytes()
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                line += f" {(folder / 'comm').read_text()}" if line else ""
            except OSError:
                continue
            if folder.name.isdigit() and known and line and int(folder.name) != os.getpid():
                found[int(folder.name)] = line
        return found

    def pid(self, words: str) -> int:
        assert wait_for(lambda: any(words in line for line in self.processes().values()), 60), words
        return next(pid for pid, line in sorted(self.processes().items()) if words in line)

    def interrupt(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(40)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    up = Running(tmp_path / "var with space", EMPTY="1")
    yield up
    if up.process.poll() is None:
        up.process.kill()
        up.process.wait()
    assert wait_for(lambda: not up.processes(), 40), up.processes()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="counts processes in /proc")
def test_it_mends_what_falls_and_leaves_nothing_behind(running: Running) -> None:
    running.wait()
    assert running.is_ready()
    fallen = [running.pid("worker now"), running.pid("gunicorn"), running.pid("bin/postgres")]
    for pid in fallen:
        os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: not any(map(is_running, fallen)), 10)

    def is_whole() -> bool:
        lines = " ".join(running.processes().values())
        return running.is_ready() and "worker now" in lines and "bin/postgres" in lines

    assert wait_for(is_whole, 60)
    running.interrupt()
    assert running.process.returncode == 0
    assert running.processes() == {}
    again = Running(running.var, EMPTY="1")
    again.wait()
    assert running.said("The schema was made.")
    assert again.said("The schema is up to date."), "it found what the first run left"
    again.interrupt()
    assert again.process.returncode == 0
    assert again.processes() == {}


def test_nothing_outlives_a_supervisor_that_is_killed(running: Running) -> None:
    running.wait()
    running.process.kill()
    running.process.wait()
    assert wait_for(lambda: not running.processes(), 40), running.processes()


def test_ctrl_c_while_it_starts_ends_the_start(running: Running) -> None:
    assert wait_for(lambda: running.said("Starting the services"), 60)
    running.interrupt()
    assert running.processes() == {}


@pytest.mark.parametrize(("before", "said"), [(0, "Stop what uses it"), (1, "which live pages need beside")])
def test_a_taken_port_is_told_in_a_sentence_before_anything_starts(tmp_path: Path, before: int, said: str) -> None:
    """The live streams' port is the next one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told: list[str] = []
        settings = Settings(var=tmp_path / "var", port=port - before, secret_key="x")
        assert Supervisor(settings, say=told.append, has_demo=False).run() == 1
    assert len(told) == 1 and told[0].startswith(f"Port {port} is taken") and said in told[0]
    assert not (tmp_path / "var").exists()
