"""A user, as everything but the store sees one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An account. The password's hash is not part of it: see `Credentials`."""

    public_id: str
    email: str
    username: str
    registered_on: datetime
    token_version: int = 1
    """Copied into every token; raising it ends all that were issued before."""
    admin: bool = False
    disabled: bool = False
    email_verified: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and what their password is checked against."""

    user: User
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """Some users, newest first, and where the next page begins (None on the last)."""

    users: tuple[User, ...]
    next_position: str | None
