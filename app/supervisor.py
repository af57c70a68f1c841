"""Everything in one command: services, web, live, workers, scheduler; mended, and stopped in order."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import resource
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from app.config import Settings
from app.core.backing import BackingFailed, take_lease
from app.core.backing.lease import Lease
from app.core.backing.processes import die_with_parent, is_free, wait_for

ROOT = Path(__file__).parents[1]
TICK_SECONDS = 0.2
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 30.0
READY_SECONDS = 90.0
DEMO_SECONDS = 180.0
OPEN_FILES = 16_384
Say = Callable[[str], None]


@dataclass
class Part:
    """One process of the product; `once` for what is done when it ends."""

    name: str
    argv: list[str]
    patience: float = 10.0
    once: bool = False
    failures: int = 0
    retry_at: float = 0.0
    started_at: float = 0.0
    child: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, environment: dict[str, str]) -> None:
        # A group of its own: Ctrl-C reaches the supervisor only, which stops the parts in order.
        self.child = subprocess.Popen(
            self.argv, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
        self.started_at = time.monotonic()

    def ask_to_stop(self) -> None:
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()

    def make_stop(self, patience: float) -> None:
        """Wait for the end; what then remains of the group is killed."""
        if self.child is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(max(patience, 0))
        self.sweep_up()
        self.child.wait()
        self.child = None

    def sweep_up(self) -> None:
        if self.child is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child.pid, signal.SIGKILL)


def firmament(*words: str) -> list[str]:
    return [sys.executable, "-m", "app.cli", *words]


def gunicorn(application: str, configuration: str) -> list[str]:
    return [sys.executable, "-m", "gunicorn", "-c", str(ROOT / configuration), application]


def has_live() -> bool:
    try:
        return importlib.util.find_spec("app.live.server") is not None
    except ModuleNotFoundError:
        return False


class Supervisor:
    def __init__(self, settings: Settings, *, say: Say, has_demo: bool) -> None:
        self.settings = settings
        self.say = say
        self.has_demo = has_demo and not settings.empty
        self.lease: Lease | None = None
        self.parts: list[Part] = []
        self.signalled = 0
        self.signalled_at = 0.0

    def run(self) -> int:
        """Run until told to stop; the exit code says whether the start succeeded."""
        if told := self._port_that_is_taken():
            self.say(told)
            return 1
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._be_told)
        allow_many_files()
        try:
            return self._serve()
        except KeyboardInterrupt:
            return 0
        except BackingFailed as error:
            self.say(str(error))
            return 1
        finally:
            self._stop()

    def _port_that_is_taken(self) -> str:
        port, live = self.settings.port, self.settings.live_port
        if not is_free(port):
            return f"Port {port} is taken. Stop what uses it, or choose another: PORT=8080."
        if has_live() and not is_free(live):
            return (
                f"Port {live} is taken, which live pages need beside {port}. Stop what uses it, or choose another: "
                "PORT=8080 takes 8080 and 8081."
            )
        return ""

    def _be_told(self, number: int, _frame: FrameType | None) -> None:
        if self.lease is None and not self.signalled:
            self.signalled = 1
            raise KeyboardInterrupt
        if time.monotonic() - self.signalled_at > 1:
            self.signalled += 1
            self.signalled_at = time.monotonic()

    def _serve(self) -> int:
        self.say("Starting the services …")
        self.lease, self.settings = take_lease(self.settings)
        if has_live() and not self.settings.live_url:
            self.settings = replace(self.settings, live_url=f"http://localhost:{self.settings.live_port}")
        self.environment = {**os.environ, **self.settings.to_environment(), "PYTHONUNBUFFERED": "1"}
        if not self._do(firmament("migrate"), "The database could not be brought up to date."):
            return 0 if self.signalled else 1
        # The web first: it answers sooner when nothing else starts beside it.
        self._start(self._doors())
        if not self._wait_for_web():
            return 0 if self.signalled else 1
        self._start(self._background())
        self._tell_where()
        while not self.signalled:
            self._look_after()
            time.sleep(TICK_SECONDS)
        return 0

    def _start(self, parts: list[Part]) -> None:
        for part in parts:
            self.parts.append(part)
            part.start(self.environment)

    def _doors(self) -> list[Part]:
        parts = [Part("web", gunicorn("wsgi:app", "gunicorn.conf.py"))]
        if has_live():
            parts.append(Part("live", gunicorn("app.live.server:app", "gunicorn.live.py")))
        return parts

    def _background(self) -> list[Part]:
        parts = [Part("workers", firmament("worker")), Part("scheduler", firmament("scheduler"))]
        if self.has_demo:
            parts.append(Part("demo", firmament("demo"), once=True))
        return parts

    def _do(self, argv: list[str], failure: str) -> bool:
        part = Part("step", argv)
        part.start(self.environment)
        child = part.child
        while child is not None and child.poll() is None and not self.signalled:
            time.sleep(0.05)
        part.ask_to_stop()
        part.make_stop(part.patience)
        if child is None or child.returncode:
            self.say(failure)
            return False
        return True

    def _wait_for_web(self) -> bool:
        deadline = time.monotonic() + READY_SECONDS
        while not self.signalled and time.monotonic() < deadline:
            if answers(f"http://127.0.0.1:{self.settings.port}/readyz"):
                return True
            if self.parts[0].child is not None and self.parts[0].child.poll() is not None:
                self.say("The web process ended while starting; its reason is above.")
                return False
            time.sleep(0.1)
        if not self.signalled:
            self.say(f"The web process was not ready within {READY_SECONDS:.0f} s; see {self.settings.var}.")
        return False

    def _tell_where(self) -> None:
        self.say(f"\nFirmament is running:  {self.settings.public_url}\nStop it with Ctrl-C.\n")
        if not self.settings.is_production:
            words = ["--wait", str(DEMO_SECONDS)] if self.has_demo else []
            self._start([Part("welcome", firmament("welcome", *words), once=True)])

    def _look_after(self) -> None:
        """Start again what has fallen, with growing pauses when it falls again and again."""
        if self.lease is not None:
            try:
                self.lease.ensure()
            except BackingFailed as error:
                self.say(str(error))
        now = time.monotonic()
        for part in list(self.parts):
            if part.child is None or part.child.poll() is None:
                if part.failures and now - part.started_at > STEADY_SECONDS:
                    part.failures = 0
                continue
            if part.once:
                self._finish(part)
            elif now >= part.retry_at:
                self._restart(part, now)

    def _finish(self, part: Part) -> None:
        if part.child is not None and part.child.returncode:
            self.say(f"{part.name} ended with an error (exit code {part.child.returncode}).")
        self.parts.remove(part)

    def _restart(self, part: Part, now: float) -> None:
        part.sweep_up()
        part.failures += 1
        part.retry_at = now + min(0.5 * 2 ** part.failures, LONGEST_PAUSE)
        self.say(f"{part.name} has stopped; starting it again (time {part.failures}).")
        part.start(self.environment)

    def _stop(self) -> None:
        """First what takes work in, then what does it, then what they stand on; a second signal hurries."""
        if self.parts:
            self.say("\nStopping …")
        for part in self.parts:
            part.ask_to_stop()
        for part in self.parts:
            deadline = time.monotonic() + part.patience
            wait_for(lambda: self._has_ended(part) or self.signalled > 1, deadline - time.monotonic())  # noqa: B023
            part.make_stop(0)
        if self.lease is not None:
            self.lease.release(wait=True)

    def _has_ended(self, part: Part) -> bool:
        return part.child is None or part.child.poll() is not None


def allow_many_files() -> None:
    """A thousand open pages are a thousand open files; the usual limit for a login is 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
