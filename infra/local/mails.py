"""The mails that a local cloud was given to send, where anybody can read them."""

import http.client
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

_SENT = "/_ministack/ses/messages"
_ANSWER_SECONDS = 10
_LINK = re.compile(r"https?://[^\s<>\"]+")


@dataclass(frozen=True, slots=True)
class SentMail:
    """A mail as SES got it."""

    sender: str
    to: tuple[str, ...]
    subject: str
    text: str
    html: str
    sent_at: datetime

    @property
    def links(self) -> tuple[str, ...]:
        """The links of its text, each once."""
        return tuple(dict.fromkeys(_LINK.findall(self.text)))


def sent_mails(endpoint: str) -> list[SentMail]:
    """All mails since the local cloud started, newest last.

    Raises:
        OSError: it does not answer.
    """
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", _SENT)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise OSError(f"{_SENT}: {answer.status}")
    mails = [
        SentMail(
            sender=mail["Source"],
            to=tuple(mail["To"]),
            subject=mail["Subject"],
            text=mail["BodyText"],
            html=mail["BodyHtml"] or "",
            sent_at=datetime.fromtimestamp(mail["Timestamp"], UTC),
        )
        for sent in json.loads(body)["messages"].values()
        for mail in sent
    ]
    return sorted(mails, key=lambda mail: mail.sent_at)
