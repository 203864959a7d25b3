"""Races for a name, on the local cloud: exactly one wins, and nothing is left over."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import boto3
import pytest
from pynamodb.connection import Connection

from chalicelib.domain.activity import Act, Event
from chalicelib.domain.changes import Changes, Renaming, Unchanged
from chalicelib.domain.names import fold
from chalicelib.domain.sessions import Client
from chalicelib.domain.trails import Trail
from chalicelib.domain.users import Removal, User
from chalicelib.store.activity import DynamoActivityStore
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
    return {
        item["pk"]["S"]: item["public_id"]["S"]
        for page in pages
        for item in page["Items"]
        if "public_id" in item  # mailed tokens of other tests are here as well
    }


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


def renamed(store: DynamoUserStore, user: User, username: str, number: int = 0) -> object:
    """Change a username as it was read, and leave an event."""
    changes = Changes(renaming=Renaming(user.username, username))
    event = Event(
        public_id=user.public_id,
        event_id=f"{number}-{username}",
        act=Act.USERNAME_CHANGED,
        at=datetime.now(UTC),
        expires_at=datetime.now(UTC) + timedelta(days=1),
        client=Client("192.0.2.1", "races"),
    )
    return store.update(user.public_id, changes, trail=Trail((event,)))


def events_of(user: User) -> int:
    activity = DynamoActivityStore(lambda: datetime.now(UTC))
    return len(activity.page(user.public_id, 100, None).events)


@pytest.mark.parametrize("race", range(ROUNDS))
def test_of_sixteen_who_want_one_username_one_gets_it(users: DynamoUserStore, race: int) -> None:
    tag = f"{race}-{uuid4().hex[:8]}"
    rivals = [a_user(f"{tag}-{n}@example.com", f"{tag}-{n}") for n in range(WRITERS - 1)]
    for rival in rivals:
        add(users, rival)
    newcomer = a_user(f"{tag}@example.com", f"{tag} ZOË")
    spellings = (f"{tag} Zoë", f"{tag} zoe\u0308")
    ended = at_once(
        [
            partial(add, users, newcomer),
            *[partial(renamed, users, rival, spellings[n % 2]) for n, rival in enumerate(rivals)],
        ]
    )
    lost = ended.count("UsernameTakenError")
    assert lost == WRITERS - 1, ended
    holder = users.find_by_username(fold(f"{tag} zoë"))
    assert holder is not None
    assert_users_and_markers_agree(users, {user.public_id for user in (newcomer, *rivals)})
    assert sum(map(events_of, rivals)) == (0 if holder == newcomer else 1)


@pytest.mark.parametrize("race", range(ROUNDS))
def test_of_many_names_for_one_user_the_last_one_is_theirs_alone(
    users: DynamoUserStore, race: int
) -> None:
    tag = f"{race}-{uuid4().hex[:8]}"
    user = a_user(f"{tag}@example.com", tag)
    add(users, user)
    ended = at_once([partial(renamed, users, user, f"{tag}-{n}") for n in range(WRITERS)])
    done = [end for end in ended if isinstance(end, User)]
    assert len(done) == 1, ended
    assert ended.count(Unchanged.OTHER_USERNAME) + ended.count("UnavailableError") == WRITERS - 1
    assert users.get(user.public_id) == done[0]
    assert_users_and_markers_agree(users, {user.public_id})
    assert events_of(user) == 1


@pytest.mark.parametrize("race", range(ROUNDS))
def test_renaming_against_leaving_leaves_no_marker_behind(
    users: DynamoUserStore, race: int
) -> None:
    tag = f"{race}-{uuid4().hex[:8]}"
    user = a_user(f"{tag}@example.com", tag)
    add(users, user)
    renamings: list[Attempt] = [
        partial(renamed, users, user, f"{tag}-{n}") for n in range(WRITERS // 2)
    ]
    leaving: list[Attempt] = [partial(users.remove, user)] * (WRITERS // 2)
    ended = at_once(renamings + leaving)
    assert (Removal.DONE in ended) != any(isinstance(end, User) for end in ended), ended
    assert_users_and_markers_agree(users, {user.public_id})
    assert (users.get(user.public_id) is None) == (Removal.DONE in ended)


@pytest.mark.parametrize("race", range(ROUNDS))
def test_of_two_changes_at_once_both_count_where_they_do_not_meet(
    users: DynamoUserStore, race: int
) -> None:
    tag = f"{race}-{uuid4().hex[:8]}"
    user = a_user(f"{tag}@example.com", tag)
    add(users, user)
    marks = [Changes(metadata={"a": 1}), Changes(admin=True), Changes(disabled=True)]
    at_once(
        [
            partial(renamed, users, user, f"{tag}-new"),
            *[partial(users.update, user.public_id, mark) for mark in marks],
        ]
    )
    assert users.get(user.public_id) == replace(
        user, username=f"{tag}-new", metadata={"a": 1}, admin=True, disabled=True, token_version=2
    )
