"""A user, as everything but the store sees one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

FIRST_VERSION = 1
"""The token version of a user who has never ended all of their sessions."""

_PUBLIC_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_public_id(text: str) -> bool:
    """Tell whether this could identify a user; anything else need not be looked for."""
    return _PUBLIC_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An account. The password's hash is not part of it: see `Credentials`."""

    public_id: str
    email: str
    username: str
    registered_on: datetime
    token_version: int = FIRST_VERSION
    """Copied into every token; raising it ends all that were issued before."""
    admin: bool = False
    disabled: bool = False
    email_verified: bool = False
    pending_email: str | None = None
    """The address that is to replace `email` once it is shown to be theirs."""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and what their password is checked against."""

    user: User
    password_hash: str = field(repr=False)


class Removal(Enum):
    """How removing a user ended."""

    DONE = "the user is gone, and the names are free"
    CHANGED = "nothing was done: the user is gone already, or not as they were read"
    NO_OTHER_ADMIN = "nothing was done: whoever was to stay as an admin is none"


@dataclass(frozen=True, slots=True)
class Page:
    """Some users, newest first, and where the next page begins (None on the last)."""

    users: tuple[User, ...]
    next_position: str | None
