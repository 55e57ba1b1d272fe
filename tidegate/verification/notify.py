"""Tell somebody: by a webhook, and by mail. The addresses come only from the environment, and are never shown.

TIDEGATE_WEBHOOK_URL    gets a JSON body {"text": …, "changes": […]} by POST
TIDEGATE_SMTP_URL       smtp://user:password@host:587?from=…&to=…; smtps:// for TLS from the start
"""

import json
import os
import smtplib
import ssl
import urllib.request
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tidegate.errors import ServiceError, UserError, one_line

WEBHOOK, SMTP = "TIDEGATE_WEBHOOK_URL", "TIDEGATE_SMTP_URL"
SECONDS = 20


def tell(subject: str, text: str, changes: Sequence[dict[str, Any]]) -> list[str]:
    """Send a message everywhere that the environment names; give where it went.

    Raises:
        UserError: an address is not valid.
        ServiceError: somewhere it was not taken; the other places have it.
    """
    ways: dict[str, Callable[[str], None]] = {
        WEBHOOK: lambda address: _post(address, {"text": f"{subject}\n{text}", "changes": list(changes)}),
        SMTP: lambda address: _mail(address, subject, text),
    }
    sent, refused = [], []
    for name, send in ways.items():
        address = os.environ.get(name)
        if not address:
            continue
        try:
            send(address)
            sent.append(name)
        except (OSError, smtplib.SMTPException) as error:
            refused.append(f"{name} ({_reason(error, address)})")
    if refused:
        raise ServiceError(f"The message was not taken by {' and '.join(refused)}: it is sent again next time.")
    return sent


def _post(address: str, content: dict[str, Any]) -> None:
    if urlsplit(address).scheme not in ("http", "https"):
        raise UserError(f"{WEBHOOK} is no address of a webhook: give one that begins with https://.")
    body = json.dumps(content, ensure_ascii=False).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310
        pass


def _mail(address: str, subject: str, text: str) -> None:
    parts = urlsplit(address)
    options = parse_qs(parts.query)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or not {"from", "to"} <= set(options):
        raise UserError(f"{SMTP} is no address of a mail server: give smtp://host:port?from=…&to=….")
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, options["from"][0], ", ".join(options["to"])
    message.set_content(text)
    context = ssl.create_default_context()
    secure: Any = {"context": context} if parts.scheme == "smtps" else {}
    connect: Any = smtplib.SMTP_SSL if secure else smtplib.SMTP
    with connect(parts.hostname, parts.port or 0, timeout=SECONDS, **secure) as server:
        if parts.scheme == "smtp" and parts.username:  # a password never travels in the clear
            server.starttls(context=context)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)


def _reason(error: Exception, address: str) -> str:
    """Describe an error without the address, which may hold a secret."""
    text = one_line(error)
    parts = urlsplit(address)
    for secret in filter(None, (address, parts.path.strip("/"), parts.query, parts.password, parts.username)):
        text = text.replace(secret, "***")
    return text
