"""What a change leaves behind is read back, by the fake and the real store alike."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeAlias

import pytest
from pynamodb.connection import Connection

from chalicelib.domain.activity import OPERATOR, Act, Event
from chalicelib.domain.attempts import Outcome
from chalicelib.domain.changes import Changes, Unchanged
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.sessions import Client
from chalicelib.domain.trails import Trail
from chalicelib.domain.users import Credentials
from chalicelib.services.activity import ActivityStore
from chalicelib.store.activity import DynamoActivityStore
from chalicelib.store.items import EventItem
from chalicelib.store.transactions import Transactions
from chalicelib.store.users import DynamoUserStore
from tests.aws import ACTIVITY, OUTBOX, Cloud, Wire
from tests.fakes import START, FakeActivityStore, FakeClock, FakeTables, FakeUserStore, public_id
from tests.samples import ROWS, a_count, a_session, a_user, add, an_event

Leave: TypeAlias = Callable[[Trail], object]


@pytest.fixture(params=["fake", "real"])
def stores(
    request: pytest.FixtureRequest, clock: FakeClock
) -> tuple[ActivityStore, FakeUserStore | DynamoUserStore]:
    if request.param == "fake":
        tables = FakeTables()
        return FakeActivityStore(tables, clock), FakeUserStore(tables)
    request.getfixturevalue("cloud")
    connection: Connection = request.getfixturevalue("connection")
    users = DynamoUserStore(connection, Transactions(connection), ROWS)
    return DynamoActivityStore(clock), users


@pytest.fixture
def activity(stores: tuple[ActivityStore, object]) -> ActivityStore:
    return stores[0]


@pytest.fixture
def users(stores: tuple[object, FakeUserStore | DynamoUserStore]) -> Any:
    return stores[1]


@pytest.fixture
def leave(users: Any) -> Leave:
    """Leaves a trail of a user's."""
    add(users, a_user(1))
    return lambda trail: users.update(public_id(1), Changes(metadata={}), trail=trail)


def _leave(leave: Leave, events: list[Event]) -> None:
    for event in events:
        leave(Trail((event,)))


EVENTS = [
    an_event(1),
    an_event(2, act=Act.USERNAME_CHANGED, changed={"from": "Zoe", "to": "Zoë 🦊"}),
    an_event(3, actor=public_id(9), session_id="a-session", client=Client("2001:db8::1", "ö")),
    an_event(4, actor=OPERATOR, client=Client("", "")),
]


def test_events_are_read_back_as_they_were_left_newest_first(
    activity: ActivityStore, leave: Leave
) -> None:
    leave(Trail(tuple(EVENTS)))
    leave(Trail((an_event(5, owner=2),)))
    page = activity.page(public_id(1), 10, None)
    assert page.events == tuple(reversed(EVENTS))
    assert page.next_position is None
    assert activity.page(public_id(3), 10, None).events == ()


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 8])
def test_pages_are_exact(activity: ActivityStore, leave: Leave, limit: int) -> None:
    events = [an_event(number) for number in range(7)]
    _leave(leave, events)
    seen: list[Event] = []
    position = None
    for _ in range(8):
        page = activity.page(public_id(1), limit, position)
        seen += page.events
        position = page.next_position
        if position is None:
            break
        assert len(page.events) == limit
    assert position is None
    assert seen == events[::-1]
    assert len(page.events) == (7 % limit or limit)


def test_events_of_one_moment_are_told_apart_and_microseconds_count(
    activity: ActivityStore, leave: Leave
) -> None:
    events = [
        an_event(number, at=START + timedelta(microseconds=microseconds))
        for number, microseconds in ((3, 9), (2, 10), (1, 100), (4, 100))
    ]
    leave(Trail(tuple(events)))
    first = activity.page(public_id(1), 2, None)
    rest = activity.page(public_id(1), 2, first.next_position)
    assert (*first.events, *rest.events) == tuple(events[::-1])


def test_what_happens_meanwhile_is_on_no_later_page(activity: ActivityStore, leave: Leave) -> None:
    _leave(leave, [an_event(number) for number in range(4)])
    first = activity.page(public_id(1), 2, None)
    leave(Trail((an_event(9),)))
    assert activity.page(public_id(1), 2, first.next_position).events == (an_event(1), an_event(0))


def test_what_is_past_its_time_is_not_shown_and_takes_no_place(
    activity: ActivityStore, leave: Leave, clock: FakeClock
) -> None:
    lapsing = START + timedelta(minutes=1)
    for number in range(6):
        event = an_event(number)
        leave(Trail((replace(event, expires_at=lapsing) if number % 2 else event,)))
    clock.step(seconds=59)
    assert len(activity.page(public_id(1), 10, None).events) == 6
    clock.step(seconds=1)
    page = activity.page(public_id(1), 2, None)
    assert page.events == (an_event(4), an_event(2))
    rest = activity.page(public_id(1), 2, page.next_position)
    assert rest.events == (an_event(0),)
    assert rest.next_position is None


def test_a_change_that_is_not_made_leaves_nothing(activity: ActivityStore, users: Any) -> None:
    add(users, a_user(1))
    trail = Trail((an_event(1),))
    changes = Changes(admin=False)
    refused = users.update(public_id(1), changes, other_admin=public_id(2), trail=trail)
    assert refused is Unchanged.NO_OTHER_ADMIN
    stale = Credentials(a_user(1), "another hash")
    changed = users.change_password(stale, "new", a_session(), a_count("one"), trail=trail)
    assert changed is Outcome.CHANGED
    assert activity.page(public_id(1), 10, None).events == ()
    right = Credentials(a_user(1), "a hash")
    assert users.change_password(right, "new", a_session(), a_count("one"), trail=trail)
    assert activity.page(public_id(1), 10, None).events == (an_event(1),)


# The real one


@pytest.fixture
def real(cloud: Cloud, clock: FakeClock) -> DynamoActivityStore:
    del cloud
    return DynamoActivityStore(clock)


def test_an_event_that_was_made_anonymous_is_read(real: DynamoActivityStore, cloud: Cloud) -> None:
    EventItem(
        public_id(1), "2026-01-02T03:04:05.000006Z#an-id", act="deleted", expires_at=2**31
    ).save()
    (event,) = real.page(public_id(1), 10, None).events
    assert event.act is Act.DELETED
    assert event.at == START + timedelta(microseconds=6)
    assert event.client == Client("", "")
    assert (event.actor, event.session_id, event.changed) == (None, None, {})
    assert len(cloud.rows(ACTIVITY)) == 1
    assert cloud.rows(OUTBOX) == []


def test_an_act_of_a_later_version_is_passed_over(real: DynamoActivityStore) -> None:
    for second, act in enumerate(("logged_in", "flown", "logged_out", "flown"), 1):
        place = f"2026-01-02T03:04:0{second}.000000Z#an-id"
        EventItem(public_id(1), place, act=act, expires_at=2**31).save()
    page = real.page(public_id(1), 2, None)
    assert [event.act for event in page.events] == [Act.LOGGED_OUT]
    rest = real.page(public_id(1), 2, page.next_position)
    assert [event.act for event in rest.events] == [Act.LOGGED_IN]
    assert rest.next_position is None


def test_a_page_is_one_consistent_query(real: DynamoActivityStore, wire: Wire) -> None:
    wire.reset()
    real.page(public_id(1), 10, None)
    (call,) = wire.calls
    assert call.operation == "dynamodb.Query"
    assert call.body["ConsistentRead"] is True
    assert call.body["Limit"] == 11


def test_a_store_that_does_not_answer_is_unavailable(real: DynamoActivityStore, wire: Wire) -> None:
    wire.refuse("dynamodb.Query", "ProvisionedThroughputExceededException")
    with pytest.raises(UnavailableError):
        real.page(public_id(1), 10, None)
