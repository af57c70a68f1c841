"""Readers that do what none should, each in the process made for it."""

from __future__ import annotations

import os
import time
from typing import IO, Any

from app.core.errors import Refused


def echo(file: IO[bytes], *words: Any) -> Any:
    return [file.read().decode(), list(words)]


def hoard(file: IO[bytes]) -> int:
    return len(bytearray(1 << 30))


def spin(file: IO[bytes]) -> None:
    while True:
        pass


def sleep(file: IO[bytes]) -> None:
    time.sleep(60)


def talk(file: IO[bytes]) -> str:
    return "x" * (2 << 20)


def die(file: IO[bytes]) -> None:
    os.abort()


def break_down(file: IO[bytes]) -> None:
    raise RuntimeError("no reader is without faults")


def refuse(file: IO[bytes]) -> None:
    raise Refused("It is no list.", field="file")


def tell_what_it_knows(file: IO[bytes]) -> list[str]:
    return sorted(os.environ)
