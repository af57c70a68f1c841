"""The embedded services: shared by whoever uses them, mended when one is killed, gone when nobody is left."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from app.config import Settings
from app.core.backing import BackingFailed, missing, take_lease
from app.core.backing.credentials import kept_ports
from app.core.backing.keeper import Keeper
from app.core.backing.lease import Lease, keeper_runs
from app.core.backing.processes import LOOPBACK, is_running, wait_for

LONG = "a path with spaces/" + "x" * 60 + "/" + "y" * 60
FAST = {"redis_url": "redis://127.0.0.1:1/0", "s3_endpoint_url": "http://127.0.0.1:1"}

pytestmark = pytest.mark.slow

Take = Callable[..., tuple[Lease, Settings]]


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / LONG
    yield place
    home = place / "services"
    assert wait_for(lambda: not home.exists() or not keeper_runs(home), 20), "the keeper is still there"
    assert not list(home.glob("*.pid"))


@pytest.fixture
def take(var: Path) -> Iterator[Take]:
    """take_lease for settings that lack something; given back when the test fails half way."""
    taken: list[Lease] = []

    def take(settings: Settings | None = None, database: str = "") -> tuple[Lease, Settings]:
        lease, filled = take_lease(settings or only_postgres(var), database=database)
        assert lease is not None
        taken.append(lease)
        return lease, filled

    yield take
    for lease in taken:
        lease.release()


def only_postgres(var: Path) -> Settings:
    return Settings(var=var, secret_key="x", redis_url=FAST["redis_url"], s3_endpoint_url=FAST["s3_endpoint_url"])


def answer(settings: Settings, login: str = "") -> str:
    url = (login or settings.database_url).replace("+psycopg", "")
    with psycopg.connect(url, connect_timeout=5) as connection:
        row = connection.execute("SELECT current_user").fetchone()
    return str(row[0]) if row else ""


def pid_of(var: Path, service: str) -> int:
    return int((var / "services" / f"{service}.pid").read_text())


def test_all_three_start_from_nothing_in_a_long_path_with_spaces(var: Path, take: Take) -> None:
    lease, settings = take(Settings(var=var, secret_key="x"))
    pids = [pid_of(var, name) for name in ("postgres", "valkey", "s3")]
    assert missing(settings) == []
    assert answer(settings, settings.database_app_url) == "firmament_app"
    assert answer(settings, settings.database_portal_url) == "firmament_portal"
    lease.release(wait=True)
    assert not any(is_running(pid) for pid in pids)


def test_what_has_a_url_is_not_started(var: Path, take: Take) -> None:
    lease, _ = take()
    assert list(lease.ports) == ["postgres"]
    assert not (var / "services" / "valkey.pid").exists()
    lease.release(wait=True)


def test_with_every_url_set_nothing_starts(var: Path) -> None:
    settings = replace(only_postgres(var), database_url="postgresql+psycopg://somewhere/else")
    lease, same = take_lease(settings)
    assert lease is None
    assert same == settings
    assert not var.exists()


def test_a_second_start_finds_the_same_server_and_data(var: Path, take: Take) -> None:
    first, settings = take()
    with psycopg.connect(settings.database_url.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    second, again = take()
    assert again.database_url == settings.database_url
    server = pid_of(var, "postgres")
    first.release(wait=True)
    assert is_running(server), "the second user still needs it"
    second.release(wait=True)
    assert not is_running(server)
    third, later = take()
    with psycopg.connect(later.database_url.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    third.release(wait=True)


def test_a_killed_server_is_started_again(var: Path, take: Take) -> None:
    lease, settings = take()
    killed = pid_of(var, "postgres")
    os.kill(killed, signal.SIGKILL)
    assert wait_for(lambda: pid_of(var, "postgres") != killed, 15)

    def answers() -> bool:
        try:
            return answer(settings) == "firmament_owner"
        except psycopg.OperationalError:
            return False

    assert wait_for(answers, 15)
    lease.release(wait=True)


def test_services_that_fall_together_are_started_side_by_side(tmp_path: Path) -> None:
    """Each of two needs the other to be starting before it is up: one after another, neither would be."""
    meeting = threading.Barrier(2, timeout=5)

    class Fallen:
        def __init__(self) -> None:
            self.process = SimpleNamespace(is_up=lambda: self.up, give_up=lambda: None)
            self.up, self.ports = False, [1]

        def start(self) -> None:
            meeting.wait()
            self.up = True

        def stop(self) -> None:
            self.up = False

    told = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    try:
        keeper = Keeper(tmp_path, for_tests=True, grace=0)
    finally:
        for number, before in zip((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), told, strict=True):
            signal.signal(number, before)
    one, two = Fallen(), Fallen()
    keeper.running = {"postgres": one, "valkey": two}  # type: ignore[dict-item]
    keeper._restart_crashed()
    assert wait_for(lambda: one.up and two.up, 6)
    keeper._restart_crashed()
    assert keeper.failures == {"postgres": 1, "valkey": 1} and not keeper.starting
    keeper.stop()


def test_servers_of_a_killed_keeper_are_recovered(var: Path, take: Take) -> None:
    lease, _ = take()
    assert lease._keeper is not None
    orphan = pid_of(var, "postgres")
    lease._keeper.kill()
    lease._keeper.wait()
    assert is_running(orphan)
    lease.ensure()
    assert not is_running(orphan)
    assert pid_of(var, "postgres") != orphan
    lease.release(wait=True)


def test_services_stop_when_their_user_is_killed(var: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from app.config import Settings;"
        "from app.core.backing import take_lease;"
        f"lease, s = take_lease(Settings(var=Path(sys.argv[1]), secret_key='x', **{FAST!r}));"
        "print('up', flush=True); time.sleep(60)"
    )
    user = subprocess.Popen([sys.executable, "-c", program, str(var)], stdout=subprocess.PIPE)
    assert user.stdout is not None and user.stdout.readline() == b"up\n"
    server = pid_of(var, "postgres")
    user.kill()
    user.wait()
    user.stdout.close()
    assert wait_for(lambda: not is_running(server), 15)


def test_a_port_that_somebody_else_took_is_left_to_them(var: Path, take: Take) -> None:
    lease, settings = take()
    port = lease.ports["postgres"]
    lease.release(wait=True)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((LOOPBACK, port))
        other.listen()
        again, settings = take()
        assert again.ports["postgres"] != port
        assert answer(settings) == "firmament_owner"
        again.release(wait=True)


def test_a_port_that_its_ended_server_is_just_letting_go_is_kept(tmp_path: Path) -> None:
    ports = kept_ports(tmp_path, "valkey", 2)
    with socket.create_server((LOOPBACK, ports[1])) as ended:
        threading.Timer(0.1, ended.close).start()
        assert kept_ports(tmp_path, "valkey", 2) == ports, "the product goes on looking there"


def test_data_of_another_major_version_is_refused_with_the_way_out(var: Path, take: Take) -> None:
    lease, _ = take()
    lease.release(wait=True)
    (var / "services" / "postgres" / "PG_VERSION").write_text("15\n")
    with pytest.raises(BackingFailed, match="written by PostgreSQL 15.*restore"):
        take()


def test_secrets_are_readable_by_their_owner_only_and_guard_every_door(var: Path, take: Take) -> None:
    lease, settings = take()
    home = var / "services"
    secret = json.loads((home / "credentials.json").read_text())["postgres_password"]
    for path in home.iterdir():
        if path.is_file() and secret in path.read_text(errors="replace"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    with pytest.raises(psycopg.OperationalError, match="password"):
        answer(settings, f"postgresql://postgres:wrong@127.0.0.1:{lease.ports['postgres']}/postgres")
    second, _ = take(database="firmament_empty")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        answer(settings, settings.database_app_url + "_empty")
    second.release()
    lease.release(wait=True)


def test_a_lease_that_cannot_be_had_leaves_nothing_running(var: Path) -> None:
    home = var / "services"
    home.mkdir(parents=True)
    (home / "postgres").mkdir()
    (home / "postgres" / "PG_VERSION").write_text("9\n")
    started = time.monotonic()
    with pytest.raises(BackingFailed):
        Lease(var, ["postgres", "valkey"]).take()
    assert time.monotonic() - started < 20
    assert wait_for(lambda: not keeper_runs(home), 10)
    assert not (home / "valkey.pid").exists()
