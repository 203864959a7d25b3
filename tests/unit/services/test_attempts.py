"""Limits on attempts, on a stepped clock and a store in memory."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.activity import Act
from chalicelib.domain.attempts import (
    Attempt,
    Count,
    KnownAddress,
    LoginFacts,
    Outcome,
    network_of,
)
from chalicelib.domain.errors import TooManyRequestsError, UnavailableError
from chalicelib.domain.sessions import Client
from chalicelib.domain.times import epoch_seconds
from chalicelib.domain.trails import NO_TRAIL, Trail
from chalicelib.domain.users import Credentials
from chalicelib.services.attempts import AttemptLimits, AttemptService
from tests.fakes import START, FakeAttemptStore, FakeClock, FakeTables
from tests.samples import CLIENT, a_session, a_user, an_event
from tests.unit.services.conftest import ATTEMPT_LIMITS

ELSEWHERE = Client("198.51.100.7", "curl")
NAME = ("email", "nobody@example.com")
LIMIT = ATTEMPT_LIMITS.per_account
OWNER = Credentials(a_user(), "a hash")
HOME = KnownAddress.of(a_session())

Facts = Callable[[AttemptService, FakeTables, tuple[str, ...], Client], LoginFacts]
"""Reads what the store knows at that moment."""


def _facts(
    credentials: Credentials | None, address: KnownAddress | None, failures: int = 0
) -> Facts:
    def read(
        attempts: AttemptService, tables: FakeTables, name: tuple[str, ...], client: Client
    ) -> LoginFacts:
        origin = attempts.origin(client, *name)
        whose = credentials.user.public_id if credentials else "nobody"
        count = origin.of_account(whose) if credentials else origin.nobodys
        return LoginFacts(
            credentials,
            key_revoked=False,
            address=address,
            failures_from_address=failures,
            attempts=tables.tally(count),
            attempts_at_address=tables.tally(origin.at_known_address(whose)),
        )

    return read


NOBODY = _facts(None, None)
KNOWN = _facts(OWNER, HOME)
UNKNOWN_ADDRESS = _facts(OWNER, None)
everybody = pytest.mark.parametrize(
    "facts", [NOBODY, KNOWN, UNKNOWN_ADDRESS], ids=["nobody", "known", "new"]
)

Begin = Callable[..., Attempt]


@pytest.fixture
def begin(attempts: AttemptService, tables: FakeTables) -> Begin:
    """See whether a password may be compared."""

    def begin(
        facts: Facts = NOBODY, name: tuple[str, ...] = NAME, client: Client = CLIENT
    ) -> Attempt:
        found = facts(attempts, tables, name, client)
        return attempts.begin(found, attempts.origin(client, *name))

    return begin


@pytest.fixture
def guess(begin: Begin, attempts: AttemptService) -> Begin:
    """A wrong password."""

    def guess(*facts: Facts, **how: Any) -> Attempt:
        attempt = begin(*facts, **how)
        attempts.fail(attempt, NO_TRAIL)
        return attempt

    return guess


def _waits(act: Callable[[], object]) -> int:
    """For how many seconds somebody is told to wait."""
    with pytest.raises(TooManyRequestsError) as refusal:
        act()
    return refusal.value.retry_after


@everybody
def test_so_many_wrong_passwords_may_be_shown_and_no_more(
    guess: Begin, tables: FakeTables, facts: Facts
) -> None:
    for number in range(LIMIT):
        assert tables.counted(guess(facts).count) == number + 1
    for _ in range(3):
        _waits(lambda: guess(facts))


@everybody
@pytest.mark.parametrize("passed", [0, 1, 0.5, 299, 599.999])
def test_whoever_waits_as_long_as_they_are_told_may_try_again(
    guess: Begin, clock: FakeClock, facts: Facts, passed: float
) -> None:
    clock.step(seconds=600 - clock.now.timestamp() % 600 + passed)
    for _ in range(LIMIT):
        guess(facts)
    seconds = _waits(lambda: guess(facts))
    assert 1 <= seconds <= 600
    clock.step(seconds=seconds - 1)
    if passed == int(passed):
        assert _waits(lambda: guess(facts)) == 1
    clock.step(seconds=1)
    assert guess(facts).tally.number == 0


def test_a_name_that_nobody_has_is_told_to_wait_as_long_as_an_accounts(guess: Begin) -> None:
    for facts in (NOBODY, UNKNOWN_ADDRESS):
        for _ in range(LIMIT):
            guess(facts)
    assert _waits(guess) == _waits(lambda: guess(UNKNOWN_ADDRESS))


def test_names_that_nobody_has_are_counted_each_for_itself(guess: Begin) -> None:
    for _ in range(LIMIT):
        guess()
    assert guess(name=("username", "nobody@example.com")).tally.number == 0
    assert guess(name=("email", "somebody@example.com")).tally.number == 0


def test_the_names_of_one_account_share_a_count(guess: Begin) -> None:
    for number in range(LIMIT):
        guess(UNKNOWN_ADDRESS, name=("email", "x") if number % 2 else ("username", "y"))
    for name in (("email", "x"), ("username", "y")):
        _waits(partial(guess, UNKNOWN_ADDRESS, name=name))


def test_a_wrong_password_leaves_its_trail_if_it_is_told_of(
    begin: Begin, attempts: AttemptService, tables: FakeTables
) -> None:
    under_way = [begin() for _ in range(LIMIT + 2)]
    for number, attempt in enumerate(under_way):
        trail = Trail((an_event(number, act=Act.LOGIN_FAILED),))
        if number < LIMIT:
            attempts.fail(attempt, trail)
        else:
            _waits(partial(attempts.fail, attempt, trail))
    assert len(tables.events) == LIMIT
    assert tables.counted(under_way[0].failures) == LIMIT, "those from the address likewise"


# A right one


def test_a_right_password_is_never_counted(begin: Begin, attempts: AttemptService) -> None:
    for _ in range(LIMIT * 2):
        attempts.confirm(begin())
    for _ in range(LIMIT):
        attempts.fail(begin(), NO_TRAIL)


@everybody
def test_a_right_password_that_comes_after_too_many_wrong_ones_is_told_to_wait(
    begin: Begin, attempts: AttemptService, guess: Begin, tables: FakeTables, facts: Facts
) -> None:
    """It was compared, but nobody is told what came of that."""

    def look(count: Count) -> Outcome:
        return Outcome.DONE if tables.is_below(count) else Outcome.LIMITED

    right, wrong = begin(facts), begin(facts)
    for _ in range(LIMIT):
        guess(facts)
    late = (
        partial(attempts.confirm, right),
        partial(attempts.settle, right, look),
        partial(attempts.fail, wrong, NO_TRAIL),
    )
    assert len({_waits(act) for act in late}) == 1


@pytest.mark.parametrize("before", range(LIMIT))
def test_of_those_that_come_too_late_right_and_wrong_ones_take_as_many_calls(
    begin: Begin,
    attempts: AttemptService,
    guess: Begin,
    attempt_store: FakeAttemptStore,
    before: int,
) -> None:
    for _ in range(before):
        guess()
    right, wrong = begin(), begin()
    for _ in range(LIMIT - before):
        guess()
    calls = []
    for act in (partial(attempts.confirm, right), partial(attempts.fail, wrong, NO_TRAIL)):
        attempt_store.calls = 0
        _waits(act)
        calls.append(attempt_store.calls)
    assert calls[0] == calls[1] == (1 if before == LIMIT - 1 else 2)


@pytest.mark.parametrize(
    ("outcome", "done"), [(Outcome.DONE, True), (Outcome.CHANGED, False)], ids=str
)
def test_a_write_that_the_count_has_allowed_is_not_tried_again(
    begin: Begin, attempts: AttemptService, outcome: Outcome, *, done: bool
) -> None:
    tried: list[int] = []

    def write(count: Count) -> Outcome:
        tried.append(count.limit)
        return outcome

    assert attempts.settle(begin(), write) == done
    assert tried == [LIMIT - 1]


def test_the_last_place_is_a_right_passwords_as_well(
    begin: Begin, attempts: AttemptService, guess: Begin
) -> None:
    right = begin()
    for _ in range(LIMIT - 1):
        guess()
    attempts.confirm(right)
    attempts.confirm(begin())
    guess()
    _waits(begin)


def test_an_attempt_of_an_earlier_window_counts_in_that_one(
    begin: Begin, attempts: AttemptService, guess: Begin, clock: FakeClock
) -> None:
    before = begin()
    clock.step(minutes=10)
    for _ in range(LIMIT):
        guess()
    attempts.confirm(before)
    attempts.fail(before, NO_TRAIL)
    _waits(guess)


def test_a_limit_of_one_is_one(begin: Begin, tables: FakeTables, clock: FakeClock) -> None:
    del begin
    limits = replace(ATTEMPT_LIMITS, per_account=1)
    attempts = AttemptService(FakeAttemptStore(tables), limits, clock)
    origin = attempts.origin(CLIENT, *NAME)
    first, second = (
        attempts.begin(NOBODY(attempts, tables, NAME, CLIENT), origin) for _ in range(2)
    )
    attempts.fail(first, NO_TRAIL)
    _waits(lambda: attempts.fail(second, NO_TRAIL))
    _waits(lambda: attempts.confirm(second))


# The address


def test_whoever_uses_up_an_accounts_attempts_locks_nobody_out_at_home(guess: Begin) -> None:
    for _ in range(LIMIT):
        guess(UNKNOWN_ADDRESS, client=ELSEWHERE)
    _waits(lambda: guess(UNKNOWN_ADDRESS, client=ELSEWHERE))
    for _ in range(LIMIT):
        guess(KNOWN)
    _waits(lambda: guess(KNOWN))


def test_others_at_a_known_address_do_not_keep_its_owner_from_logging_in(guess: Begin) -> None:
    flooded = _facts(OWNER, HOME, ATTEMPT_LIMITS.per_address)
    assert guess(flooded).tally.number == 0


@pytest.mark.parametrize("whose", [None, OWNER], ids=["nobody", "new"])
def test_an_address_with_too_many_wrong_ones_waits_till_the_minute_is_over(
    guess: Begin, tables: FakeTables, whose: Credentials | None, clock: FakeClock
) -> None:
    flooded = _facts(whose, None, ATTEMPT_LIMITS.per_address)
    assert _waits(lambda: guess(flooded)) == 60 - epoch_seconds(clock.now) % 60
    assert not tables.counts, "nothing was counted against the account"


def test_an_address_is_limited_over_all_accounts(
    attempts: AttemptService, guess: Begin, clock: FakeClock
) -> None:
    for number in range(ATTEMPT_LIMITS.per_address):
        guess(name=("email", str(number)))
    _waits(lambda: guess(name=("email", "one more")))
    _waits(lambda: attempts.fail_from(CLIENT))
    attempts.fail_from(ELSEWHERE)
    clock.step(minutes=1)
    guess(name=("email", "one more"))


def test_mails_that_are_asked_for_and_those_that_are_admitted_are_counted_together(
    attempts: AttemptService,
) -> None:
    for _ in range(ATTEMPT_LIMITS.mails - 1):
        attempts.count_mail(NAME, CLIENT)
    admitted = attempts.admit_mail(NAME)
    assert admitted is not None
    assert attempts.admit_mail(NAME) is None
    _waits(lambda: attempts.count_mail(NAME, ELSEWHERE))
    attempts.take_back_mail(admitted)
    attempts.count_mail(NAME, ELSEWHERE)


def test_an_address_is_remembered_when_it_is_new_and_when_half_its_time_is_over(
    begin: Begin, clock: FakeClock
) -> None:
    assert begin(UNKNOWN_ADDRESS).remembers
    assert not begin(KNOWN).remembers
    clock.step(days=15)
    assert not begin(KNOWN).remembers
    clock.step(seconds=1)
    assert begin(KNOWN).remembers


def test_an_address_is_forgotten_in_time_and_when_all_sessions_end(
    guess: Begin, clock: FakeClock
) -> None:
    for _ in range(LIMIT):
        guess(UNKNOWN_ADDRESS)
    later = _facts(Credentials(a_user(token_version=2), "a hash"), HOME)
    _waits(lambda: guess(later))
    clock.step(days=30, seconds=-1)
    assert guess(KNOWN).count.of[0] == "known address"
    clock.step(seconds=1)
    assert guess(KNOWN).count.of[0] == "account"


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_address_counts_with_all_that_its_subscriber_has(ip: str, network: str) -> None:
    assert network_of(ip) == network
    assert KnownAddress.of(a_session(client=Client(ip, ""))).network == network


# What is told


def _events(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    lines = [vars(record)["line"] for record in caplog.records if "line" in vars(record)]
    kept = ("event", "counted", "user")
    return [{name: line[name] for name in kept if name in line} for line in lines]


@pytest.mark.parametrize(
    ("facts", "whose"),
    [(NOBODY, {}), (KNOWN, {"user": a_user().public_id})],
    ids=["nobody", "somebody"],
)
def test_a_limit_that_is_reached_is_told_of_once(
    guess: Begin, caplog: pytest.LogCaptureFixture, facts: Facts, whose: dict[str, str]
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(LIMIT - 1):
        guess(facts)
    assert _events(caplog) == []
    guess(facts)
    for _ in range(3):
        _waits(lambda: guess(facts))
    assert _events(caplog) == [{"event": "attempts_limited", "counted": "account", **whose}]
    assert "example.com" not in caplog.text


def test_a_limit_that_is_reached_by_many_at_once_is_told_of_once(
    begin: Begin, attempts: AttemptService, caplog: pytest.LogCaptureFixture
) -> None:
    for number, attempt in enumerate([begin() for _ in range(LIMIT * 2)]):
        if number < LIMIT:
            attempts.fail(attempt, NO_TRAIL)
        else:
            _waits(partial(attempts.fail, attempt, NO_TRAIL))
    assert _events(caplog) == [{"event": "attempts_limited", "counted": "account"}]


def test_a_right_password_reaches_no_limit(
    begin: Begin, attempts: AttemptService, guess: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(LIMIT - 1):
        guess()
    attempts.confirm(begin())
    assert _events(caplog) == []


def test_an_address_that_reaches_its_limit_is_told_of_once(
    attempts: AttemptService, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(ATTEMPT_LIMITS.per_address):
        attempts.fail_from(CLIENT)
    for _ in range(3):
        _waits(lambda: attempts.fail_from(CLIENT))
    assert _events(caplog) == [{"event": "attempts_limited", "counted": "address"}]
    assert CLIENT.ip not in caplog.text


def test_without_a_store_nobody_is_told_anything(
    begin: Begin, attempts: AttemptService, attempt_store: FakeAttemptStore
) -> None:
    attempt = begin()
    attempt_store.down = True
    with pytest.raises(UnavailableError):
        attempts.confirm(attempt)
    with pytest.raises(UnavailableError):
        attempts.fail(attempt, NO_TRAIL)


# Whatever comes in whatever order

Step = tuple[str, int]


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["begin", "wrong", "right", "wait"]), st.integers(0, 7)),
        max_size=60,
    ),
    limit=st.integers(1, 4),
)
def test_no_order_of_things_tells_more_guesses_than_the_limit(
    steps: list[Step], limit: int
) -> None:
    """Attempts begin, end, wrong or right, and time passes: in each window, few were told."""
    clock, tables = FakeClock(), FakeTables()
    window = timedelta(minutes=10)
    limits = AttemptLimits(per_account=limit, window=window, per_address=1_000, mails=2)
    attempts = AttemptService(FakeAttemptStore(tables), limits, clock)
    under_way: list[Attempt] = []
    told: dict[int, int] = {}
    """How many were told that they were wrong, by the window that they began in."""
    for what, number in steps:
        match what:
            case "begin":
                try:
                    facts = NOBODY(attempts, tables, NAME, CLIENT)
                    under_way.append(attempts.begin(facts, attempts.origin(CLIENT, *NAME)))
                except TooManyRequestsError:
                    at = epoch_seconds(clock.now) // 600
                    assert told[at] == limit, "it was refused although there was room"
            case "wait":
                clock.step(minutes=number)
            case _ if under_way:
                attempt = under_way.pop(number % len(under_way))
                at = attempt.count.starts_at // 600
                is_full = told.get(at, 0) == limit
                try:
                    if what == "wrong":
                        attempts.fail(attempt, NO_TRAIL)
                        told[at] = told.get(at, 0) + 1
                    else:
                        attempts.confirm(attempt)
                except TooManyRequestsError:
                    assert is_full, "it was refused although there was room"
                else:
                    assert not is_full, "it was told although there was no room"
    assert clock.now >= START
