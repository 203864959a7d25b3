"""Who is asking: what the authorizer learned, handed on so that nothing is read twice."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from chalicelib.domain.errors import NotAllowedError
from chalicelib.domain.users import User

LARGEST_IN_CONTEXT = 1_024
"""In characters of the metadata's JSON in ASCII. API Gateway documents no limit to a context; this
keeps ours, whatever a user has, well below the 10,240 octets that it allows headers."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the store knows of a token and its owner, at one moment."""

    user: User | None
    revoked: bool
    """Its session has ended, or the key that it was signed with was revoked."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller: the user as the store knew them at this request, and the session they showed."""

    user: User
    session_id: str
    whole: bool = True
    """The user is all there. If not, their metadata was too large to be handed on, and is empty."""

    def require_admin(self) -> None:
        """See that the caller is an admin.

        Raises:
            NotAllowedError: they are not.
        """
        if not self.user.admin:
            raise NotAllowedError

    def named(self, public_id: str) -> str:
        """The identifier that a path means: `me` is the caller."""
        return self.user.public_id if public_id == "me" else public_id

    def to_context(self) -> dict[str, str]:
        """The authorizer's `context`: flat, and every value a string of ASCII.

        API Gateway hands scalars on as strings, which would turn `True` into "true" there and
        nowhere else, and promises nothing for other alphabets. So each value is JSON in ASCII.
        Large metadata is left out, which `null` says. That a new password is required is not among
        them: nobody of whom that is so has a session.
        """
        user = self.user
        facts: dict[str, Any] = {
            "public_id": user.public_id,
            "email": user.email,
            "username": user.username,
            "registered_on": user.registered_on.isoformat(),
            "token_version": user.token_version,
            "admin": user.admin,
            "disabled": user.disabled,
            "email_verified": user.email_verified,
            "pending_email": user.pending_email,
            "metadata": user.metadata,
            "session_id": self.session_id,
        }
        context = {name: json.dumps(value) for name, value in facts.items()}
        if len(context["metadata"]) > LARGEST_IN_CONTEXT:
            context["metadata"] = json.dumps(None)
        return context

    @classmethod
    def from_context(cls, context: Mapping[str, str]) -> Self:
        """Read back what `to_context` wrote.

        Raises:
            KeyError, ValueError: the context is not the authorizer's.
        """
        facts = {name: json.loads(context[name]) for name in _FACTS}
        session_id = facts.pop("session_id")
        registered_on = datetime.fromisoformat(facts.pop("registered_on"))
        whole = facts["metadata"] is not None
        facts["metadata"] = facts["metadata"] if whole else {}
        # An authorizer that is a release older than the API says nothing of it.
        pending_email = json.loads(context.get("pending_email", "null"))
        user = User(registered_on=registered_on, pending_email=pending_email, **facts)
        return cls(user, session_id, whole)


_FACTS = (
    "public_id",
    "email",
    "username",
    "registered_on",
    "token_version",
    "admin",
    "disabled",
    "email_verified",
    "metadata",
    "session_id",
)
