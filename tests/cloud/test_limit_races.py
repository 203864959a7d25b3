"""Guesses that come all at once, on the local cloud: no more of them are told than allowed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Barrier, Lock
from uuid import uuid4

import pytest
from pynamodb.connection import Connection

from chalicelib import settings
from chalicelib.container import Container
from chalicelib.domain.errors import TooManyRequestsError
from chalicelib.domain.names import EmailAddress, Username
from chalicelib.domain.passwords import NewPassword, Password
from chalicelib.domain.sessions import Client, TokenSet
from chalicelib.services.passwords import PasswordHasher
from tests.cloud.racing import ROUNDS, WRITERS, Attempt, at_once
from tests.fakes import FakeClock
from tests.samples import CLIENT, PASSWORD

every_round = pytest.mark.parametrize("race", range(ROUNDS))
GUESSES = 64
LIMIT = 10
ELSEWHERE = Client("198.51.100.7", "curl")


class WatchedHasher(PasswordHasher):
    """Counts how often bcrypt was asked whether a password is right, and may hold the answer."""

    def __init__(self, cost: int) -> None:
        super().__init__(cost)
        self._lock = Lock()
        self._gathering: Barrier | None = None
        self.compared = 0
        self.after_right: Callable[[], object] | None = None
        """What happens before anybody hears that a password was right."""

    def gather(self, number: int) -> None:
        """Answer nobody until so many have asked."""
        self._gathering = Barrier(number, self._let_go)

    def matches(self, password: Password, password_hash: str) -> bool:
        with self._lock:
            self.compared += 1
        is_right = super().matches(password, password_hash)
        if self._gathering is not None:
            self._gathering.wait(timeout=30)
        if is_right and self.after_right is not None:
            self.after_right()
        return is_right

    def _let_go(self) -> None:
        self._gathering = None


@pytest.fixture
def hasher() -> WatchedHasher:
    return WatchedHasher(4)


@pytest.fixture
def service(cloud_store: Connection, hasher: WatchedHasher) -> Container:
    """The whole service, few attempts allowed, on a clock that no window ends on."""
    del cloud_store
    stage = replace(settings.load(), attempts_per_account=LIMIT)
    service = Container(stage, FakeClock())
    vars(service)["_hasher"] = hasher
    service.keys.signing_key()  # what threads share is there before they start
    _ = service.accounts, service.sessions, service.credentials, service.authenticator
    return service


def register(service: Container) -> str:
    name = uuid4().hex[:12]
    service.accounts.register(
        EmailAddress.parse(f"{name}@example.com"),
        Username.parse(name),
        NewPassword.parse(PASSWORD),
        CLIENT,
    )
    return name


def guesses(service: Container, name: str, client: Client = ELSEWHERE) -> list[Attempt]:
    """Wrong passwords, by the email and by the username in turn."""
    wrong = Password("wrong")
    by_email = partial(service.sessions.log_in_by_email, f"{name}@example.com", wrong, client)
    by_username = partial(service.sessions.log_in_by_username, name, wrong, client)
    return [by_username if number % 2 else by_email for number in range(GUESSES)]


def compared_by(hasher: WatchedHasher, attempt: Attempt) -> int:
    """How many passwords are compared for one attempt more, which is one too many."""
    before = hasher.compared
    with pytest.raises(TooManyRequestsError):
        attempt()
    return hasher.compared - before


@every_round
@pytest.mark.parametrize("client", [CLIENT, ELSEWHERE], ids=["known address", "elsewhere"])
def test_of_sixty_four_guesses_at_once_as_many_are_told_as_are_allowed(
    service: Container,
    hasher: WatchedHasher,
    client: Client,
    race: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    del race
    name = register(service)
    attempts = guesses(service, name, client)
    ended = Counter(map(str, at_once(attempts)))
    assert ended == {"WrongCredentialsError": LIMIT, "TooManyRequestsError": GUESSES - LIMIT}
    assert compared_by(hasher, attempts[0]) == 0
    events = [vars(record)["line"] for record in caplog.records if "line" in vars(record)]
    assert [event["counted"] for event in events if event["event"] == "attempts_limited"] == [
        "account"
    ]


@every_round
def test_a_name_that_nobody_has_is_guessed_no_more_often(
    service: Container, hasher: WatchedHasher, race: int
) -> None:
    del race
    email = f"{uuid4().hex}@example.com"
    guess = partial(service.sessions.log_in_by_email, email, Password("wrong"), ELSEWHERE)
    ended = Counter(map(str, at_once([guess] * GUESSES)))
    assert ended == {"WrongCredentialsError": LIMIT, "TooManyRequestsError": GUESSES - LIMIT}
    assert compared_by(hasher, guess) == 0


@every_round
def test_a_right_password_among_guesses_gets_in_or_is_told_to_wait(
    service: Container, race: int
) -> None:
    name = register(service)
    log_in = partial(service.sessions.log_in_by_username, name, Password(PASSWORD), ELSEWHERE)
    attempts = guesses(service, name)
    attempts[race * 12] = log_in
    ended = at_once(attempts)
    owner = ended[race * 12]
    got_in = isinstance(owner, TokenSet)
    assert got_in or owner == "TooManyRequestsError"
    wrong = Counter(end for end in ended if isinstance(end, str))["WrongCredentialsError"]
    if got_in:
        # From then on its address is known, and has a count of its own: guesses that are still to
        # come find that one.
        assert LIMIT <= wrong <= 2 * LIMIT
    else:
        assert wrong == LIMIT
        with pytest.raises(TooManyRequestsError):
            log_in()


@every_round
def test_of_right_and_wrong_ones_that_were_compared_before_the_last_place_went_few_are_told(
    service: Container, hasher: WatchedHasher, race: int
) -> None:
    del race
    name = register(service)
    log_in = partial(service.sessions.log_in_by_username, name, Password(PASSWORD), CLIENT)
    wrong = guesses(service, name, CLIENT)[: WRITERS - 2]
    for guess in wrong[: LIMIT - 1]:
        assert at_once([guess]) == ["WrongCredentialsError"]
    hasher.gather(WRITERS)
    ended = at_once([log_in, *wrong, log_in])
    told = Counter("in" if isinstance(end, TokenSet) else str(end) for end in ended)
    assert told["WrongCredentialsError"] == 1, "it had the last place"
    assert told["in"] <= 2
    assert told["TooManyRequestsError"] == WRITERS - 1 - told["in"]
    assert compared_by(hasher, log_in) == 0


@every_round
def test_right_passwords_that_were_compared_while_the_last_place_went_are_not_let_in(
    service: Container, hasher: WatchedHasher, race: int
) -> None:
    del race
    name = register(service)
    log_in = partial(service.sessions.log_in_by_username, name, Password(PASSWORD), CLIENT)
    wrong = guesses(service, name, CLIENT)[:LIMIT]
    # The guesses are told while the right passwords have been compared, and nobody knows yet.
    hasher.after_right = lambda: [at_once([guess]) for guess in wrong]
    assert at_once([log_in]) == ["TooManyRequestsError"]


@every_round
def test_the_owner_gets_in_at_home_in_the_midst_of_guesses(service: Container, race: int) -> None:
    name = register(service)
    log_in = partial(service.sessions.log_in_by_username, name, Password(PASSWORD), CLIENT)
    attempts = guesses(service, name)
    attempts[race * 12] = log_in
    assert isinstance(at_once(attempts)[race * 12], TokenSet)
    assert log_in().public_id


@every_round
def test_right_passwords_that_come_at_once_take_no_places(service: Container, race: int) -> None:
    del race
    name = register(service)
    log_in = partial(service.sessions.log_in_by_username, name, Password(PASSWORD), CLIENT)
    assert all(isinstance(end, TokenSet) for end in at_once([log_in] * WRITERS))
    ended = Counter(map(str, at_once(guesses(service, name, CLIENT))))
    assert ended["WrongCredentialsError"] == LIMIT
