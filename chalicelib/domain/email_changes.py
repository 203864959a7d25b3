"""Changes of an email: a new one in the old one's place, and back again.

Whoever takes an account over makes its address theirs. So the old one is told, is held for its
owner for some time, and can be put back however often the address was changed after it.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum

from chalicelib.domain.users import FormerEmail, User

HELD_FOR = timedelta(hours=72)
"""How long a former address can be put back, and nobody else gets it."""
MOST_FORMER_EMAILS = 5
"""How many may be held for one user at a time."""


class EmailChange(Enum):
    """How changing an email ended."""

    DONE = "it is changed, and the token is spent"
    TAKEN = "nothing was done: the address belongs to somebody else"
    STALE = "nothing was done: the token is spent, or the user is not as they were read"


def held_emails(user: User, now: datetime) -> tuple[FormerEmail, ...]:
    """The former addresses that are still held, oldest first."""
    return tuple(former for former in user.former_emails if now < former.until)


def confirmed(user: User, email: str, now: datetime) -> User:
    """A user with a new address, which they have shown to be theirs."""
    former = FormerEmail(user.email, _whole(now + HELD_FOR))
    return _changed(user, email, (*held_emails(user, now), former))


def undone(user: User, email: str, now: datetime) -> User | None:
    """A user with a former address back, as if nothing had come after it; None if it is not held.

    What came after it is no longer held: the links that its owner was mailed are dead.
    """
    held = held_emails(user, now)
    for place, former in enumerate(held):
        if former.email == email:
            return _changed(user, email, held[:place])
    return None


def _changed(user: User, email: str, former_emails: tuple[FormerEmail, ...]) -> User:
    return replace(
        user,
        email=email,
        email_verified=True,
        pending_email=None,
        former_emails=former_emails,
        token_version=user.token_version + 1,
    )


def _whole(moment: datetime) -> datetime:
    """A moment in whole seconds, as DynamoDB's TTL counts."""
    return moment.replace(microsecond=0)
