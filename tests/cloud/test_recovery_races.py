"""Races of mailed tokens, on the local cloud: with one token or for one address, one wins."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import pytest
from pynamodb.connection import Connection

from chalicelib import settings
from chalicelib.container import Container
from chalicelib.domain.mailed_tokens import Purpose
from chalicelib.domain.names import EmailAddress, Username, fold
from chalicelib.domain.passwords import NewPassword, Password
from chalicelib.domain.principals import Principal
from chalicelib.store.mailed_tokens import DynamoMailedTokenStore
from tests.cloud.racing import ROUNDS, WRITERS, Attempt, at_once
from tests.mailed import mailed
from tests.samples import CLIENT, PASSWORD

each_race = pytest.mark.parametrize("race", range(ROUNDS))


@pytest.fixture
def service(cloud_store: Connection) -> Container:
    del cloud_store
    service = Container(settings.load())
    service.keys.signing_key()  # what threads share is there before they start
    _ = service.accounts, service.sessions, service.recovery, service.emails
    return service


class Person:
    """Somebody with an account."""

    def __init__(self, service: Container) -> None:
        self._service = service
        self.name = uuid4().hex[:12]
        self.email = f"{self.name}@example.com"
        token_set = service.accounts.register(
            EmailAddress(self.email), Username(self.name), NewPassword(PASSWORD), CLIENT
        )
        assert token_set
        self.caller = service.authenticator.authenticate(token_set.access_token)
        self.public_id = token_set.public_id

    def token(self, purpose: Purpose, address: str) -> str:
        text, record = mailed(self.public_id, purpose, address, at=datetime.now(UTC))
        DynamoMailedTokenStore().add(record)
        return text

    def wants(self, email: str) -> str:
        """The token that confirms an address."""
        self._service.emails.request_change(
            self.caller, "me", EmailAddress(email), Password(PASSWORD), CLIENT
        )
        return self.token(Purpose.CONFIRM, email)

    def log_in(self, password: str = PASSWORD) -> Principal:
        token_set = self._service.sessions.log_in_by_username(self.name, Password(password), CLIENT)
        return self._service.authenticator.authenticate(token_set.access_token)


@each_race
def test_of_sixteen_resets_with_one_token_one_wins(service: Container, race: int) -> None:
    person = Person(service)
    token = person.token(Purpose.RESET, person.email)
    chosen = [f"{race} horse altogether {number}" for number in range(WRITERS)]
    ended = at_once(
        [
            partial(service.recovery.reset, token, NewPassword(password), CLIENT)
            for password in chosen
        ]
    )
    assert Counter(ended) == {None: 1, "MailedTokenInvalidError": WRITERS - 1}
    person.log_in(chosen[ended.index(None)])


@each_race
def test_a_login_that_races_a_reset_leaves_no_session_of_the_old_password(
    service: Container, race: int
) -> None:
    person = Person(service)
    token = person.token(Purpose.RESET, person.email)
    chosen = f"{race} horse altogether"
    reset: Attempt = partial(service.recovery.reset, token, NewPassword(chosen), CLIENT)
    logins: list[Attempt] = [
        partial(service.sessions.log_in_by_username, person.name, Password(PASSWORD), CLIENT)
    ] * 4
    assert at_once([reset, *logins])[0] is None
    alive = service.sessions.list(person.log_in(chosen))
    assert len(alive) == 1


@each_race
def test_after_a_reset_no_address_is_wanted_by_the_old_password(
    service: Container, race: int
) -> None:
    person = Person(service)
    token = person.token(Purpose.RESET, person.email)
    new = NewPassword(f"{race} horse altogether")
    wishes: list[Attempt] = [
        partial(person.wants, f"{race}-{number}-{uuid4().hex[:12]}@example.com")
        for number in range(4)
    ]
    assert at_once([partial(service.recovery.reset, token, new, CLIENT), *wishes])[0] is None
    found = service._users.get(person.public_id)  # noqa: SLF001 - behind the service's back
    assert found
    assert found.pending_email is None


@each_race
def test_of_users_who_change_to_one_address_one_wins(service: Container, race: int) -> None:
    people = [Person(service) for _ in range(4)]
    email = f"{race}-{uuid4().hex[:12]}@example.com"
    tokens = [
        person.wants(email if number % 2 else email.upper()) for number, person in enumerate(people)
    ]
    ended = at_once([partial(service.emails.verify, token, CLIENT) for token in tokens])
    assert Counter(ended) == {None: 1, "EmailTakenError": len(people) - 1}
    winner = people[ended.index(None)]
    found = service._users.find_by_email(fold(email))  # noqa: SLF001 - behind the service's back
    assert found
    assert found.public_id == winner.public_id
    for person in people:
        holder = service._users.find_by_email(fold(person.email))  # noqa: SLF001 - likewise
        assert (holder is None) == (person is winner)


@each_race
def test_of_a_confirmation_and_registrations_of_an_address_one_wins(
    service: Container, race: int
) -> None:
    person = Person(service)
    email = f"{race}-{uuid4().hex[:12]}@example.com"
    token = person.wants(email)
    registrations: list[Attempt] = [
        partial(
            service.accounts.register,
            EmailAddress(email),
            Username(uuid4().hex[:12]),
            NewPassword(PASSWORD),
            CLIENT,
        )
        for _ in range(4)
    ]
    confirmed, *registered = at_once(
        [partial(service.emails.verify, token, CLIENT), *registrations]
    )
    refused = registered.count("EmailTakenError")
    assert (confirmed, refused) in [(None, 4), ("EmailTakenError", 3)]
    found = service._users.find_by_email(fold(email))  # noqa: SLF001 - behind the service's back
    assert found
    assert (found.public_id == person.public_id) == (confirmed is None)


@each_race
def test_of_an_undoing_and_a_further_change_the_owner_has_the_last_word(
    service: Container, race: int
) -> None:
    person = Person(service)
    tag = f"{race}-{uuid4().hex[:12]}"
    service.emails.verify(person.wants(f"{tag}@example.com"), CLIENT)
    undo = person.token(Purpose.UNDO, person.email)
    person.caller = person.log_in()
    confirm = person.wants(f"{tag}@example.org")
    ended = at_once(
        [
            partial(service.emails.undo, undo, CLIENT),
            partial(service.emails.verify, confirm, CLIENT),
        ]
    )
    assert ended[0] is None
    assert ended[1] in (None, "MailedTokenInvalidError")
    found = service._users.find_by_email(fold(person.email))  # noqa: SLF001 - likewise
    assert found
    assert (found.public_id, found.former_emails) == (person.public_id, ())
    for domain in ("com", "org"):
        _register(service, f"{tag}@example.{domain}")


def _register(service: Container, email: str) -> None:
    """Register an address, which has to be free."""
    assert service.accounts.register(
        EmailAddress(email), Username(uuid4().hex[:12]), NewPassword(PASSWORD), CLIENT
    )


@each_race
def test_mails_are_counted_exactly(service: Container, race: int) -> None:
    email = EmailAddress(f"{race}-{uuid4().hex[:12]}@example.com")
    forgot: Callable[[], object] = partial(service.recovery.forgot, email, CLIENT)
    limit = service.settings.mails_per_hour
    # An hour may begin in between, as tests do not choose when they run.
    assert Counter(at_once([forgot] * WRITERS))[None] in (limit, 2 * limit)
