"""The runbook's short programs do what it says they do."""

import re
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.domain.errors import UserNotFoundError
from chalicelib.keys.source import SsmKeySource
from chalicelib.services.keyring import FRESH, SETTLED, KeyRing
from chalicelib.store.users import DynamoUserStore
from tests.aws import STAGE, USERS, Cloud
from tests.fakes import FakeClock, public_id
from tests.samples import a_user

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
def users(cloud: Cloud, connection: object) -> DynamoUserStore:
    del cloud
    return DynamoUserStore(connection)  # type: ignore[arg-type] # tests/store/conftest.py's


@pytest.fixture
def restored(cloud: Cloud, users: DynamoUserStore) -> Iterator[Cloud]:
    """The first two users as they were some time ago, in a table beside the one in use."""
    for number in (1, 2):
        users.add(a_user(number), "the old hash")
    cloud.dynamodb.restore_table_to_point_in_time(
        SourceTableName=USERS, TargetTableName=RESTORED, UseLatestRestorableTime=True
    )
    for row in cloud.rows():
        cloud.dynamodb.put_item(TableName=RESTORED, Item=row)
    yield cloud
    cloud.dynamodb.delete_table(TableName=RESTORED)


def test_all_programs_are_run_here() -> None:
    assert len(PROGRAMS) == 2


def test_a_new_key_verifies_at_once_and_signs_once_it_is_settled(
    cloud: Cloud, clock: FakeClock
) -> None:
    before = {key.key_id for key in SsmKeySource(f"/accounts/{STAGE}").public_keys()}
    run("new_signing_key")
    source = SsmKeySource(f"/accounts/{STAGE}")
    (new,) = {key.key_id for key in source.public_keys()} - before
    try:
        assert "PRIVATE KEY" in source.signing_key(new).private_pem
        clock.now = datetime.now(UTC)
        ring = KeyRing(source, clock)
        assert ring.find(new) is not None
        assert ring.signing_key().key_id in before
        clock.now += SETTLED
        assert ring.signing_key().key_id == new
    finally:
        cloud.withdraw(new)


def test_a_leaked_key_is_out_of_use_once_the_rings_have_read_again(
    cloud: Cloud, clock: FakeClock
) -> None:
    """Step 2 of a leaked key, on a function that goes on running."""
    clock.now = datetime.now(UTC)
    ring = KeyRing(SsmKeySource(f"/accounts/{STAGE}"), clock)
    leaked = ring.signing_key().key_id
    held = cloud.ssm.get_parameter(Name=f"/accounts/{STAGE}/public-keys/{leaked}")["Parameter"]
    run("new_signing_key")
    cloud.withdraw(leaked)
    try:
        assert ring.find(leaked) is not None
        assert ring.signing_key().key_id == leaked
        clock.now += FRESH
        assert ring.find(leaked) is None
        assert ring.signing_key().key_id != leaked
    finally:
        for key in ring.public_keys():
            cloud.withdraw(key.key_id)
        cloud.ssm.put_parameter(Name=held["Name"], Value=held["Value"], Type="String")


def test_a_user_is_copied_back_whole_and_alone(restored: Cloud, users: DynamoUserStore) -> None:
    restored.clear()
    run("transact_write_items")
    assert users.get(public_id(1)) == a_user(1)
    found = users.credentials_by_email("user-1@example.com")
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
    users.add(a_user(3, username="User 1"), "a hash")
    with pytest.raises(restored.dynamodb.exceptions.TransactionCanceledException):
        run("transact_write_items")
    assert users.get(public_id(1)) is None
    with pytest.raises(UserNotFoundError):
        users.remove(a_user(1))
