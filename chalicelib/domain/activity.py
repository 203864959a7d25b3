"""Activity: what has happened to an account that its owner, or an admin, may want to look into."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.sessions import Client


class Act(StrEnum):
    """What happened. Clients are told these names, so none is ever changed."""

    REGISTERED = "registered"
    LOGGED_IN = "logged_in"
    LOGIN_FAILED = "login_failed"
    REFRESHED = "refreshed"
    REFRESH_TOKEN_REUSED = "refresh_token_reused"  # noqa: S105 - a name, as are all of these
    LOGGED_OUT = "logged_out"
    SESSION_ENDED = "session_ended"
    SESSIONS_ENDED = "sessions_ended"
    PASSWORD_REFUSED = "password_refused"  # noqa: S105 - a name
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a name
    PASSWORD_CHANGE_REQUIRED = "password_change_required"  # noqa: S105 - a name
    RECOVERY_MAILED = "recovery_mailed"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a name
    EMAIL_VERIFIED = "email_verified"
    EMAIL_CHANGE_REQUESTED = "email_change_requested"
    EMAIL_CHANGED = "email_changed"
    EMAIL_CHANGE_UNDONE = "email_change_undone"
    USERNAME_CHANGED = "username_changed"
    METADATA_CHANGED = "metadata_changed"
    ADMIN_GRANTED = "admin_granted"
    ADMIN_REVOKED = "admin_revoked"
    DISABLED = "disabled"
    ENABLED = "enabled"
    IMPORTED = "imported"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to an account, and who did it."""

    public_id: str
    """Whose account."""
    event_id: str
    """A UUID: it tells events of the same moment apart."""
    act: Act
    at: datetime
    expires_at: datetime
    """Until then it is kept."""
    client: Client
    """Where whoever did it was."""
    actor: str | None = None
    """Who did it, if it was not the account's owner: a `public_id`, or `OPERATOR`."""
    session_id: str | None = None
    changed: Mapping[str, str] = field(default_factory=dict)
    """What changed, for a person. Never a secret."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events of an account, newest first, and where the next page begins, if there is one."""

    events: tuple[Event, ...]
    next_position: str | None


OPERATOR = "operator"
"""The actor when a command of the service's operator did it."""

COMMAND = Client("", "")
"""Where the operator's commands are run, of which nothing is kept."""
