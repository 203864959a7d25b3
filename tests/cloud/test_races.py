"""Races for a name, on the local cloud: exactly one wins, and nothing is left over."""

from collections import Counter
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import boto3
import pytest
from pynamodb.connection import Connection

from chalicelib.domain.names import fold
from chalicelib.domain.users import Removal, User
from chalicelib.store.items import UserItem
from chalicelib.store.transactions import Transactions
from chalicelib.store.users import DynamoUserStore
from tests.cloud.racing import ROUNDS, WRITERS, Attempt, at_once
from tests.samples import ROWS, add

SPELLINGS = ("Zoë@Example.com", "zoe\u0308@example.com", "ZOË@EXAMPLE.COM", "zoë@exam\uff50le.com")


@pytest.fixture
def users(cloud_store: Connection) -> DynamoUserStore:
    return DynamoUserStore(cloud_store, Transactions(cloud_store), ROWS)


def a_user(email: str, username: str) -> User:
    return User(
        public_id=str(uuid4()), email=email, username=username, registered_on=datetime.now(UTC)
    )


def rows(table: str) -> dict[str, str]:
    """Every row of the users table by its key, and whose it is."""
    pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    return {item["pk"]["S"]: item["public_id"]["S"] for page in pages for item in page["Items"]}


def assert_users_and_markers_agree(store: DynamoUserStore, about: set[str]) -> None:
    """Every user has both markers, every marker has its user, and no row is without the other."""
    table = UserItem.Meta.table_name
    found = {key: owner for key, owner in rows(table).items() if owner in about}
    expected = {}
    for owner in set(found.values()):
        user = store.get(owner)
        assert user, f"a marker of {owner} was left over: {found}"
        expected[f"user#{owner}"] = owner
        expected[f"email#{fold(user.email)}"] = owner
        expected[f"username#{fold(user.username)}"] = owner
    assert found == expected


@pytest.mark.parametrize("race", range(ROUNDS))
def test_of_sixteen_registrations_of_one_email_one_wins(users: DynamoUserStore, race: int) -> None:
    tag = uuid4().hex[:8]
    emails = [SPELLINGS[number % len(SPELLINGS)] for number in range(WRITERS)]
    rivals = [
        a_user(f"{race}{tag}{email}", f"{tag}-{number}") for number, email in enumerate(emails)
    ]
    ended = at_once([partial(add, users, rival) for rival in rivals])
    assert Counter(ended) == {None: 1, "EmailTakenError": WRITERS - 1}
    winner = rivals[ended.index(None)]
    assert users.find_by_email(fold(winner.email)) == winner
    # Nothing of the others is left: a row of theirs would be one without its user.
    assert_users_and_markers_agree(users, {rival.public_id for rival in rivals})


@pytest.mark.parametrize("race", range(ROUNDS))
def test_of_sixteen_registrations_of_one_username_one_wins(
    users: DynamoUserStore, race: int
) -> None:
    tag = f"{race}-{uuid4().hex[:8]}"
    names = ("Ångström", "a\u030angstro\u0308m", "ÅNGSTRÖM", "\u212bngström")
    rivals = [
        a_user(f"{tag}-{number}@example.com", tag + names[number % len(names)])
        for number in range(WRITERS)
    ]
    ended = at_once([partial(add, users, rival) for rival in rivals])
    assert Counter(ended) == {None: 1, "UsernameTakenError": WRITERS - 1}
    winner = rivals[ended.index(None)]
    assert users.find_by_username(fold(winner.username)) == winner
    assert_users_and_markers_agree(users, {rival.public_id for rival in rivals})


@pytest.mark.parametrize("race", range(ROUNDS))
def test_of_sixteen_removals_of_one_user_one_wins(users: DynamoUserStore, race: int) -> None:
    tag = f"{race}-{uuid4().hex[:8]}"
    user = a_user(f"{tag}@example.com", tag)
    add(users, user)
    ended = at_once([partial(users.remove, user)] * WRITERS)
    assert Counter(ended) == {Removal.DONE: 1, Removal.CHANGED: WRITERS - 1}
    assert_users_and_markers_agree(users, {user.public_id})
    assert users.get(user.public_id) is None


@pytest.mark.parametrize("race", range(ROUNDS))
def test_registering_against_leaving_ends_with_one_user_or_none(
    users: DynamoUserStore, race: int
) -> None:
    tag = f"{race}-{uuid4().hex[:8]}"
    leaver = a_user(f"{tag}@example.com", tag)
    add(users, leaver)
    rivals = [a_user(f"{tag}@Example.com", tag.upper()) for _ in range(WRITERS // 2)]
    leaving: list[Attempt] = [partial(users.remove, leaver)] * (WRITERS // 2)
    joining: list[Attempt] = [partial(add, users, rival) for rival in rivals]
    ended = at_once(leaving + joining)
    assert ended[: len(leaving)].count(Removal.DONE) == 1, "somebody did leave"
    winners = [
        rival for rival, end in zip(rivals, ended[len(leaving) :], strict=True) if end is None
    ]
    assert len(winners) <= 1
    assert users.get(leaver.public_id) is None
    assert users.find_by_email(fold(leaver.email)) == next(iter(winners), None)
    assert users.find_by_username(fold(leaver.username)) == next(iter(winners), None)
    assert_users_and_markers_agree(users, {user.public_id for user in (leaver, *rivals)})
