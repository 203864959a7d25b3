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

from chalicelib.domain.attempts import KNOWN_FOR, Attempt, KnownAddress, LoginFacts, network_of
from chalicelib.domain.errors import TooManyRequestsError, UnavailableError
from chalicelib.domain.sessions import Client
from chalicelib.domain.times import epoch_seconds
from chalicelib.domain.users import Credentials
from chalicelib.services.attempts import AttemptLimits, AttemptService
from tests.fakes import START, FakeAttemptStore, FakeClock, FakeTables
from tests.samples import CLIENT, a_session, a_user
from tests.unit.services.conftest import ATTEMPT_LIMITS

ELSEWHERE = Client("198.51.100.7", "curl")
NAME = ("email", "nobody@example.com")
LIMIT = ATTEMPT_LIMITS.per_account
NOBODY = LoginFacts(None, key_revoked=False, address=None, failures_from_address=0)
KNOWN = replace(
    NOBODY, credentials=Credentials(a_user(), "a hash"), address=KnownAddress.of(a_session())
)
UNKNOWN_ADDRESS = replace(KNOWN, address=None)

Try = Callable[..., Attempt]


@pytest.fixture
def guess(attempts: AttemptService) -> Try:
    """A wrong password."""

    def guess(
        facts: LoginFacts = NOBODY, name: tuple[str, ...] = NAME, client: Client = CLIENT
    ) -> Attempt:
        attempt = attempts.begin(name, facts, attempts.origin(client))
        attempts.fail(attempt)
        return attempt

    return guess


def _waits(act: Callable[[], object]) -> int:
    """For how many seconds somebody is told to wait."""
    with pytest.raises(TooManyRequestsError) as refusal:
        act()
    return refusal.value.retry_after


@pytest.mark.parametrize("facts", [NOBODY, KNOWN, UNKNOWN_ADDRESS], ids=["nobody", "known", "new"])
def test_so_many_wrong_passwords_may_be_shown_and_no_more(guess: Try, facts: LoginFacts) -> None:
    for number in range(LIMIT):
        assert guess(facts).number == number + 1
    for _ in range(3):
        _waits(lambda: guess(facts))


@pytest.mark.parametrize("facts", [NOBODY, KNOWN, UNKNOWN_ADDRESS], ids=["nobody", "known", "new"])
@pytest.mark.parametrize("passed", [0, 1, 0.5, 299, 599.999])
def test_whoever_waits_as_long_as_they_are_told_may_try_again(
    guess: Try, clock: FakeClock, facts: LoginFacts, passed: float
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
    assert guess(facts).number == 1


def test_a_name_that_nobody_has_is_told_to_wait_as_long_as_an_accounts(guess: Try) -> None:
    for facts in (NOBODY, UNKNOWN_ADDRESS):
        for _ in range(LIMIT):
            guess(facts)
    assert _waits(guess) == _waits(lambda: guess(UNKNOWN_ADDRESS))


def test_names_that_nobody_has_are_counted_each_for_itself(guess: Try) -> None:
    for _ in range(LIMIT):
        guess()
    assert guess(name=("username", "nobody@example.com")).number == 1
    assert guess(name=("email", "somebody@example.com")).number == 1


def test_the_names_of_one_account_share_a_count(guess: Try) -> None:
    for number in range(LIMIT):
        guess(UNKNOWN_ADDRESS, ("email", "x") if number % 2 else ("username", "y"))
    for name in (("email", "x"), ("username", "y")):
        _waits(partial(guess, UNKNOWN_ADDRESS, name))


def test_what_is_given_back_was_never_counted(attempts: AttemptService, guess: Try) -> None:
    origin = attempts.origin(CLIENT)
    for _ in range(LIMIT * 2):
        attempts.give_back(attempts.begin(NAME, NOBODY, origin))
    for _ in range(LIMIT):
        guess()


def test_an_attempt_of_an_earlier_window_is_given_back_to_that_one(
    attempts: AttemptService, guess: Try, clock: FakeClock
) -> None:
    before = attempts.begin(NAME, NOBODY, attempts.origin(CLIENT))
    clock.step(minutes=10)
    for _ in range(LIMIT):
        guess()
    attempts.give_back(before)
    _waits(guess)


# The address


def test_whoever_uses_up_an_accounts_attempts_locks_nobody_out_at_home(guess: Try) -> None:
    for _ in range(LIMIT):
        guess(UNKNOWN_ADDRESS, client=ELSEWHERE)
    _waits(lambda: guess(UNKNOWN_ADDRESS, client=ELSEWHERE))
    for _ in range(LIMIT):
        guess(KNOWN)
    _waits(lambda: guess(KNOWN))


def test_others_at_a_known_address_do_not_keep_its_owner_from_logging_in(guess: Try) -> None:
    flooded = replace(KNOWN, failures_from_address=ATTEMPT_LIMITS.per_address)
    assert guess(flooded).number == 1


@pytest.mark.parametrize("facts", [NOBODY, UNKNOWN_ADDRESS], ids=["nobody", "new"])
def test_an_address_with_too_many_wrong_ones_waits_till_the_minute_is_over(
    guess: Try, tables: FakeTables, facts: LoginFacts, clock: FakeClock
) -> None:
    flooded = replace(facts, failures_from_address=ATTEMPT_LIMITS.per_address)
    assert _waits(lambda: guess(flooded)) == 60 - epoch_seconds(clock.now) % 60
    assert not tables.counts, "nothing was counted against the account"


def test_an_address_is_limited_over_all_accounts(
    attempts: AttemptService, guess: Try, clock: FakeClock
) -> None:
    for number in range(ATTEMPT_LIMITS.per_address):
        guess(name=("email", str(number)))
    _waits(lambda: guess(name=("email", "one more")))
    _waits(lambda: attempts.fail_from(attempts.origin(CLIENT)))
    attempts.fail_from(attempts.origin(ELSEWHERE))
    clock.step(minutes=1)
    guess(name=("email", "one more"))


def test_an_address_is_remembered_when_it_is_new_and_when_half_its_time_is_over(
    attempts: AttemptService, clock: FakeClock
) -> None:
    def remembers(facts: LoginFacts) -> bool:
        attempt = attempts.begin(NAME, facts, attempts.origin(CLIENT))
        attempts.give_back(attempt)
        admission = attempts.admit(attempt)
        assert admission.given_back == attempt.count
        return admission.remembers

    assert remembers(UNKNOWN_ADDRESS)
    assert not remembers(KNOWN)
    clock.step(seconds=KNOWN_FOR.total_seconds() / 2)
    assert not remembers(KNOWN)
    clock.step(seconds=1)
    assert remembers(KNOWN)


def test_an_address_is_forgotten_in_time_and_when_all_sessions_end(
    guess: Try, clock: FakeClock
) -> None:
    for _ in range(LIMIT):
        guess(UNKNOWN_ADDRESS)
    later = replace(KNOWN, credentials=Credentials(a_user(token_version=2), "a hash"))
    _waits(lambda: guess(later))
    clock.step(seconds=KNOWN_FOR.total_seconds() - 1)
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
    guess: Try, caplog: pytest.LogCaptureFixture, facts: LoginFacts, whose: dict[str, str]
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


def test_a_limit_that_a_right_password_reached_is_not_told_of(
    attempts: AttemptService, guess: Try, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(LIMIT - 1):
        guess()
    attempts.give_back(attempts.begin(NAME, NOBODY, attempts.origin(CLIENT)))
    assert _events(caplog) == []


def test_an_address_that_reaches_its_limit_is_told_of_once(
    attempts: AttemptService, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(ATTEMPT_LIMITS.per_address):
        attempts.fail_from(attempts.origin(CLIENT))
    for _ in range(3):
        _waits(lambda: attempts.fail_from(attempts.origin(CLIENT)))
    assert _events(caplog) == [{"event": "attempts_limited", "counted": "address"}]
    assert CLIENT.ip not in caplog.text


def test_without_a_store_nothing_may_be_tried(guess: Try, attempt_store: FakeAttemptStore) -> None:
    attempt_store.down = True
    with pytest.raises(UnavailableError):
        guess()


# Whatever comes in whatever order

Step = tuple[str, int]


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["begin", "wrong", "right", "wait"]), st.integers(0, 7)),
        max_size=60,
    ),
    limit=st.integers(1, 4),
)
def test_no_order_of_things_lets_more_guesses_through_than_the_limit(
    steps: list[Step], limit: int
) -> None:
    """Attempts begin, end, wrong or right, and time passes: in each window, few were compared."""
    clock = FakeClock()
    window = timedelta(minutes=10)
    limits = AttemptLimits(per_account=limit, window=window, per_address=1_000, mails=2)
    attempts = AttemptService(FakeAttemptStore(FakeTables()), limits, clock)
    under_way: list[Attempt] = []
    compared: dict[int, int] = {}
    """How many are under way or were wrong, by the window that they began in."""
    for what, number in steps:
        match what:
            case "begin":
                at = epoch_seconds(clock.now) // 600
                try:
                    attempt = attempts.begin(NAME, NOBODY, attempts.origin(CLIENT))
                except TooManyRequestsError:
                    assert compared[at] == limit, "it was refused although there was room"
                    continue
                under_way.append(attempt)
                compared[at] = compared.get(at, 0) + 1
                assert compared[at] <= limit
            case "wait":
                clock.step(minutes=number)
            case _ if under_way:
                attempt = under_way.pop(number % len(under_way))
                if what == "wrong":
                    attempts.fail(attempt)
                else:
                    attempts.give_back(attempt)
                    compared[attempt.count.starts_at // 600] -= 1
    assert clock.now >= START
