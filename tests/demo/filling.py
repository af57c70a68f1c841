"""Filling a database with the demo firm as its user does: by the command, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from app.config import Settings

ROOT = Path(__file__).parents[2]


def fill(settings: Settings, days: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **settings.to_environment(), "FIRMAMENT_ENV": "development"}
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", "demo", "--days", str(days)], cwd=ROOT, env=environment,
        stdout=subprocess.DEVNULL,
    )
