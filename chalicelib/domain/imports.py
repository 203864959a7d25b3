"""Accounts that come from another system."""

from dataclasses import dataclass
from enum import StrEnum

from chalicelib.domain.activity import Event
from chalicelib.domain.users import Credentials


@dataclass(frozen=True, slots=True)
class Arrival:
    """An account to be added as it was elsewhere, and the event that says so."""

    credentials: Credentials
    event: Event


@dataclass(frozen=True, slots=True)
class Claim:
    """The keys that an account wants for its own."""

    public_id: str
    email_key: str
    username_key: str


@dataclass(frozen=True, slots=True)
class Owners:
    """Whose the keys of a claim are by now: None for those that are nobody's."""

    email: str | None
    username: str | None
    public_id: str | None
    """The identifier itself, if there is a user of it."""


HELD = "held"
"""Who owns an email that is kept for whoever had it until lately: nobody who could be meant."""


class Outcome(StrEnum):
    """What became of a row."""

    IMPORTED = "imported"
    PRESENT = "present"
    """The account was there before, and is left as it is."""
    REFUSED = "refused"
