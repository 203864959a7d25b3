"""Guesses that come all at once, on the local cloud: no more of them are compared than allowed."""

from collections import Counter
from dataclasses import replace
from functools import partial
from threading import Lock
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
from tests.cloud.racing import ROUNDS, Attempt, at_once
from tests.fakes import FakeClock
from tests.samples import CLIENT, PASSWORD

every_round = pytest.mark.parametrize("race", range(ROUNDS))
GUESSES = 64
LIMIT = 10
ELSEWHERE = Client("198.51.100.7", "curl")


class CountingHasher(PasswordHasher):
    """Counts how often bcrypt was asked whether a password is right."""

    def __init__(self, cost: int) -> None:
        super().__init__(cost)
        self._lock = Lock()
        self.compared = 0

    def matches(self, password: Password, password_hash: str) -> bool:
        with self._lock:
            self.compared += 1
        return super().matches(password, password_hash)


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher(4)


@pytest.fixture
def service(cloud_store: Connection, hasher: CountingHasher) -> Container:
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


@every_round
@pytest.mark.parametrize("client", [CLIENT, ELSEWHERE], ids=["known address", "elsewhere"])
def test_of_sixty_four_guesses_at_once_as_many_are_compared_as_are_allowed(
    service: Container, hasher: CountingHasher, client: Client, race: int
) -> None:
    del race
    name = register(service)
    ended = Counter(map(str, at_once(guesses(service, name, client))))
    assert ended == {"WrongCredentialsError": LIMIT, "TooManyRequestsError": GUESSES - LIMIT}
    assert hasher.compared == LIMIT


@every_round
def test_a_name_that_nobody_has_is_guessed_no_more_often(
    service: Container, hasher: CountingHasher, race: int
) -> None:
    del race
    email = f"{uuid4().hex}@example.com"
    guess = partial(service.sessions.log_in_by_email, email, Password("wrong"), ELSEWHERE)
    ended = Counter(map(str, at_once([guess] * GUESSES)))
    assert ended == {"WrongCredentialsError": LIMIT, "TooManyRequestsError": GUESSES - LIMIT}
    assert hasher.compared == LIMIT


@every_round
def test_a_right_password_among_guesses_gets_in_or_is_told_to_wait(
    service: Container, hasher: CountingHasher, race: int
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
    assert hasher.compared == wrong + got_in
    if got_in:
        # Its place may have been held while the rest was refused. And from then on its address is
        # known, and has a count of its own: guesses that are still to come find that one.
        assert LIMIT - 1 <= wrong <= 2 * LIMIT
    else:
        assert wrong == LIMIT
        with pytest.raises(TooManyRequestsError):
            log_in()


@every_round
def test_the_owner_gets_in_at_home_in_the_midst_of_guesses(service: Container, race: int) -> None:
    name = register(service)
    log_in = partial(service.sessions.log_in_by_username, name, Password(PASSWORD), CLIENT)
    attempts = guesses(service, name)
    attempts[race * 12] = log_in
    assert isinstance(at_once(attempts)[race * 12], TokenSet)
    assert log_in().public_id


@every_round
def test_right_passwords_that_come_at_once_give_all_their_places_back(
    service: Container, race: int
) -> None:
    del race
    name = register(service)
    log_in = partial(service.sessions.log_in_by_username, name, Password(PASSWORD), CLIENT)
    assert all(isinstance(end, TokenSet) for end in at_once([log_in] * LIMIT))
    ended = Counter(map(str, at_once(guesses(service, name, CLIENT))))
    assert ended["WrongCredentialsError"] == LIMIT
