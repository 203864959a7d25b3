"""The mails of everybody, as the local cloud has them."""

import threading
import time
from urllib.parse import parse_qs, urlsplit

from infra.local.mails import SentMail, sent_mails
from tests.soak.replies import WrongAnswerError

_LATEST_SECONDS = 60.0
_PAUSE_SECONDS = 0.5


class Mailbox:
    """Everybody's. One look serves all who wait."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._mails: list[SentMail] = []
        self._looked_at = 0.0
        self._read: set[str] = set()

    def token(self, address: str, page: str) -> str:
        """The token of the newest mail to an address whose link leads to a page, once it is there.

        Raises:
            WrongAnswerError: there is none within a minute.
        """
        deadline = time.monotonic() + _LATEST_SECONDS
        while time.monotonic() < deadline:
            for mail in reversed(self._look()):
                for link in mail.links if mail.to == (address,) else ():
                    parts = urlsplit(link)
                    (token,) = parse_qs(parts.query).get("token", [""])
                    if parts.path.endswith(page) and token not in self._read:
                        self._read.add(token)
                        return token
            time.sleep(_PAUSE_SECONDS)
        raise WrongAnswerError(f"no mail to {address} with a link to {page}")

    def _look(self) -> list[SentMail]:
        with self._lock:
            if time.monotonic() - self._looked_at > _PAUSE_SECONDS:
                self._mails = sent_mails(self._endpoint)
                self._looked_at = time.monotonic()
            return self._mails
