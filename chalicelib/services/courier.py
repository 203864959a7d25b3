"""The courier: does the errands that changes leave behind.

Links are made here, at the last moment: what lies in the outbox until then has no secret in it, and
whether an address is anybody's is looked up only where nobody sees how long it takes.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from chalicelib.domain.activity import Act
from chalicelib.domain.mailed_tokens import (
    LIFETIMES,
    SECRET_OCTETS,
    MailedToken,
    MailedTokenRecord,
    Purpose,
    password_mark,
)
from chalicelib.domain.mails import Mail, MailRefusedError
from chalicelib.domain.outbox import Errand, Message
from chalicelib.domain.sessions import Client
from chalicelib.domain.times import Clock
from chalicelib.domain.trails import Trail
from chalicelib.domain.users import Credentials
from chalicelib.services.trails import TrailService, TrailStore

PATHS = {
    Purpose.VERIFY: "/email/verify",
    Purpose.RESET: "/password/reset",
    Purpose.CONFIRM: "/email/confirm",
    Purpose.UNDO: "/email/undo",
}
"""The page that a link of each purpose leads to."""


class Outcome(StrEnum):
    """How an errand ended, other than by an error that makes it worth another try."""

    SENT = "sent"
    ANONYMISED = "anonymised"
    NOBODY = "nobody"
    """There is nobody (any more) whom it could be for."""
    DISABLED = "disabled"
    """The account is disabled: no link would be of use."""
    NOT_NEEDED = "not_needed"
    """What the mail would ask for or tell is so already, or is so no longer."""
    MAIL_OFF = "mail_off"
    """The stage has no sender, so it sends no mails."""
    REFUSED = "refused"
    """The mail can never be sent."""
    EXPIRED = "expired"
    """It could not be done while it was worth doing."""


GIVEN_UP = frozenset({Outcome.MAIL_OFF, Outcome.REFUSED, Outcome.EXPIRED})
"""Nothing was done, and somebody might have expected otherwise."""


class AccountStore(Protocol):
    """What the courier needs of the users."""

    def credentials(self, public_id: str) -> Credentials | None:
        """Read a user and their password's hash, consistently.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def credentials_by_email(self, key: str) -> Credentials | None:
        """Likewise, by the key of an address.

        Raises:
            UnavailableError: the store cannot answer now.
        """


class MailedTokenStore(Protocol):
    """Where it is kept what a mailed token will be checked against."""

    def add(self, record: MailedTokenRecord) -> None:
        """Keep a record. A retry keeps the same one again.

        Raises:
            UnavailableError: the store cannot answer now.
        """


class ActivityAnonymiser(Protocol):
    """Takes from an account's activity whose it was."""

    def anonymise(self, public_id: str) -> None:
        """Leave of each event what was done, when, and by whom if by somebody else.

        It can be repeated, and goes on where it broke off.

        Raises:
            UnavailableError: the store cannot answer now; some may be left.
        """


class SessionStore(Protocol):
    """What the courier needs of the sessions."""

    def forget(self, public_id: str) -> None:
        """Delete all rows of a user.

        Raises:
            UnavailableError: the store cannot answer now; some may be left.
        """


class MailWriter(Protocol):
    """Writes mails."""

    def write(
        self, errand: Errand, language: str, address: str, link: str | None, lasts: timedelta | None
    ) -> Mail:
        """Write the mail of an errand. A language that there is none of is English.

        `link` is what its button leads to, and `lasts` for how long; None if it has no button.

        Raises:
            MailRefusedError: an address or a subject could not be a header.
        """


class Mailer(Protocol):
    """Sends mails."""

    def send(self, mail: Mail) -> None:
        """Hand a mail over to whoever delivers it.

        Raises:
            MailRefusedError: it can never be sent.
            UnavailableError: it was not sent now, or its answer was lost.
        """


class Courier:
    """Does one errand at a time. Doing one twice harms nobody: at worst a mail comes twice."""

    def __init__(
        self,
        accounts: AccountStore,
        tokens: MailedTokenStore,
        trails: TrailStore,
        activity: ActivityAnonymiser,
        sessions: SessionStore,
        trail_service: TrailService,
        writer: MailWriter,
        mailer: Mailer | None,
        *,
        link_base_url: str,
        clock: Clock,
        random_octets: Callable[[int], bytes],
    ) -> None:
        """`mailer` is None if the stage sends no mails."""
        self._accounts = accounts
        self._tokens = tokens
        self._trails = trails
        self._activity = activity
        self._sessions = sessions
        self._trail_service = trail_service
        self._writer = writer
        self._mailer = mailer
        self._link_base_url = link_base_url
        self._clock = clock
        self._random_octets = random_octets

    def deliver(self, message: Message) -> Outcome:
        """Do an errand, if there is still anything to do.

        Raises:
            UnavailableError: it was not done, or not for certain: to be tried again.
        """
        raise NotImplementedError
