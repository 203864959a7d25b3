from datetime import timedelta

import pytest

from chalicelib.domain.activity import Event
from chalicelib.domain.errors import (
    InvalidInputError,
    NotAllowedError,
    UnavailableError,
    UserNotFoundError,
)
from chalicelib.domain.trails import Trail
from chalicelib.services.activity import ActivityService
from chalicelib.services.cursors import CursorSigner
from tests.fakes import FakeActivityStore, FakeClock, FakeTables, FakeUserStore, public_id
from tests.samples import a_caller, a_user, add, an_event

CALLER = a_caller(a_user(1))
ADMIN = a_caller(a_user(9, admin=True))


@pytest.fixture
def store(tables: FakeTables, clock: FakeClock) -> FakeActivityStore:
    return FakeActivityStore(tables, clock)


@pytest.fixture
def activity(store: FakeActivityStore, users: FakeUserStore) -> ActivityService:
    return ActivityService(store, users, CursorSigner("secret"))


@pytest.fixture
def five(tables: FakeTables, clock: FakeClock) -> None:
    tables.keep(Trail(tuple(an_event(number) for number in range(1, 6))))
    tables.keep(Trail((an_event(6, owner=2),)))
    clock.step(minutes=1)


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize("name", ["me", public_id(1)])
def test_a_user_pages_through_their_own_activity_newest_first(
    activity: ActivityService, name: str
) -> None:
    seen: list[Event] = []
    cursor = None
    for expected in (2, 2, 1):
        page = activity.list(CALLER, name, 2, cursor)
        assert len(page.events) == expected
        seen += page.events
        cursor = page.next_cursor
    assert cursor is None
    assert seen == [an_event(number) for number in (5, 4, 3, 2, 1)]


@pytest.mark.usefixtures("five")
def test_an_admin_looks_at_anybodys(activity: ActivityService) -> None:
    assert activity.list(ADMIN, public_id(2), 50).events == (an_event(6, owner=2),)


def test_nobody_else_does(activity: ActivityService, store: FakeActivityStore) -> None:
    for other in (public_id(2), public_id(404), "nobody"):
        with pytest.raises(NotAllowedError):
            activity.list(CALLER, other, 50)
    assert store.calls == 0


@pytest.mark.usefixtures("five")
def test_what_is_kept_of_an_account_that_is_gone_is_shown(
    activity: ActivityService, users: FakeUserStore
) -> None:
    assert users.get(public_id(2)) is None
    assert len(activity.list(ADMIN, public_id(2), 50).events) == 1


def test_an_account_to_which_nothing_has_happened_is_not_nobodys(
    activity: ActivityService, users: FakeUserStore
) -> None:
    add(users, a_user(2))
    assert activity.list(ADMIN, public_id(2), 50).events == ()
    for nobody in (public_id(404), "nobody", ""):
        with pytest.raises(UserNotFoundError):
            activity.list(ADMIN, nobody, 50)
    assert activity.list(CALLER, "me", 50).events == (), "whoever asks is somebody"


@pytest.mark.usefixtures("five")
def test_a_page_that_has_lapsed_meanwhile_is_empty_and_no_error(
    activity: ActivityService, clock: FakeClock
) -> None:
    cursor = activity.list(ADMIN, public_id(1), 2).next_cursor
    clock.now += timedelta(days=91)
    assert activity.list(ADMIN, public_id(1), 2, cursor).events == ()


@pytest.mark.usefixtures("five")
def test_a_cursor_is_good_for_its_own_account_alone(activity: ActivityService) -> None:
    cursor = activity.list(CALLER, "me", 2).next_cursor
    assert cursor is not None
    assert activity.list(ADMIN, public_id(1), 2, cursor).events == (an_event(3), an_event(2))
    for other in (public_id(2), "me"):
        with pytest.raises(InvalidInputError):
            activity.list(ADMIN, other, 2, cursor)
    for forged in (cursor[:-2], CursorSigner("secret").sign("2026")):
        with pytest.raises(InvalidInputError):
            activity.list(CALLER, "me", 2, forged)


def test_a_store_that_is_down_is_not_taken_for_an_empty_one(
    activity: ActivityService, store: FakeActivityStore, users: FakeUserStore
) -> None:
    users.down = True
    with pytest.raises(UnavailableError):
        activity.list(ADMIN, public_id(2), 50)
    store.down = True
    with pytest.raises(UnavailableError):
        activity.list(CALLER, "me", 50)
