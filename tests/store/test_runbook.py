"""The runbook's short programs do what it says they do."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from pynamodb.connection import Connection

from chalicelib.domain.users import Removal
from chalicelib.store.sessions import DynamoSessionStore
from chalicelib.store.transactions import Transactions
from chalicelib.store.users import DynamoUserStore
from tests.aws import SESSIONS, STAGE, USERS, Cloud
from tests.fakes import START, public_id
from tests.samples import ADMISSION, ORIGIN, ROWS, a_session, a_user, add

RUNBOOK = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text("utf-8")
PROGRAMS = [
    textwrap.dedent(program)
    for program in re.findall(r"<<'PYTHON'\n(.*?)\n *PYTHON$", RUNBOOK, re.DOTALL | re.MULTILINE)
]
RESTORED = f"{USERS}-restored"


def run(telling: str) -> None:
    """Run the one program of the runbook that has this in it."""
    (program,) = (program for program in PROGRAMS if telling in program)
    exec(compile(program, "runbook.md", "exec"), {"__name__": "__main__"})  # noqa: S102 - ours


@pytest.fixture(autouse=True)
def _of_this_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE", STAGE)
    monkeypatch.setenv("PERSON", public_id(1))
    monkeypatch.setenv("EMAIL", "User-1@example.com")


@pytest.fixture
def users(cloud: Cloud, connection: Connection) -> DynamoUserStore:
    del cloud
    return DynamoUserStore(connection, Transactions(connection), ROWS)


@pytest.fixture
def sessions(cloud: Cloud, connection: Connection) -> DynamoSessionStore:
    del cloud
    return DynamoSessionStore(connection, Transactions(connection), ROWS)


@pytest.fixture
def restored(cloud: Cloud, users: DynamoUserStore) -> Iterator[Cloud]:
    """The first two users as they were some time ago, in a table beside the one in use."""
    for number in (1, 2):
        add(users, a_user(number), "the old hash")
    cloud.dynamodb.restore_table_to_point_in_time(
        SourceTableName=USERS, TargetTableName=RESTORED, UseLatestRestorableTime=True
    )
    for row in cloud.rows():
        cloud.dynamodb.put_item(TableName=RESTORED, Item=row)
    yield cloud
    cloud.dynamodb.delete_table(TableName=RESTORED)


def test_all_programs_are_run_here() -> None:
    assert len(PROGRAMS) == 3


def test_a_user_is_copied_back_whole_and_alone(restored: Cloud, users: DynamoUserStore) -> None:
    restored.clear()
    run("transact_write_items")
    assert users.get(public_id(1)) == a_user(1)
    found = users.login_by_email("user-1@example.com", "a-key", ORIGIN).credentials
    assert found is not None
    assert found.password_hash == "the old hash"
    assert users.find_by_username("user 1") == a_user(1)
    assert users.get(public_id(2)) is None


def test_a_users_damaged_row_is_overwritten(restored: Cloud, users: DynamoUserStore) -> None:
    restored.change(public_id(1), password_hash={"S": "damaged"}, admin={"BOOL": True})
    run("transact_write_items")
    assert users.get(public_id(1)) == a_user(1)


def test_nothing_is_copied_over_somebody_who_has_the_name_by_now(
    restored: Cloud, users: DynamoUserStore
) -> None:
    users.remove(a_user(1))
    add(users, a_user(3, username="User 1"))
    with pytest.raises(restored.dynamodb.exceptions.TransactionCanceledException):
        run("transact_write_items")
    assert users.get(public_id(1)) is None
    assert users.remove(a_user(1)) is Removal.CHANGED


def test_all_sessions_are_ended_and_nothing_else(
    users: DynamoUserStore, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(30):
        add(users, a_user(number))
    before = cloud.rows()
    run("delete_item(Key=row)")
    assert capsys.readouterr().out == "ended: 30\n"
    assert cloud.rows(SESSIONS) == []
    assert cloud.rows() == before


def test_the_sessions_of_one_user_are_ended_and_nobody_elses(
    users: DynamoUserStore,
    sessions: DynamoSessionStore,
    cloud: Cloud,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number in (1, 2):
        add(users, a_user(number))
    for slot in range(1, 30):
        sessions.open(a_session(a_user(1), slot), None, 0, ADMISSION)
    before = cloud.rows()
    run("KeyConditionExpression")
    assert capsys.readouterr().out == f"ended: 30 of {public_id(1)}\n"
    assert sessions.of_user(public_id(1)) == ()
    assert len(sessions.of_user(public_id(2))) == 1
    assert cloud.rows() == before


def test_a_user_copied_back_has_no_session_from_before_once_theirs_are_ended(
    restored: Cloud, users: DynamoUserStore, sessions: DynamoSessionStore
) -> None:
    """The version is as it was, so the sessions that a higher one ended would live again."""
    del restored
    users.raise_token_version(public_id(1))
    run("transact_write_items")
    user = users.get(public_id(1))
    assert user is not None
    (ended,) = sessions.of_user(public_id(1))
    assert ended.is_alive(user.token_version, START)
    run("KeyConditionExpression")
    assert sessions.of_user(public_id(1)) == ()
