"""The outbox: what is still to be done for a change, written in the same step as the change.

A request does not wait for a mail server, and does not fail with one. It leaves a message, and a
function of its own delivers it, as often as it takes (the *transactional outbox* pattern).
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Errand(StrEnum):
    """What is to be done. The rows of the outbox have these names."""

    VERIFY_EMAIL = "verify_email"
    """Mail a user's address a link that shows it to be theirs."""
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a name
    """Mail the owner of an address, if there is one, a link to choose another password."""
    CONFIRM_EMAIL = "confirm_email"
    """Mail the address that a user wants to have a link that puts it in the old one's place."""
    EMAIL_CHANGED = "email_changed"
    """Tell a former address that it was replaced, with a link that undoes it."""
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a name
    """Tell a user that their password was changed."""
    USERNAME_CHANGED = "username_changed"
    """Tell a user that their username was changed."""
    ANONYMISE = "anonymise"
    """Take from the activity of an account that is gone what could tell whose it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One errand, and whom it is about. There is no secret in it: links are made on delivery."""

    message_id: str
    errand: Errand
    created_at: datetime
    expires_at: datetime
    """From then on it is not worth doing any more."""
    public_id: str | None = None
    """The user, if one is known."""
    email_key: str | None = field(default=None, repr=False)
    """The key of an address that may be nobody's, if that is how the user is to be found."""
    address: str | None = field(default=None, repr=False)
    """Where the mail goes, if not to the user's present address."""
    language: str = "en"
