"""Attempts' rows: what their keys are made of cannot be read from them."""

import hmac
import json
from datetime import timedelta
from typing import Any

from chalicelib.domain.attempts import Count, KnownAddress
from chalicelib.domain.sessions import Session
from chalicelib.store.items import AttemptItem

_KEPT = int(timedelta(hours=1).total_seconds())
"""How long a count stays after its window, in seconds: longer than whoever has read it, or has
counted, can take to come back to it, so that it is never another one that they find."""


class AttemptRows:
    """Makes rows and keys, each key an HMAC of what it stands for.

    There are few IPv4 addresses, and names can be guessed: a plain hash of either tells it.
    """

    def __init__(self, secret: str) -> None:
        """`secret` serves other ends too, so keys are made with one that is derived from it."""
        self._secret = hmac.digest(secret.encode(), b"accounts/attempts", "sha256")

    def count_key(self, count: Count) -> str:
        """The key of a count in its window: a window that is over is never looked at again."""
        return self._key("count", *count.of, str(count.starts_at))

    def counted(self, count: Count) -> AttemptItem:
        """The row of a count, as far as it is the same for every attempt."""
        return AttemptItem(self.count_key(count), expires_at=count.ends_at + _KEPT)

    def address_key(self, public_id: str, network: str) -> str:
        """The key of an address that may be known for an account."""
        return self._key("known", public_id, network)

    def address_row(self, session: Session) -> AttemptItem:
        """The row of the address at which a session is opened."""
        address = KnownAddress.of(session)
        return AttemptItem(
            self.address_key(address.public_id, address.network),
            token_version=address.token_version,
            expires_at=address.expires_at,
        )

    def _key(self, *parts: str) -> str:
        return hmac.digest(self._secret, json.dumps(parts).encode(), "sha256").hex()


def attempt_keys(*attempt_ids: str) -> list[dict[str, Any]]:
    """The keys of rows, for a read of several tables."""
    return [{"attempt_id": {"S": attempt_id}} for attempt_id in attempt_ids]
