"""Passwords and ports of the embedded services: made once, kept readable by their owner only."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from app.core.backing.processes import free_ports, is_free, wait_for, write_private

# A server that was ended lets go of its ports a moment later than its process seems to be gone.
LETTING_GO_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Credentials:
    postgres_password: str = field(repr=False)
    valkey_password: str = field(repr=False)
    s3_access_key: str
    s3_secret_key: str = field(repr=False)
    login_key: str = field(repr=False)

    @classmethod
    def kept_in(cls, home: Path) -> Self:
        """Those of this data directory, made on first use."""
        path = home / "credentials.json"
        if path.exists():
            return cls(**json.loads(path.read_text()))
        made = cls(
            postgres_password=secrets.token_urlsafe(24),
            valkey_password=secrets.token_urlsafe(24),
            s3_access_key=secrets.token_hex(10).upper(),
            s3_secret_key=secrets.token_urlsafe(30),
            login_key=secrets.token_urlsafe(24),
        )
        write_private(path, json.dumps(asdict(made)))
        return made

    def password_of(self, login: str) -> str:
        """The password of a database login: derived, so that a new database needs no new file."""
        return hmac.new(self.login_key.encode(), login.encode(), hashlib.sha256).hexdigest()


def kept_ports(home: Path, name: str, count: int) -> list[int]:
    """The same ports on every start, unless somebody else has taken one meanwhile."""
    path = home / f"{name}.ports"
    try:
        ports = [int(word) for word in path.read_text().split()]
    except (OSError, ValueError):
        ports = []
    if len(ports) != count or not wait_for(lambda: all(map(is_free, ports)), LETTING_GO_SECONDS):
        taken = frozenset(int(word) for other in home.glob("*.ports") for word in other.read_text().split())
        ports = free_ports(count, avoid=taken)
        write_private(path, " ".join(map(str, ports)))
    return ports
