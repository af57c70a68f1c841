"""The door to a mail server, named by one URL: smtp://user:password@host:587, smtps://host:465."""

from __future__ import annotations

import smtplib
import ssl
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from app.delivery.message import Outgoing

SECONDS = 20


class MailRefused(Exception):
    """The server said no for good: trying again cannot help."""


class MailUnreachable(Exception):
    """It did not work this time."""


def hand_over(message: Outgoing, url: str) -> None:
    """Give one message to the server. Raises MailRefused or MailUnreachable.

    smtp:// speaks STARTTLS when the server offers it, and must on `?tls=required` or when it signs in to
    another machine; `?tls=none` never does.
    """
    parts = urlsplit(url)
    try:
        with _connected(parts) as server:
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            server.sendmail(message.sender, [message.recipient], message.content, _options(server, message.recipient))
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _said in error.recipients.values()]
        if codes and all(code >= 500 for code in codes):
            raise MailRefused(_short(error)) from error
        raise MailUnreachable(_short(error)) from error
    except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
        if error.smtp_code >= 500:
            raise MailRefused(_short(error)) from error
        raise MailUnreachable(_short(error)) from error
    except (smtplib.SMTPException, OSError) as error:
        raise MailUnreachable(_short(error)) from error


def _options(server: smtplib.SMTP, recipient: str) -> list[str]:
    """What the server must be told of the message. An address with other letters needs a server that knows them."""
    server.ehlo_or_helo_if_needed()
    if recipient.isascii():
        return []
    if not server.has_extn("smtputf8"):
        raise MailRefused(f"The mail server takes no address with letters beyond ASCII ({recipient}).")
    return ["SMTPUTF8", "BODY=8BITMIME"]


def _connected(parts: SplitResult) -> smtplib.SMTP:
    host = parts.hostname or "localhost"
    context = ssl.create_default_context()
    if parts.scheme == "smtps":
        return smtplib.SMTP_SSL(host, parts.port or 465, timeout=SECONDS, context=context)
    server = smtplib.SMTP(host, parts.port or 25, timeout=SECONDS)
    tls = parse_qs(parts.query).get("tls", [""])[0]
    try:
        server.ehlo()
        local = host in ("localhost", "127.0.0.1", "::1")
        if tls != "none" and (server.has_extn("starttls") or tls == "required" or (parts.username and not local)):
            server.starttls(context=context)
            server.ehlo()
    except BaseException:
        server.close()
        raise
    return server


def _short(error: Exception) -> str:
    """The server's own words, or why there were none."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        said = "; ".join(f"{code} {_words(words)}" for code, words in error.recipients.values())
    elif isinstance(error, smtplib.SMTPResponseException):
        said = f"{error.smtp_code} {_words(error.smtp_error)}"
    else:
        said = f"The mail server cannot be reached: {error}"
    return said.replace("\x00", "")[:500]


def _words(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said
