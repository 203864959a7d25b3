"""The courier: does the errands that changes leave behind.

Links are made here, at the last moment: what lies in the outbox until then has no secret in it, and
whether an address is anybody's is looked up only where nobody sees how long it takes.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from chalicelib.domain.activity import Act
from chalicelib.domain.attempts import Count
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.mailed_tokens import (
    LIFETIMES,
    SECRET_OCTETS,
    MailedToken,
    MailedTokenRecord,
    Purpose,
    password_mark,
)
from chalicelib.domain.mails import Mail, MailRefusedError
from chalicelib.domain.names import fold
from chalicelib.domain.outbox import Errand, Message
from chalicelib.domain.sessions import Client
from chalicelib.domain.times import Clock
from chalicelib.domain.trails import Trail
from chalicelib.domain.users import Credentials, User
from chalicelib.services.trails import TrailService

_UNKNOWN_CLIENT = Client("", "")
"""Whoever asked for a mail is not in the outbox."""

PATHS = {
    Purpose.VERIFY: "/email/verify",
    Purpose.RESET: "/password/reset",
    Purpose.CONFIRM: "/email/confirm",
    Purpose.UNDO: "/email/undo",
}
"""The page that a link of each purpose leads to."""

_SETTLED_AFTER = timedelta(minutes=1)
"""By then every request has ended that had read the account before it was closed."""

_NOTICES = frozenset({Errand.EMAIL_CHANGED, Errand.PASSWORD_CHANGED, Errand.USERNAME_CHANGED})


class Outcome(StrEnum):
    """How an errand ended, other than by an error that makes it worth another try."""

    SENT = "sent"
    ANONYMISED = "anonymised"
    ANONYMISED_SO_FAR = "anonymised_so_far"
    """What was under way when the account was closed may still leave something behind."""
    NOBODY = "nobody"
    """There is nobody (any more) whom it could be for."""
    DISABLED = "disabled"
    """The account is disabled: no link would be of use."""
    LIMITED = "limited"
    """As many mails of its kind have gone to this address as may in an hour."""
    NOT_NEEDED = "not_needed"
    """What the mail would ask for or tell is so already, or is so no longer."""
    MAIL_OFF = "mail_off"
    """The stage has no sender, so it sends no mails."""
    REFUSED = "refused"
    """The mail can never be sent."""
    EXPIRED = "expired"
    """It could not be done while it was worth doing."""


UNFINISHED = frozenset({Outcome.ANONYMISED_SO_FAR})
"""It is to be done once more, later. Nothing has failed."""
GIVEN_UP = frozenset({Outcome.REFUSED, Outcome.EXPIRED})
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


class MailCounts(Protocol):
    """How many mails may go to one address."""

    def admit_mail(self, of: tuple[str, ...]) -> Count | None:
        """Count a mail; None if there were too many.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def take_back_mail(self, count: Count) -> None:
        """Count a mail no longer that was not sent.

        Raises:
            UnavailableError: the store cannot answer now.
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
        activity: ActivityAnonymiser,
        sessions: SessionStore,
        trails: TrailService,
        writer: MailWriter,
        mailer: Mailer | None,
        *,
        counts: MailCounts,
        link_base_url: str,
        clock: Clock,
        random_octets: Callable[[int], bytes],
    ) -> None:
        """`mailer` is None if the stage sends no mails."""
        self._accounts = accounts
        self._tokens = tokens
        self._activity = activity
        self._sessions = sessions
        self._trails = trails
        self._writer = writer
        self._mailer = mailer
        self._counts = counts
        self._link_base_url = link_base_url
        self._clock = clock
        self._random_octets = random_octets

    def deliver(self, message: Message) -> Outcome:
        """Do an errand, if there is still anything to do.

        Raises:
            UnavailableError: it was not done, or not for certain: to be tried again.
        """
        if self._clock() >= message.expires_at:
            return Outcome.EXPIRED
        if message.errand is Errand.ANONYMISE:
            return self._anonymise(message)
        return self._post(message, self._mailer) if self._mailer else Outcome.MAIL_OFF

    def _post(self, message: Message, mailer: Mailer) -> Outcome:
        owner = self._owner(message)
        if owner is None:
            return Outcome.NOBODY
        task = _task(message, owner.user)
        if isinstance(task, Outcome):
            return task
        try:
            sent = self._mail_if_admitted(message, owner, task, mailer)
        except MailRefusedError:
            return Outcome.REFUSED
        if not sent:
            return Outcome.LIMITED
        if message.errand is Errand.RESET_PASSWORD:
            mailed = self._trails.event(Act.RECOVERY_MAILED, owner.user.public_id, _UNKNOWN_CLIENT)
            self._trails.write(Trail(events=(mailed,)))
        return Outcome.SENT

    def _anonymise(self, message: Message) -> Outcome:
        """Do it at once, and again when nothing more can come.

        A login that read the account just before it was closed writes its event and its session
        just after that.
        """
        if message.public_id is None:
            return Outcome.NOBODY
        self._activity.anonymise(message.public_id)
        self._sessions.forget(message.public_id)
        settled = self._clock() >= message.created_at + _SETTLED_AFTER
        return Outcome.ANONYMISED if settled else Outcome.ANONYMISED_SO_FAR

    def _owner(self, message: Message) -> Credentials | None:
        if message.public_id is not None:
            return self._accounts.credentials(message.public_id)
        if message.email_key is not None:
            return self._accounts.credentials_by_email(message.email_key)
        return None

    def _mail_if_admitted(
        self, message: Message, owner: Credentials, task: "_Task", mailer: Mailer
    ) -> bool:
        """Send a mail; False if too many have gone to its address.

        What is asked for by an address was counted when it was. A registration is not, and whoever
        registers a stranger's address and closes the account can do it again. Nor is a change that
        is told of. Whoever made too many has told the owner by then, and an earlier link undoes a
        later change of the address as well.
        """
        registered = message.errand is Errand.VERIFY_EMAIL and message.public_id is not None
        if not registered and message.errand not in _NOTICES:
            self._mail(message, owner, task, mailer)
            return True
        count = self._counts.admit_mail((message.errand, fold(task.address)))
        if count is None:
            return False
        try:
            self._mail(message, owner, task, mailer)
        except UnavailableError:
            with suppress(UnavailableError):
                self._counts.take_back_mail(count)
            raise
        return True

    def _mail(self, message: Message, owner: Credentials, task: "_Task", mailer: Mailer) -> None:
        """Keep what the link will be checked against, then send it: never the other way round."""
        link = lasts = None
        if task.purpose is not None:
            token = MailedToken(owner.user.public_id, self._random_octets(SECRET_OCTETS))
            lasts = LIFETIMES[task.purpose]
            link = f"{self._link_base_url}{PATHS[task.purpose]}?token={token.text}"
            # An address is held for whoever had it from the change on, and no longer than that.
            undo = task.purpose is Purpose.UNDO
            begins = message.created_at if undo else self._clock()
            reset = task.purpose is Purpose.RESET
            self._tokens.add(
                MailedTokenRecord(
                    public_id=token.public_id,
                    secret_hash=token.secret_hash,
                    purpose=task.purpose,
                    expires_at=begins + lasts,
                    address=task.address,
                    password_mark=password_mark(owner.password_hash) if reset else None,
                )
            )
        mailer.send(self._writer.write(message.errand, message.language, task.address, link, lasts))


@dataclass(frozen=True, slots=True)
class _Task:
    """A mail that is to be written."""

    address: str = field(repr=False)
    purpose: Purpose | None = None
    """Of its link, if it has one."""


def _task(message: Message, user: User) -> _Task | Outcome:
    """What is to be mailed for an errand, or why nothing is.

    Links are for those who may log in. Notices are for whoever had the address or the password,
    whatever has become of the account since.
    """
    if message.errand in _NOTICES:
        task = _notice(message, user)
    elif user.disabled:
        return Outcome.DISABLED
    else:
        task = _link(message, user)
    return task or Outcome.NOT_NEEDED


def _notice(message: Message, user: User) -> _Task | None:
    if message.errand is not Errand.EMAIL_CHANGED:
        return _Task(message.address or user.email)
    if message.address is None or message.address == user.email:
        return None
    return _Task(message.address, Purpose.UNDO)


def _link(message: Message, user: User) -> _Task | None:
    match message.errand:
        case Errand.RESET_PASSWORD:
            return _Task(user.email, Purpose.RESET)
        case Errand.CONFIRM_EMAIL if user.pending_email and message.address == user.pending_email:
            return _Task(user.pending_email, Purpose.CONFIRM)
        case Errand.VERIFY_EMAIL if not user.email_verified:
            return _Task(user.email, Purpose.VERIFY)
    return None
