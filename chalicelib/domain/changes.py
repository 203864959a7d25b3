"""Changes of a user: what is to be different, all of it or nothing."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Self

from chalicelib.domain.activity import Act
from chalicelib.domain.names import fold

LARGEST_METADATA = 4_096
"""In octets of compact JSON in UTF-8: what a client would send if it left out every blank."""


class Metadata(dict[str, Any]):
    """What clients keep with a user: one JSON object, nothing of which means anything here."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Self:
        """Take an object of JSON's own types, as deep as the caller accepts.

        Raises:
            ValueError: it is too large.
        """
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode()) > LARGEST_METADATA:
            raise ValueError(f"Must have at most {LARGEST_METADATA} octets of JSON.")
        return cls(value)


@dataclass(frozen=True, slots=True)
class Renaming:
    """One username in the place of another, which the user is to have until then."""

    before: str
    after: str

    @property
    def moves_marker(self) -> bool:
        """Whether the two are different names, and not spellings of one."""
        return fold(self.before) != fold(self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to become of a user. What is None stays as it is."""

    renaming: Renaming | None = None
    metadata: Mapping[str, Any] | None = None
    admin: bool | None = None
    disabled: bool | None = None
    password_change_required: bool | None = None

    @property
    def take_an_admin(self) -> bool:
        """Whether they are not the user's own to make."""
        return not (self.admin is self.disabled is self.password_change_required is None)

    @property
    def weaken(self) -> bool:
        """Whether they may leave one admin fewer."""
        return self.admin is False or self.disabled is True

    @property
    def strengthen(self) -> bool:
        """Whether they let somebody do what they could not before."""
        return (
            self.admin is True or self.disabled is False or self.password_change_required is False
        )

    @property
    def end_sessions(self) -> bool:
        """Whether every session and access token ends with them."""
        return self.disabled is True or self.password_change_required is True

    def acts(self) -> Iterator[tuple[Act, Mapping[str, str]]]:
        """What they are called in the account's activity, and what it says of each."""
        renaming = self.renaming
        if renaming is not None and renaming.before != renaming.after:
            yield Act.USERNAME_CHANGED, {"from": renaming.before, "to": renaming.after}
        if self.metadata is not None:
            yield Act.METADATA_CHANGED, {}
        if self.admin is not None:
            yield Act.ADMIN_GRANTED if self.admin else Act.ADMIN_REVOKED, {}
        if self.disabled is not None:
            yield Act.DISABLED if self.disabled else Act.ENABLED, {}
        if self.password_change_required is not None:
            required = "yes" if self.password_change_required else "no"
            yield Act.PASSWORD_CHANGE_REQUIRED, {"required": required}


NO_CHANGES = Changes()


class Unchanged(Enum):
    """Why changing a user did nothing."""

    NOT_AS_CALLED = "the user was to be an enabled admin by then, and is not, or not as was read"
    NO_OTHER_ADMIN = "whoever was to stay as an admin is none"
    OTHER_USERNAME = "the user is gone, or has another username than was read"
