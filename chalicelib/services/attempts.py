"""Limits on attempts: how often a wrong password, or a bad refresh token, may be shown.

An attempt is counted before the password is compared, and given back if it was right. Counting
afterwards would let a hundred guesses through that are all under way at once, each of which found
the count as it was before the others.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from chalicelib.domain.attempts import Admission, Attempt, Count, LoginFacts, Origin, network_of
from chalicelib.domain.errors import TooManyRequestsError
from chalicelib.domain.sessions import Client
from chalicelib.domain.times import Clock, epoch_seconds
from chalicelib.telemetry import security_event

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)


class AttemptStore(Protocol):
    """Where attempts are counted, exactly, however many come at once."""

    def reserve(self, count: Count) -> int | None:
        """Count one more, and answer how many there are then; None if the limit was reached.

        Raises:
            UnavailableError: the store cannot answer now. It may have counted the attempt.
        """

    def give_back(self, count: Count) -> None:
        """Count one fewer, once, whatever is lost on the way.

        Raises:
            UnavailableError: the store cannot answer now.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLimits:
    """How many attempts there may be."""

    per_account: int
    """In one window: of an account, and at each of its known addresses."""
    window: timedelta
    per_address: int
    """Wrong ones from an address in a minute, whosever account they are for."""
    mails: int
    """That may be asked for in an hour, of one kind and for one address or account."""


class AttemptService:
    """Counts attempts, and refuses those that are too many.

    A name that nobody has is counted under itself, an account under its identifier, whichever of
    its names is given. At an address where the account's password was shown before, a count of its
    own is kept: whoever uses up the account's from elsewhere does not lock its owner out there.
    """

    def __init__(self, store: AttemptStore, limits: AttemptLimits, clock: Clock) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock

    def origin(self, client: Client) -> Origin:
        """Whence a client's attempt comes: what the store is asked about it."""
        network = network_of(client.ip)
        limit = self._limits.per_address
        return Origin(network, self._count(("address", network), limit, _MINUTE))

    def begin(self, name: tuple[str, ...], facts: LoginFacts, origin: Origin) -> Attempt:
        """Count an attempt: only then may the password be compared.

        `name` is what it is counted under if there is no such account.

        Raises:
            TooManyRequestsError: the account, known or not, or the address has had too many.
            UnavailableError: the store cannot answer now.
        """
        now = self._clock()
        user = facts.credentials.user if facts.credentials else None
        address = facts.address
        if user and address and address.is_known(user.token_version, now):
            of: tuple[str, ...] = ("known address", user.public_id, origin.network)
            remembers = address.is_fading(now)
        else:
            # Not at a known address: there, others' failures are not held against the owner.
            if facts.failures_from_address >= origin.failures.limit:
                raise self._refusal(origin.failures)
            of = ("account", user.public_id) if user else name
            remembers = True
        count = self._count(of, self._limits.per_account, self._limits.window)
        number = self._store.reserve(count)
        if number is None:
            raise self._refusal(count)
        public_id = user.public_id if user else None
        return Attempt(
            count=count, number=number, origin=origin, public_id=public_id, remembers=remembers
        )

    def admit(self, attempt: Attempt) -> Admission:
        """What is to be written if the password was right."""
        return Admission(attempt.count, attempt.remembers)

    def give_back(self, attempt: Attempt) -> None:
        """Take back an attempt whose password was right, where nothing else is written.

        Raises:
            UnavailableError: the store cannot answer now.
        """
        self._store.give_back(attempt.count)

    def fail(self, attempt: Attempt) -> None:
        """The password was wrong: the attempt stays counted, and the address has one more.

        Raises:
            TooManyRequestsError: the address has had too many meanwhile.
            UnavailableError: the store cannot answer now.
        """
        if attempt.number == attempt.count.limit:
            whose = {} if attempt.public_id is None else {"user": attempt.public_id}
            security_event("attempts_limited", counted="account", **whose)
        self.fail_from(attempt.origin)

    def fail_from(self, origin: Origin) -> None:
        """Something wrong was shown, nobody knows on whose account.

        Raises:
            TooManyRequestsError: the address has had too many.
            UnavailableError: the store cannot answer now.
        """
        number = self._store.reserve(origin.failures)
        if number is None:
            raise self._refusal(origin.failures)
        if number == origin.failures.limit:
            security_event("attempts_limited", counted="address")

    def count_mail(self, of: tuple[str, ...], client: Client, *others: tuple[str, ...]) -> None:
        """Count a mail that is asked for, whether or not there is anybody to send it to.

        It is counted under `of`, and under the others, one after the other.

        Nobody is to find their mailbox full of links, and no address is to ask for everybody's.

        Raises:
            TooManyRequestsError: there were too many of its kind, or from the client's address.
            UnavailableError: the store cannot answer now.
        """
        network = network_of(client.ip)
        for count in (
            self._count(("mails from", network), self._limits.per_address, _MINUTE),
            *(self._count(("mails", *each), self._limits.mails, _HOUR) for each in (of, *others)),
        ):
            if self._store.reserve(count) is None:
                raise self._refusal(count)

    def admit_mail(self, of: tuple[str, ...]) -> Count | None:
        """Count a mail among those that are asked for; None if there were too many.

        Raises:
            UnavailableError: the store cannot answer now.
        """
        count = self._count(("mails", *of), self._limits.mails, _HOUR)
        return None if self._store.reserve(count) is None else count

    def take_back_mail(self, count: Count) -> None:
        """Count a mail no longer that was not sent.

        Raises:
            UnavailableError: the store cannot answer now.
        """
        self._store.give_back(count)

    def _count(self, of: tuple[str, ...], limit: int, window: timedelta) -> Count:
        # Everybody's windows begin together. If they depended on the name, when one ends would tell
        # whether it is a name's or an account's.
        seconds = int(window.total_seconds())
        starts_at = epoch_seconds(self._clock()) // seconds * seconds
        return Count(of=of, limit=limit, starts_at=starts_at, ends_at=starts_at + seconds)

    def _refusal(self, count: Count) -> TooManyRequestsError:
        return TooManyRequestsError(max(1, count.ends_at - epoch_seconds(self._clock())))
