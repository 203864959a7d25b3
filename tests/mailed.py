"""Mailed tokens, as the courier makes them."""

import os
from datetime import datetime

from chalicelib.domain.mailed_tokens import (
    LIFETIMES,
    SECRET_OCTETS,
    MailedToken,
    MailedTokenRecord,
    Purpose,
)
from tests.fakes import START


def mailed(
    public_id: str,
    purpose: Purpose,
    address: str,
    *,
    at: datetime = START,
    password_mark: str | None = None,
) -> tuple[str, MailedTokenRecord]:
    """A token as it stands in a link, and what is kept of it."""
    token = MailedToken(public_id, os.urandom(SECRET_OCTETS))
    record = MailedTokenRecord(
        public_id=public_id,
        secret_hash=token.secret_hash,
        purpose=purpose,
        expires_at=at + LIFETIMES[purpose],
        address=address,
        password_mark=password_mark,
    )
    return token.text, record
