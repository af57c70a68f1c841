"""A mail server for the tests: what the product sends arrives here by SMTP, or is turned away."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller


class Postbox:
    """A mail server that keeps what it gets and answers as it is told."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.answer = "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answer.startswith("250"):
            self.raw.append(envelope.content)
            self.taken.append(message_from_bytes(envelope.content))  # type: ignore[arg-type]
        return self.answer


@contextmanager
def running_postbox() -> Iterator[tuple[Postbox, str]]:
    """The postbox and the SMTP_URL at which it answers."""
    box = Postbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box, f"smtp://127.0.0.1:{port}"
    finally:
        controller.stop()
