"""Sessions: the fake and the real store keep one contract."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

import pytest
from pynamodb.connection import Connection

from chalicelib.domain.attempts import Outcome
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import Client, Lineage, RefreshFacts, RefreshToken, Session
from chalicelib.domain.times import epoch_seconds
from chalicelib.domain.users import Credentials
from chalicelib.services.accounts import UserSessionStore, UserStore
from chalicelib.services.credentials import PasswordStore
from chalicelib.services.sessions import CredentialStore, SessionStore
from chalicelib.store.revoked_keys import DynamoRevocationStore
from chalicelib.store.sessions import DynamoSessionStore
from chalicelib.store.transactions import Transactions
from chalicelib.store.users import DynamoUserStore
from tests.aws import REVOKED_TOKENS, Cloud, Wire
from tests.fakes import START, FakeSessionStore, FakeTables, FakeUserStore, public_id
from tests.samples import ADMISSION, ORIGIN, ROWS, a_count, a_session, a_user, add

NOW = epoch_seconds(START)
UNTIL = NOW + 900


class Users(UserStore, PasswordStore, CredentialStore, Protocol):
    """What is asked of users here."""


class Sessions(SessionStore, UserSessionStore, Protocol):
    """All that services ask of sessions."""


@dataclass
class Stores:
    users: Users
    sessions: Sessions
    revoked: Callable[[], dict[str, int]]
    revoke_key: Callable[[str], object]


@pytest.fixture(params=["fake", "real"])
def stores(request: pytest.FixtureRequest) -> Stores:
    if request.param == "fake":
        tables = FakeTables()
        return Stores(
            FakeUserStore(tables),
            FakeSessionStore(tables),
            lambda: dict(tables.revoked),
            tables.revoke_key,
        )
    cloud: Cloud = request.getfixturevalue("cloud")
    connection: Connection = request.getfixturevalue("connection")
    transactions = Transactions(connection)
    return Stores(
        DynamoUserStore(connection, transactions, ROWS),
        DynamoSessionStore(connection, transactions, ROWS),
        lambda: {
            row["token_id"]["S"]: int(row["expires_at"]["N"]) for row in cloud.rows(REVOKED_TOKENS)
        },
        DynamoRevocationStore(transactions).revoke_key,
    )


@pytest.fixture
def sessions(stores: Stores) -> Sessions:
    return stores.sessions


def a_token(session: Session, secret: bytes = bytes(32)) -> RefreshToken:
    return RefreshToken(session.public_id, session.session_id, bytes(16), secret)


def of(token: RefreshToken, number: int = 0) -> Session:
    """A session whose current token this is."""
    return a_session(number=number, lineage=Lineage(token.family_hash, token.secret_hash))


# Opening


def test_a_session_is_read_back_as_it_was_opened(sessions: Sessions) -> None:
    session = a_session(
        number=5,
        created_at=START + timedelta(microseconds=123_456),
        last_used_at=START + timedelta(days=1, microseconds=1),
        client=Client("2001:db8::1", "Mozilla/5.0 (ü 🦊)"),
        token_version=7,
    )
    assert sessions.open(session, None, UNTIL, ADMISSION) is Outcome.DONE
    assert sessions.of_user(public_id(1)) == (session,)


def test_a_client_that_says_nothing_of_itself_has_a_session_too(sessions: Sessions) -> None:
    session = a_session(client=Client("", ""))
    assert sessions.open(session, None, UNTIL, ADMISSION) is Outcome.DONE
    assert sessions.of_user(public_id(1)) == (session,)


def test_the_sessions_of_a_user_are_theirs_alone(sessions: Sessions) -> None:
    for number in range(3):
        sessions.open(a_session(number=number), None, UNTIL, ADMISSION)
    sessions.open(a_session(a_user(2)), None, UNTIL, ADMISSION)
    assert set(sessions.of_user(public_id(1))) == {a_session(number=number) for number in range(3)}
    assert sessions.of_user(public_id(2)) == (a_session(a_user(2)),)
    assert sessions.of_user(public_id(3)) == ()


def another(session: Session, **facts: object) -> Session:
    """Another session, in the same slot."""
    return replace(session, session_id=session.session_id[:-1] + "f", **facts)  # type: ignore[arg-type] # named by the tests


def test_a_slot_that_is_taken_is_left_alone(sessions: Sessions) -> None:
    sessions.open(a_session(), None, UNTIL, ADMISSION)
    assert sessions.open(another(a_session()), None, UNTIL, ADMISSION) is Outcome.CHANGED
    assert sessions.of_user(public_id(1)) == (a_session(),)


def test_opening_a_session_may_be_repeated(sessions: Sessions) -> None:
    for _ in range(2):
        assert sessions.open(a_session(), None, UNTIL, ADMISSION) is Outcome.DONE
    assert sessions.of_user(public_id(1)) == (a_session(),)


@pytest.mark.parametrize(
    "ended", [{"expires_at": START}, {"token_version": 2}], ids=["lapsed", "of an older version"]
)
def test_a_slot_of_a_session_that_has_ended_is_free(
    sessions: Sessions, ended: dict[str, object]
) -> None:
    sessions.open(replace(a_session(token_version=3), **ended), None, UNTIL, ADMISSION)  # type: ignore[arg-type] # named by the test
    newer = another(a_session(), token_version=3)
    assert sessions.open(newer, None, UNTIL, ADMISSION) is Outcome.DONE
    assert sessions.of_user(public_id(1)) == (newer,)


def test_a_session_of_a_newer_version_is_not_taken_for_an_ended_one(sessions: Sessions) -> None:
    sessions.open(a_session(token_version=2), None, UNTIL, ADMISSION)
    assert (
        sessions.open(another(a_session(), token_version=1), None, UNTIL, ADMISSION)
        is Outcome.CHANGED
    )
    assert sessions.of_user(public_id(1)) == (a_session(token_version=2),)


@pytest.mark.parametrize("slot", [0, 1], ids=["its own slot", "another slot"])
def test_one_session_makes_room_for_another(stores: Stores, slot: int) -> None:
    stores.sessions.open(a_session(), None, UNTIL, ADMISSION)
    newer = another(a_session(number=slot))
    assert stores.sessions.open(newer, a_session().session_id, UNTIL, ADMISSION) is Outcome.DONE
    assert stores.sessions.of_user(public_id(1)) == (newer,)
    assert stores.revoked() == {a_session().session_id: UNTIL}
    assert stores.sessions.open(newer, a_session().session_id, UNTIL, ADMISSION) is Outcome.DONE, (
        "it may be repeated"
    )
    assert stores.sessions.of_user(public_id(1)) == (newer,)


def test_a_session_that_is_gone_already_makes_room_all_the_same(stores: Stores) -> None:
    newer = another(a_session(number=1))
    assert stores.sessions.open(newer, a_session().session_id, UNTIL, ADMISSION) is Outcome.DONE
    assert stores.sessions.of_user(public_id(1)) == (newer,)


def test_nothing_is_ended_for_a_session_that_finds_its_slot_taken(stores: Stores) -> None:
    for number in range(2):
        stores.sessions.open(a_session(number=number), None, UNTIL, ADMISSION)
    assert (
        stores.sessions.open(another(a_session(number=1)), a_session().session_id, UNTIL, ADMISSION)
        is Outcome.CHANGED
    )
    assert len(stores.sessions.of_user(public_id(1))) == 2
    assert stores.revoked() == {}


def test_no_session_makes_room_in_the_place_of_another(stores: Stores) -> None:
    stores.sessions.open(another(a_session()), None, UNTIL, ADMISSION)
    assert (
        stores.sessions.open(a_session(number=1), a_session().session_id, UNTIL, ADMISSION)
        is Outcome.CHANGED
    )
    assert stores.sessions.of_user(public_id(1)) == (another(a_session()),)
    assert stores.revoked() == {}


def test_sessions_that_can_be_used_are_told_oldest_first(sessions: Sessions) -> None:
    openings = [START + timedelta(microseconds=each) for each in (2, 1, 0, 1)]
    for number, opening in enumerate(openings):
        sessions.open(a_session(number=number, created_at=opening), None, UNTIL, ADMISSION)
    sessions.open(a_session(a_user(2)), None, UNTIL, ADMISSION)
    assert sessions.alive(a_user(), NOW) == tuple(
        a_session(number=number).session_id for number in (2, 1, 3, 0)
    )
    assert sessions.alive(a_user(3), NOW) == ()


@pytest.mark.parametrize(
    "ended",
    [{"expires_at": START}, {"token_version": 0}, {"token_version": 2}],
    ids=["lapsed", "of an older version", "of a newer version"],
)
def test_sessions_that_cannot_be_used_are_not_told(
    sessions: Sessions, ended: dict[str, object]
) -> None:
    sessions.open(replace(a_session(), **ended), None, UNTIL, ADMISSION)  # type: ignore[arg-type] # named by the test
    last = a_session(number=1, expires_at=START + timedelta(seconds=1))
    sessions.open(last, None, UNTIL, ADMISSION)
    assert sessions.alive(a_user(), NOW) == (last.session_id,)


def test_a_login_is_told_whether_the_key_that_is_to_sign_was_revoked(stores: Stores) -> None:
    add(stores.users, a_user())

    def told(key_id: str) -> set[bool]:
        return {
            stores.users.login_by_email("user-1@example.com", key_id, ORIGIN).key_revoked,
            stores.users.login_by_username("user 1", key_id, ORIGIN).key_revoked,
            stores.users.login_by_id(public_id(1), key_id, ORIGIN).key_revoked,
        }

    assert told("a-key") == {False}
    stores.revoke_key("a-key")
    assert told("a-key") == {True}
    assert told("another-key") == {False}


# Refreshing


def test_a_token_finds_its_user_and_its_session(stores: Stores) -> None:
    add(stores.users, a_user())
    stores.sessions.open(a_session(number=3), None, UNTIL, ADMISSION)
    token = a_token(a_session(number=3))
    expected = RefreshFacts(a_user(), a_session(number=3), key_revoked=False)
    assert stores.sessions.find(token, "a-key") == expected
    stores.revoke_key("a-key")
    assert stores.sessions.find(token, "a-key") == replace(expected, key_revoked=True)
    assert stores.sessions.find(token, "another-key") == expected


def test_a_token_of_nobody_finds_nothing(stores: Stores) -> None:
    found = stores.sessions.find(a_token(a_session()), "a-key")
    assert found == RefreshFacts(None, None, key_revoked=False)


def test_a_token_does_not_find_the_session_that_came_into_its_slot(stores: Stores) -> None:
    add(stores.users, a_user())
    stores.sessions.open(another(a_session(number=3)), None, UNTIL, ADMISSION)
    found = stores.sessions.find(a_token(a_session(number=3)), "a-key")
    assert found == RefreshFacts(a_user(), None, key_revoked=False)


def test_a_session_is_rotated_by_its_current_token(sessions: Sessions) -> None:
    token = a_token(a_session(), b"current")
    follower = a_token(a_session(), b"follower")
    sessions.open(of(token), None, UNTIL, ADMISSION)
    renewed = replace(
        of(follower),
        last_used_at=START + timedelta(minutes=1),
        expires_at=START + timedelta(days=31),
        client=Client("198.51.100.7", "another"),
    )
    assert sessions.rotate(renewed, token) == renewed
    assert sessions.of_user(public_id(1)) == (renewed,)


def test_a_token_that_is_no_longer_current_rotates_nothing_and_learns_what_is(
    sessions: Sessions,
) -> None:
    first, second, third = (a_token(a_session(), octets) for octets in (b"1", b"2", b"3"))
    sessions.open(of(first), None, UNTIL, ADMISSION)
    assert sessions.rotate(of(second), first) == of(second)
    assert sessions.rotate(of(third), first) == of(second)
    assert sessions.of_user(public_id(1)) == (of(second),)


def test_a_session_that_is_gone_or_another_is_not_rotated(sessions: Sessions) -> None:
    first, second = a_token(a_session(), b"1"), a_token(a_session(), b"2")
    assert sessions.rotate(of(second), first) is None
    assert sessions.of_user(public_id(1)) == ()
    sessions.open(another(of(first)), None, UNTIL, ADMISSION)
    assert sessions.rotate(of(second), first) is None
    assert sessions.of_user(public_id(1)) == (another(of(first)),)


def test_a_new_password_comes_with_its_session_or_not_at_all(stores: Stores) -> None:
    add(stores.users, a_user())
    session = a_session(a_user(token_version=2), number=9)
    wrong = Credentials(a_user(), "another hash")
    changed = stores.users.change_password(wrong, "new", session, a_count("an attempt"))
    assert changed is Outcome.CHANGED
    assert session not in stores.sessions.of_user(public_id(1))
    right = Credentials(a_user(), "a hash")
    changed = stores.users.change_password(right, "new", session, a_count("an attempt"))
    assert changed is Outcome.DONE
    assert session in stores.sessions.of_user(public_id(1))


# Ending


def test_an_ended_session_is_gone_and_remembered(stores: Stores) -> None:
    stores.sessions.open(a_session(), None, UNTIL, ADMISSION)
    stores.sessions.open(a_session(number=1), None, UNTIL, ADMISSION)
    for _ in range(2):
        stores.sessions.end(public_id(1), a_session().session_id, UNTIL)
    assert stores.sessions.of_user(public_id(1)) == (a_session(number=1),)
    assert stores.revoked() == {a_session().session_id: UNTIL}


def test_ending_a_session_whose_slot_is_anothers_by_now_ends_that_one_alone(stores: Stores) -> None:
    stores.sessions.open(another(a_session()), None, UNTIL, ADMISSION)
    stores.sessions.end(public_id(1), a_session().session_id, UNTIL)
    assert stores.sessions.of_user(public_id(1)) == (another(a_session()),)
    assert stores.revoked() == {a_session().session_id: UNTIL}


def test_a_session_that_can_be_used_is_ended_once(stores: Stores) -> None:
    owner = Principal(a_user(), "another-session")
    session_id = a_session().session_id
    stores.sessions.open(a_session(), None, UNTIL, ADMISSION)
    assert stores.sessions.end_if_alive(owner, session_id, NOW, UNTIL)
    assert stores.sessions.of_user(public_id(1)) == ()
    assert stores.revoked() == {session_id: UNTIL}
    assert not stores.sessions.end_if_alive(owner, session_id, NOW, UNTIL)


@pytest.mark.parametrize(
    "session",
    [
        a_session(a_user(2)),
        a_session(number=1),
        another(a_session()),
        a_session(expires_at=START),
        a_session(token_version=0),
        a_session(token_version=2),
    ],
)
def test_a_session_that_is_not_the_callers_or_has_ended_is_left_alone(
    stores: Stores, session: Session
) -> None:
    stores.sessions.open(session, None, UNTIL, ADMISSION)
    owner = Principal(a_user(), "another-session")
    assert not stores.sessions.end_if_alive(owner, a_session().session_id, NOW, UNTIL)
    assert stores.sessions.of_user(session.public_id) == (session,)
    assert stores.revoked() == {}


def test_what_is_known_of_a_user_is_forgotten(sessions: Sessions) -> None:
    for number in range(40):
        sessions.open(a_session(number=number), None, UNTIL, ADMISSION)
    sessions.open(a_session(a_user(2)), None, UNTIL, ADMISSION)
    for _ in range(2):
        sessions.forget(public_id(1))
    assert sessions.of_user(public_id(1)) == ()
    assert sessions.of_user(public_id(2)) == (a_session(a_user(2)),)


# Round trips


@pytest.fixture
def real(cloud: Cloud, connection: Connection, wire: Wire) -> DynamoSessionStore:
    store = DynamoSessionStore(connection, Transactions(connection), ROWS)
    add(DynamoUserStore(connection, Transactions(connection), ROWS), a_user())
    wire.reset()
    del cloud
    return store


def test_a_refresh_is_one_consistent_read_and_one_conditional_write(
    real: DynamoSessionStore, wire: Wire
) -> None:
    token = a_token(a_session(), b"1")
    real.open(of(token), None, UNTIL, ADMISSION)
    wire.reset()
    real.find(token, "a-key")
    real.rotate(of(a_token(a_session(), b"2")), token)
    read, write = wire.calls
    assert read.operation == "dynamodb.BatchGetItem"
    assert all(table["ConsistentRead"] for table in read.body["RequestItems"].values())
    assert write.operation == "dynamodb.TransactWriteItems"
    (update,) = write.body["TransactItems"]
    assert update["Update"]["ConditionExpression"]


def test_the_sessions_of_a_user_are_read_consistently(real: DynamoSessionStore, wire: Wire) -> None:
    real.of_user(public_id(1))
    real.alive(a_user(), NOW)
    real.forget(public_id(1))
    queries = [call for call in wire.calls if call.operation == "dynamodb.Query"]
    assert [query.body["ConsistentRead"] for query in queries] == [True, True, True]


def test_nothing_that_is_sent_is_part_of_a_token(real: DynamoSessionStore, wire: Wire) -> None:
    token = RefreshToken(public_id(1), a_session().session_id, b"f" * 16, b"s" * 32)
    real.open(of(token), None, UNTIL, ADMISSION)
    real.rotate(of(a_token(a_session(), b"t" * 32)), token)
    real.find(token, "a-key")
    sent = str(wire.calls)
    for part in (token.family, token.secret, b"t" * 32):
        assert not any(form in sent for form in _forms(part))


def _forms(octets: bytes) -> tuple[str, ...]:
    return str(octets)[2:-1], octets.hex(), base64.b64encode(octets).decode()[:12]
