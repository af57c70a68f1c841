"""One delivery as the bytes that a mail server takes."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from urllib.parse import urlsplit

from app.config import Settings
from app.delivery.models import Delivery
from app.delivery.secrets import readable


def sender(settings: Settings) -> tuple[str, str]:
    """The address that mail comes from, and the domain of its message ids."""
    domain = urlsplit(settings.public_url).hostname or "localhost"
    return settings.mail_from or f"firmament@{domain}", domain


def message_of(delivery: Delivery, from_name: str, settings: Settings, files: list[bytes]) -> EmailMessage:
    """The message; its id is the delivery's, so that a mail sent twice by a crash is known as one."""
    address, domain = sender(settings)
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(from_name, addr_spec=address)
    message["To"] = Address(delivery.recipient_name, addr_spec=delivery.recipient)
    message["Subject"] = delivery.subject
    message["Date"] = format_datetime(delivery.created_at)
    message["Message-ID"] = f"<{delivery.id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(readable(delivery.text))
    message.add_alternative(readable(delivery.html), subtype="html")
    for file, body in zip(delivery.attachments, files, strict=True):
        main, _, sub = file.get("content_type", "application/octet-stream").partition("/")
        message.add_attachment(body, maintype=main, subtype=sub or "octet-stream", filename=file["name"])
    return message
