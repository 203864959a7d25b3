from datetime import timedelta

import pytest

from chalicelib.domain.errors import NotAllowedError, TokenInvalidError, UnavailableError
from chalicelib.domain.trails import Trail
from chalicelib.services.activity import ActivityService
from chalicelib.services.cursors import CursorSigner
from chalicelib.services.exports import MOST_EVENTS, ExportService
from tests.fakes import (
    START,
    FakeActivityStore,
    FakeClock,
    FakeSessionStore,
    FakeTables,
    FakeUserStore,
    public_id,
)
from tests.samples import a_caller, a_session, a_user, add, an_event

USER = a_user(1, token_version=2, metadata={"a": "x" * 3_000})
CALLER = a_caller(a_user(1, token_version=2))


@pytest.fixture
def exports(
    users: FakeUserStore, session_store: FakeSessionStore, tables: FakeTables, clock: FakeClock
) -> ExportService:
    add(users, USER)
    tables.sessions.clear()
    activity = ActivityService(FakeActivityStore(tables, clock), users, CursorSigner("secret"))
    return ExportService(users, session_store, activity, clock)


@pytest.mark.parametrize("name", ["me", public_id(1)])
def test_an_export_has_the_user_as_they_are_stored(exports: ExportService, name: str) -> None:
    export = exports.export(CALLER, name)
    assert export.user == USER, "and not as the authorizer handed them on"
    assert export.sessions == ()
    assert export.activity.events == ()


def test_an_export_has_every_session_and_says_which_have_ended(
    exports: ExportService, tables: FakeTables
) -> None:
    alive = a_session(USER, 1, created_at=START - timedelta(days=1))
    lapsed = a_session(USER, 2, expires_at=START, created_at=START - timedelta(days=2))
    outdated = a_session(USER, 3, token_version=1)
    for session in (alive, lapsed, outdated, a_session(a_user(2), 4)):
        tables.sessions[session.public_id, session.slot] = session
    assert exports.export(CALLER, "me").sessions == (
        (outdated, True),
        (alive, False),
        (lapsed, True),
    )


def test_an_export_is_bounded_and_says_where_the_rest_is(
    exports: ExportService, tables: FakeTables
) -> None:
    events = tuple(an_event(number) for number in range(1, MOST_EVENTS + 3))
    tables.keep(Trail(events[2:]))
    whole = exports.export(CALLER, "me").activity
    assert whole.events == events[:1:-1]
    assert whole.next_cursor is None
    tables.keep(Trail(events[:2]))
    part = exports.export(CALLER, "me").activity
    assert part.events == events[:1:-1]
    assert part.next_cursor is not None


def test_nobody_exports_another_not_even_an_admin(
    exports: ExportService, users: FakeUserStore
) -> None:
    calls = users.calls
    for other in (public_id(1), public_id(404), "nobody"):
        with pytest.raises(NotAllowedError):
            exports.export(a_caller(a_user(9, admin=True)), other)
    assert users.calls == calls


def test_of_whoever_left_meanwhile_there_is_nothing(
    exports: ExportService, users: FakeUserStore
) -> None:
    users.rows.clear()
    with pytest.raises(TokenInvalidError):
        exports.export(CALLER, "me")


def test_half_an_export_is_none(exports: ExportService, session_store: FakeSessionStore) -> None:
    session_store.down = True
    with pytest.raises(UnavailableError):
        exports.export(CALLER, "me")
