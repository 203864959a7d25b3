"""Races for a session, a password or a right, on the local cloud: one state is left."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from uuid import uuid4

import pytest
from pynamodb.connection import Connection

from chalicelib import settings
from chalicelib.container import Container
from chalicelib.domain.changes import Changes
from chalicelib.domain.errors import NotAuthenticatedError, RefreshTokenInvalidError
from chalicelib.domain.names import EmailAddress, Username
from chalicelib.domain.passwords import NewPassword, Password
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import TokenSet
from chalicelib.settings import Settings
from chalicelib.store.transactions import Transactions
from chalicelib.store.users import DynamoUserStore
from tests.cloud.racing import ROUNDS, WRITERS, Attempt, at_once
from tests.samples import CLIENT, PASSWORD, ROWS

every_round = pytest.mark.parametrize("race", range(ROUNDS))
MOST_SESSIONS = 3

Sets = list[TokenSet]


@pytest.fixture
def service(cloud_store: Connection) -> Container:
    """The whole service, with few sessions a user."""
    del cloud_store
    return _started(replace(settings.load(), sessions_per_user=MOST_SESSIONS))


@pytest.fixture
def unforgiving(cloud_store: Connection) -> Container:
    """The same, with a grace of one second."""
    del cloud_store
    return _started(replace(settings.load(), refresh_grace_seconds=1))


def _started(stage: Settings) -> Container:
    service = Container(stage)
    service.keys.signing_key()  # what threads share is there before they start
    _ = service.accounts, service.sessions, service.credentials, service.authenticator
    return service


def register(service: Container) -> TokenSet:
    name = uuid4().hex[:12]
    token_set = service.accounts.register(
        EmailAddress.parse(f"{name}@example.com"),
        Username.parse(name),
        NewPassword.parse(PASSWORD),
        CLIENT,
    )
    assert token_set
    return token_set


def log_in(service: Container, name: str) -> TokenSet:
    return service.sessions.log_in_by_username(name, Password(PASSWORD), CLIENT)


def caller_of(service: Container, token_set: TokenSet) -> Principal:
    return service.authenticator.authenticate(token_set.access_token)


def works(service: Container, token_set: TokenSet) -> bool:
    try:
        caller_of(service, token_set)
    except NotAuthenticatedError:
        return False
    return True


def refreshes(service: Container, token_set: TokenSet) -> bool:
    try:
        service.sessions.refresh(token_set.refresh_token, CLIENT)
    except RefreshTokenInvalidError:
        return False
    return True


def token_sets(ended: list[object]) -> Sets:
    return [end for end in ended if isinstance(end, TokenSet)]


@every_round
def test_sixteen_refreshes_of_one_token_all_get_the_same_next_one(
    service: Container, race: int
) -> None:
    opened = register(service)
    refresh = partial(service.sessions.refresh, opened.refresh_token, CLIENT)
    got = token_sets(at_once([refresh] * WRITERS))
    assert len(got) == WRITERS
    assert len({token_set.refresh_token for token_set in got}) == 1
    assert {token_set.session_id for token_set in got} == {opened.session_id}
    assert all(works(service, token_set) for token_set in (opened, *got))
    assert len(service.sessions.list(caller_of(service, got[race]))) == 1


def test_sixteen_clients_of_one_session_that_each_go_on_stay_in_one_line(
    service: Container,
) -> None:
    opened = register(service)

    def go_on() -> TokenSet:
        token_set = opened
        for _ in range(4):
            token_set = service.sessions.refresh(token_set.refresh_token, CLIENT)
        return token_set

    got = token_sets(at_once([go_on] * WRITERS))
    assert len(got) == WRITERS
    for each in got:  # whichever of them is the current one is spent by this
        service.sessions.refresh(each.refresh_token, CLIENT)
    present = {service.sessions.refresh(each.refresh_token, CLIENT).refresh_token for each in got}
    assert len(present) == 1


@every_round
def test_sixteen_uses_of_a_token_that_is_long_spent_end_the_session_for_all(
    unforgiving: Container, race: int
) -> None:
    service = unforgiving
    del race
    opened = register(service)
    present = service.sessions.refresh(opened.refresh_token, CLIENT)
    time.sleep(1.1)
    refresh = partial(service.sessions.refresh, opened.refresh_token, CLIENT)
    assert at_once([refresh] * WRITERS) == ["RefreshTokenInvalidError"] * WRITERS
    assert not works(service, opened)
    assert not works(service, present)
    assert not refreshes(service, present)


Act = Callable[[Container, Principal], object]


@every_round
@pytest.mark.parametrize(
    "act",
    [
        lambda service, caller: service.sessions.log_out(caller, CLIENT),
        lambda service, caller: service.sessions.end(caller, caller.session_id, CLIENT),
        lambda service, caller: service.sessions.end_all(caller, CLIENT),
        lambda service, caller: service.accounts.close(caller, "me", Password(PASSWORD), CLIENT),
    ],
    ids=["logout", "end", "end all", "close"],
)
def test_a_session_that_is_ended_while_it_is_refreshed_is_ended(
    service: Container, act: Act, race: int
) -> None:
    del race
    opened = register(service)
    caller = caller_of(service, opened)
    refresh: Attempt = partial(service.sessions.refresh, opened.refresh_token, CLIENT)
    ended = at_once([partial(act, service, caller), *[refresh] * 7])
    assert ended[0] is None
    for token_set in (opened, *token_sets(ended)):
        assert not works(service, token_set)
        assert not refreshes(service, token_set)


@every_round
def test_of_sixteen_logins_no_more_sessions_stay_than_are_allowed(
    service: Container, race: int
) -> None:
    del race
    name = caller_of(service, register(service)).user.username
    ended = at_once([partial(log_in, service, name)] * WRITERS)
    got = token_sets(ended)
    assert len(got) == WRITERS, Counter(map(str, ended))
    alive = [token_set for token_set in got if works(service, token_set)]
    assert len(alive) == MOST_SESSIONS
    listed = service.sessions.list(caller_of(service, alive[0]))
    assert {session.session_id for session in listed} == {each.session_id for each in alive}
    assert all(refreshes(service, token_set) for token_set in alive)


@every_round
def test_of_sixteen_new_passwords_one_is_kept_and_one_session_with_it(
    service: Container, race: int
) -> None:
    del race
    opened = register(service)
    caller = caller_of(service, opened)

    def change(number: int) -> TokenSet:
        new = NewPassword(f"password number {number}")
        return service.credentials.change(caller, Password(PASSWORD), new, CLIENT)

    ended = at_once([partial(change, number) for number in range(WRITERS)])
    (changed,) = token_sets(ended)
    assert Counter(end for end in ended if end is not changed) == {"TokenInvalidError": 15}
    assert not works(service, opened)
    assert works(service, changed)
    kept = Password(f"password number {ended.index(changed)}")
    service.sessions.log_in_by_username(caller.user.username, kept, CLIENT)


@every_round
def test_logins_during_a_change_of_password_are_dead_or_of_the_new_one(
    service: Container, race: int
) -> None:
    del race
    opened = register(service)
    caller = caller_of(service, opened)
    new = NewPassword("another horse")
    change: Attempt = partial(service.credentials.change, caller, Password(PASSWORD), new, CLIENT)
    ended = at_once([change, *[partial(log_in, service, caller.user.username)] * 7])
    changed, *others = ended
    assert isinstance(changed, TokenSet)
    assert works(service, changed)
    assert refreshes(service, changed)
    for token_set in token_sets(others):
        assert not works(service, token_set), "it was let in by the old password"
        assert not refreshes(service, token_set)


@every_round
def test_of_admins_who_demote_each_other_and_themselves_one_is_left(
    service: Container, cloud_store: Connection, race: int
) -> None:
    del race
    users = DynamoUserStore(cloud_store, Transactions(cloud_store), ROWS)
    for left_by_others in users.admins():
        users.update(left_by_others, Changes(admin=False))
    callers = []
    for _ in range(4):
        token_set = register(service)
        email = EmailAddress.parse(caller_of(service, token_set).user.email)
        service.accounts.promote(email)
        callers.append(caller_of(service, token_set))
    ids = [caller.user.public_id for caller in callers]

    def demote(caller: Principal, public_id: str) -> object:
        return service.accounts.change(caller, public_id, Changes(admin=False), CLIENT)

    at_once([partial(demote, caller, public_id) for caller in callers for public_id in ids])
    # Whoever is still an admin steps down, as far as that is possible.
    at_once([partial(demote, caller, "me") for caller in callers])
    assert len(set(users.admins())) == 1
