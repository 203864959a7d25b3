"""Trails: written with the change that they tell of, or not at all, by the fakes as by DynamoDB."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import pytest
from pynamodb.connection import Connection

from chalicelib.domain.activity import Act, Event
from chalicelib.domain.attempts import Admission, Outcome
from chalicelib.domain.changes import Changes, Renaming, Unchanged
from chalicelib.domain.errors import EmailTakenError, UsernameTakenError, UserNotFoundError
from chalicelib.domain.outbox import Errand, Message
from chalicelib.domain.sessions import Client, Lineage, RefreshToken
from chalicelib.domain.times import epoch_seconds
from chalicelib.domain.trails import Trail
from chalicelib.domain.users import Credentials, Removal
from chalicelib.services.accounts import UserStore
from chalicelib.services.attempts import AttemptStore
from chalicelib.services.credentials import PasswordStore
from chalicelib.services.sessions import CredentialStore, SessionStore
from chalicelib.services.trails import TrailStore
from chalicelib.store.attempts import DynamoAttemptStore
from chalicelib.store.sessions import DynamoSessionStore
from chalicelib.store.trails import DynamoTrailStore
from chalicelib.store.transactions import Transactions
from chalicelib.store.users import DynamoUserStore
from tests.aws import ACTIVITY, OUTBOX, Cloud
from tests.fakes import (
    START,
    FakeAttemptStore,
    FakeSessionStore,
    FakeTables,
    FakeTrailStore,
    FakeUserStore,
    public_id,
)
from tests.samples import ADMISSION, ROWS, a_caller, a_count, a_session, a_user, add

EVENT = Event(
    public_id=public_id(1),
    event_id=public_id(77),
    act=Act.USERNAME_CHANGED,
    at=START,
    expires_at=START.replace(year=2027),
    client=Client("192.0.2.7", "a browser"),
    actor=public_id(2),
    session_id=a_session().session_id,
    changed={"from": "Zoë", "to": "Zoe"},
)
MESSAGE = Message(
    message_id=public_id(88),
    errand=Errand.EMAIL_CHANGED,
    created_at=START,
    expires_at=START.replace(year=2027),
    public_id=public_id(1),
    email_key="user-1@example.com",
    address="User-1@example.com",
    language="de",
)
TRAIL = Trail((EVENT,), (MESSAGE,))
TOKEN = RefreshToken(public_id(1), a_session().session_id, bytes(16), bytes(32))
CURRENT = a_session(lineage=Lineage(TOKEN.family_hash, TOKEN.secret_hash))
NOW = epoch_seconds(START)
FULL = a_count("a count at its limit", limit=1)


class Users(UserStore, CredentialStore, PasswordStore, Protocol):
    """All that services ask of users."""


@dataclass
class Stores:
    users: Users
    sessions: SessionStore
    trails: TrailStore
    attempts: AttemptStore
    kept: Callable[[], tuple[int, int]]
    """How many events and messages there are."""


@pytest.fixture(params=["fake", "real"])
def stores(request: pytest.FixtureRequest) -> Stores:
    if request.param == "fake":
        tables = FakeTables()
        return Stores(
            FakeUserStore(tables),
            FakeSessionStore(tables),
            FakeTrailStore(tables),
            FakeAttemptStore(tables),
            lambda: (len(tables.events), len(tables.messages)),
        )
    cloud: Cloud = request.getfixturevalue("cloud")
    connection: Connection = request.getfixturevalue("connection")
    transactions = Transactions(connection)
    return Stores(
        DynamoUserStore(connection, transactions, ROWS),
        DynamoSessionStore(connection, transactions, ROWS),
        DynamoTrailStore(transactions),
        DynamoAttemptStore(transactions, ROWS),
        lambda: (len(cloud.rows(ACTIVITY)), len(cloud.rows(OUTBOX))),
    )


def _change_password(stores: Stores, old_hash: str) -> Outcome:
    return stores.users.change_password(
        Credentials(a_user(1), old_hash), "new", a_session(), a_count(), trail=TRAIL
    )


CHANGES: dict[str, Callable[[Stores], object]] = {
    "add": lambda stores: stores.users.add(a_user(3), "a hash", None, trail=TRAIL),
    "remove": lambda stores: stores.users.remove(a_user(1), None, trail=TRAIL),
    "raise_token_version": lambda stores: stores.users.raise_token_version(
        public_id(1), trail=TRAIL
    ),
    "change_password": lambda stores: _change_password(stores, "a hash"),
    "update": lambda stores: stores.users.update(public_id(1), Changes(admin=True), trail=TRAIL),
    "rename": lambda stores: stores.users.update(
        public_id(1), Changes(renaming=Renaming("User 1", "Zoë")), trail=TRAIL
    ),
    "open": lambda stores: stores.sessions.open(
        a_session(number=4), None, NOW, ADMISSION, trail=TRAIL
    ),
    "rotate": lambda stores: stores.sessions.rotate(a_session(), TOKEN, trail=TRAIL),
    "end": lambda stores: stores.sessions.end(public_id(1), CURRENT.session_id, NOW, trail=TRAIL),
    "end_of_one_that_is_gone": lambda stores: stores.sessions.end(
        public_id(1), a_session(number=9).session_id, NOW, trail=TRAIL
    ),
    "end_in_a_slot_that_is_taken": lambda stores: stores.sessions.end(
        public_id(1), public_id(5), NOW, trail=TRAIL
    ),
    "end_if_alive": lambda stores: stores.sessions.end_if_alive(
        a_caller(), CURRENT.session_id, NOW, NOW, trail=TRAIL
    ),
    "write": lambda stores: stores.trails.write(TRAIL),
    "count_wrong": lambda stores: stores.attempts.count_wrong(a_count(), TRAIL),
}
REFUSED: dict[str, Callable[[Stores], Any]] = {
    "remove": lambda stores: stores.users.remove(a_user(1, username="Other"), None, trail=TRAIL)
    is Removal.CHANGED,
    "change_password": lambda stores: _change_password(stores, "another hash") is Outcome.CHANGED,
    "update": lambda stores: stores.users.update(
        public_id(1), Changes(admin=False), other_admin=public_id(2), trail=TRAIL
    )
    is Unchanged.NO_OTHER_ADMIN,
    "rename": lambda stores: stores.users.update(
        public_id(1), Changes(renaming=Renaming("Zoe", "Zoë")), trail=TRAIL
    )
    is Unchanged.OTHER_USERNAME,
    "open": lambda stores: stores.sessions.open(
        a_session(session_id=public_id(5)), None, NOW, ADMISSION, trail=TRAIL
    )
    is Outcome.CHANGED,
    "open_at_the_limit": lambda stores: stores.sessions.open(
        a_session(number=4), None, NOW, Admission(FULL, remembers=True), trail=TRAIL
    )
    is Outcome.LIMITED,
    "count_wrong": lambda stores: not stores.attempts.count_wrong(FULL, TRAIL),
    "rotate": lambda stores: stores.sessions.rotate(
        a_session(), RefreshToken(public_id(1), CURRENT.session_id, bytes(16), b"x" * 32),
        trail=TRAIL,
    )
    == CURRENT,
    "end_if_alive": lambda stores: not stores.sessions.end_if_alive(
        a_caller(), a_session(number=9).session_id, NOW, NOW, trail=TRAIL
    ),
}  # fmt: skip


@pytest.fixture
def begun(stores: Stores) -> Stores:
    """Two users, the first with a session."""
    add(stores.users, a_user(1))
    add(stores.users, a_user(2))
    stores.sessions.open(CURRENT, a_session().session_id, NOW, ADMISSION)
    stores.attempts.reserve(FULL)
    assert stores.kept() == (0, 0)
    return stores


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_leaves_its_trail(begun: Stores, change: str) -> None:
    CHANGES[change](begun)
    assert begun.kept() == (1, 1)


@pytest.mark.parametrize("change", REFUSED)
def test_a_change_that_is_not_made_leaves_none(begun: Stores, change: str) -> None:
    assert REFUSED[change](begun)
    assert begun.kept() == (0, 0)


def test_a_change_that_is_refused_leaves_none(begun: Stores) -> None:
    with pytest.raises(EmailTakenError):
        begun.users.add(a_user(3, email="user-1@example.com"), "a hash", None, trail=TRAIL)
    with pytest.raises(UserNotFoundError):
        begun.users.raise_token_version(public_id(9), trail=TRAIL)
    with pytest.raises(UserNotFoundError):
        begun.users.update(public_id(9), Changes(admin=True), trail=TRAIL)
    taken = Changes(renaming=Renaming("User 1", "User 2"))
    with pytest.raises(UsernameTakenError):
        begun.users.update(public_id(1), taken, trail=TRAIL)
    assert begun.kept() == (0, 0)


def test_the_rows_say_what_happened_and_what_is_to_be_done(
    transactions: Transactions, cloud: Cloud
) -> None:
    DynamoTrailStore(transactions).write(TRAIL)
    assert cloud.rows(ACTIVITY) == [
        {
            "public_id": {"S": public_id(1)},
            "place": {"S": f"2026-01-02T03:04:05.000000Z#{public_id(77)}"},
            "act": {"S": "username_changed"},
            "expires_at": {"N": str(epoch_seconds(EVENT.expires_at))},
            "ip": {"S": "192.0.2.7"},
            "user_agent": {"S": "a browser"},
            "actor": {"S": public_id(2)},
            "session_id": {"S": CURRENT.session_id},
            "changed": {"S": '{"from": "Zo\\u00eb", "to": "Zoe"}'},
        }
    ]
    assert cloud.rows(OUTBOX) == [
        {
            "message_id": {"S": public_id(88)},
            "errand": {"S": "email_changed"},
            "created_at": {"S": "2026-01-02T03:04:05.000000+0000"},
            "expires_at": {"N": str(epoch_seconds(MESSAGE.expires_at))},
            "public_id": {"S": public_id(1)},
            "email_key": {"S": "user-1@example.com"},
            "address": {"S": "User-1@example.com"},
            "language": {"S": "de"},
        }
    ]
