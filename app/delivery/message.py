"""One delivery as the bytes that a mail server takes."""

from __future__ import annotations

from dataclasses import dataclass
from email.charset import QP, Charset
from email.encoders import encode_base64
from email.header import Header
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import compat32
from email.utils import format_datetime, formataddr
from urllib.parse import urlsplit

from app.config import Settings
from app.delivery.models import Delivery
from app.delivery.secrets import readable

# The older policy writes a header exactly as it was encoded here. The newer one decodes what looks like an encoded
# word in a value that it is given, line ends included, and writes them out (CPython before 3.11.10, CVE-2024-6923).
POLICY = compat32.clone(linesep="\r\n", max_line_length=78)
UTF8 = Charset("utf-8")
UTF8.body_encoding = QP


@dataclass(frozen=True)
class Outgoing:
    """Bytes with CRLF line ends, and the envelope that they travel in."""

    sender: str
    recipient: str
    content: bytes


def sender(settings: Settings) -> tuple[str, str]:
    """The address that mail comes from, and the domain of its message ids."""
    domain = urlsplit(settings.public_url).hostname or "localhost"
    return settings.mail_from or f"firmament@{domain}", domain


def message_of(delivery: Delivery, from_name: str, settings: Settings, files: list[bytes]) -> Outgoing:
    """The message; its id is the delivery's, so that a mail sent twice by a crash is known as one."""
    address, domain = sender(settings)
    recipient = ascii_domain(delivery.recipient)
    body = MIMEMultipart("alternative", policy=POLICY)
    body.attach(_text("plain", readable(delivery.text)))
    body.attach(_text("html", readable(delivery.html)))
    message: Message = body
    if files:
        message = MIMEMultipart("mixed", policy=POLICY)
        message.attach(body)
        for file, content in zip(delivery.attachments, files, strict=True):
            message.attach(_attachment(file, content))
    message["From"] = named_address(from_name, address)  # type: ignore[assignment]
    message["To"] = named_address(delivery.recipient_name, recipient)  # type: ignore[assignment]
    message["Subject"] = header_text(delivery.subject)  # type: ignore[assignment]
    message["Date"] = format_datetime(delivery.created_at)
    message["Message-ID"] = f"<{delivery.id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    return Outgoing(address, recipient, message.as_bytes())


def header_text(text: str) -> Header:
    """Text for a header that every reader decodes to exactly this text (RFC 2047).

    What holds `=?` is encoded although it is ASCII, else a reader would take it for an encoded word.
    """
    return Header(text, "us-ascii" if _is_plain(text) else "utf-8")


def named_address(name: str, address: str) -> Header:
    """`Name <address>` (RFC 5322 3.4)."""
    if not name:
        return Header(address, "us-ascii" if address.isascii() else "utf-8")
    if _is_plain(name) and address.isascii():
        return Header(formataddr((name, address)), "us-ascii")
    header = Header(name, "utf-8")
    header.append(f"<{address}>", "us-ascii" if address.isascii() else "utf-8")
    return header


def ascii_domain(address: str) -> str:
    """The address with its domain as DNS knows it (IDNA); what cannot be encoded stays."""
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return address


def _is_plain(text: str) -> bool:
    return text.isascii() and "=?" not in text


def _text(kind: str, text: str) -> MIMENonMultipart:
    part = MIMENonMultipart("text", kind, policy=POLICY)
    part.set_payload(text, UTF8)
    return part


def _attachment(file: dict[str, str], content: bytes) -> MIMEBase:
    main, _, sub = file.get("content_type", "application/octet-stream").partition("/")
    part = MIMEBase(main, sub or "octet-stream", policy=POLICY)
    part.set_payload(content)
    encode_base64(part)
    name = file["name"]
    part.add_header("Content-Disposition", "attachment", filename=name if name.isascii() else ("utf-8", "", name))
    return part
