"""Limits on attempts: how often a wrong password, or a bad refresh token, may be shown.

A count that is read, and raised by whoever was wrong, stops nobody who sends a hundred guesses at
once: each of them finds it as it was before the others. So the count decides twice: as it was read,
whether a password is compared, and in the step that follows, whether anybody is told what came of
it. A wrong one is told that it was only if it got a place in the count, a right one only while the
count is below its limit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from chalicelib.domain.attempts import Attempt, Count, LoginFacts, Origin, Outcome, network_of
from chalicelib.domain.errors import TooManyRequestsError
from chalicelib.domain.sessions import Client
from chalicelib.domain.times import Clock, epoch_seconds
from chalicelib.domain.trails import Trail
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

    def count_wrong(self, count: Count, trail: Trail) -> bool:
        """Count one more and write its trail, both or neither; False if the limit was reached.

        Once, whatever is lost on the way.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def is_below(self, count: Count) -> bool:
        """Tell whether the limit was not reached yet, in turn with those who count.

        Raises:
            UnavailableError: the store cannot answer now.
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

    def origin(self, client: Client, *name: str) -> Origin:
        """Whence a client's attempt comes: what the store is asked about it.

        `name` is what it is counted under if there is no such account.
        """
        network = network_of(client.ip)
        nobodys = self._count(name, self._limits.per_account, self._limits.window)
        return Origin(network, self._failures_from(network), nobodys)

    def begin(self, facts: LoginFacts, origin: Origin) -> Attempt:
        """See whether the password may be compared, by the counts as they were read.

        What came of it is told to nobody before `fail`, `settle` or `confirm` has been done.

        Raises:
            TooManyRequestsError: the account, known or not, or the address has had too many.
        """
        now = self._clock()
        user = facts.credentials.user if facts.credentials else None
        address = facts.address
        if user and address and address.is_known(user.token_version, now):
            tally, remembers = facts.attempts_at_address, address.is_fading(now)
        else:
            # Not at a known address: there, others' failures are not held against the owner.
            if facts.failures_from_address >= origin.failures.limit:
                raise self._refusal(origin.failures)
            tally, remembers = facts.attempts, True
        if tally.is_full:
            raise self._refusal(tally.count)
        return Attempt(
            tally=tally,
            failures=origin.failures,
            public_id=user.public_id if user else None,
            remembers=remembers,
        )

    def settle(self, attempt: Attempt, write: Callable[[Count], Outcome]) -> bool:
        """The password was right: do what it leads to, if the count is still below its limit.

        `write` is given the count, and must hold its write to it. Answers whether it has written:
        False if it found something else changed. Nothing is counted.

        It is tried in the same steps as a wrong one is counted in, so that of those that come too
        late a right one has taken no fewer calls.

        Raises:
            TooManyRequestsError: there were too many wrong ones meanwhile.
            UnavailableError: the store cannot answer now.
        """
        for count in attempt.tries:
            outcome = write(count)
            if outcome is not Outcome.LIMITED:
                return outcome is Outcome.DONE
        raise self._refusal(attempt.count)

    def confirm(self, attempt: Attempt) -> None:
        """The password was right, and that is to be told, but nothing is written by it.

        Raises:
            TooManyRequestsError: there were too many wrong ones meanwhile.
            UnavailableError: the store cannot answer now.
        """
        self.settle(
            attempt,
            lambda count: Outcome.DONE if self._store.is_below(count) else Outcome.LIMITED,
        )

    def fail(self, attempt: Attempt, trail: Trail) -> None:
        """The password was wrong: the account and the address have one more, and the trail is kept.

        Raises:
            TooManyRequestsError: one of them has had too many meanwhile.
            UnavailableError: the store cannot answer now.
        """
        for count in attempt.tries:
            if self._store.count_wrong(count, trail):
                break
        else:
            raise self._refusal(attempt.count)
        if count == attempt.count:
            whose = {} if attempt.public_id is None else {"user": attempt.public_id}
            security_event("attempts_limited", counted="account", **whose)
        self._fail(attempt.failures)

    def fail_from(self, client: Client) -> None:
        """Something wrong was shown, nobody knows on whose account.

        Raises:
            TooManyRequestsError: the address has had too many.
            UnavailableError: the store cannot answer now.
        """
        self._fail(self._failures_from(network_of(client.ip)))

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

    def _fail(self, failures: Count) -> None:
        number = self._store.reserve(failures)
        if number is None:
            raise self._refusal(failures)
        if number == failures.limit:
            security_event("attempts_limited", counted="address")

    def _failures_from(self, network: str) -> Count:
        return self._count(("address", network), self._limits.per_address, _MINUTE)

    def _count(self, of: tuple[str, ...], limit: int, window: timedelta) -> Count:
        # Everybody's windows begin together. If they depended on the name, when one ends would tell
        # whether it is a name's or an account's.
        seconds = int(window.total_seconds())
        starts_at = epoch_seconds(self._clock()) // seconds * seconds
        return Count(of=of, limit=limit, starts_at=starts_at, ends_at=starts_at + seconds)

    def _refusal(self, count: Count) -> TooManyRequestsError:
        return TooManyRequestsError(max(1, count.ends_at - epoch_seconds(self._clock())))
