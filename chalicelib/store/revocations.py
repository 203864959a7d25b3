"""What is refused before its time: the tokens of an ended session, those of a revoked key.

A session's end is written together with the rest of it, in `chalicelib.store.sessions`.
"""

import zlib
from typing import Any

FOR_GOOD = 253_402_300_799
"""The last second of the year 9999, for a row that must not lapse. Whoever has a private key can
sign a token that expires whenever they like, and the public half may come back with a backup. Rows
whose time is so far away, DynamoDB does not delete."""


COPIES = 64
"""How often a key's revocation is kept. Every authorized request asks for it, and one row answers
3,000 strongly consistent reads a second; every registration checks it in its transaction, and
transactions that hold one row end one after the other."""


def revoked_key_row(key_id: str, public_id: str) -> str:
    """The `token_id` of the copy that tells a user's requests whether a key was revoked.

    Whatever stands for the user, there is a copy. No session's identifier has a # in it.
    """
    copy = zlib.crc32(public_id.encode("utf-8", "surrogatepass")) % COPIES
    return key_copy(key_id, copy)


def key_copy(key_id: str, copy: int) -> str:
    """The `token_id` of a copy, by its number."""
    return f"key#{key_id}#{copy}"


def revocation_keys(*token_ids: str) -> list[dict[str, Any]]:
    """The keys of revocations, for a read of several tables."""
    return [{"token_id": {"S": token_id}} for token_id in token_ids]
