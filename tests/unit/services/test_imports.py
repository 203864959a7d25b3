import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.activity import OPERATOR, Act
from chalicelib.domain.email_changes import HELD_FOR
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.imports import Arrival, Claim, Outcome, Owners
from chalicelib.domain.passwords import NO_PASSWORD
from chalicelib.domain.times import epoch_seconds
from chalicelib.domain.users import FormerEmail, User
from chalicelib.services.imports import BATCH, ImportService, Result, Row
from chalicelib.services.passwords import PasswordHasher
from chalicelib.services.trails import TrailService
from tests.fakes import START, FakeClock, FakeIds, FakeRandom, FakeTables, FakeUserStore, public_id
from tests.samples import FOREIGN_HASHES, a_user, add

HASH = FOREIGN_HASHES["bcrypt 2b"]
IMPORTED, PRESENT, REFUSED = Outcome.IMPORTED, Outcome.PRESENT, Outcome.REFUSED
STRANGERS = "Belongs to another account."
OTHER_NAMES = "Belongs to an account that has another email or username."


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def imports(
    users: FakeUserStore, trails: TrailService, clock: FakeClock, pauses: list[float]
) -> ImportService:
    return ImportService(
        users,
        PasswordHasher(4),
        trails,
        clock=clock,
        new_id=FakeIds(),
        random_below=FakeRandom().below,
        sleep=pauses.append,
    )


def a_row(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"email": f"user-{number}@example.com", "username": f"User {number}"} | fields


def outcomes(imports: ImportService, *rows: dict[str, Any]) -> list[Outcome]:
    return [result.outcome for result in results(imports, *rows)]


def results(imports: ImportService, *rows: dict[str, Any]) -> list[Result]:
    found = imports.run(Row(line, fields) for line, fields in enumerate(rows, 1))
    return sorted(found, key=lambda result: result.line)


def only(users: FakeUserStore) -> User:
    ((_, row),) = users.rows.items()
    return row.user


# What a row may have


def test_an_account_arrives_as_it_was(
    imports: ImportService, users: FakeUserStore, tables: FakeTables
) -> None:
    row = a_row(
        public_id="11111111-2222-4333-8444-555555555555",
        registered_on="2020-02-03T04:05:06.789+01:00",
        admin=True,
        disabled=True,
        email_verified=True,
        metadata={"plan": "gold"},
        password_hash=HASH,
    )
    assert outcomes(imports, row) == [IMPORTED]
    found = users.rows["11111111-2222-4333-8444-555555555555"]
    assert found.password_hash == HASH
    assert found.user == User(
        public_id="11111111-2222-4333-8444-555555555555",
        email="user-1@example.com",
        username="User 1",
        registered_on=datetime(2020, 2, 3, 3, 5, 6, 789_000, tzinfo=UTC),
        token_version=epoch_seconds(START),
        admin=True,
        disabled=True,
        email_verified=True,
        metadata={"plan": "gold"},
    )
    (event,) = tables.events
    assert (event.act, event.actor, event.public_id) == (
        Act.IMPORTED,
        OPERATOR,
        found.user.public_id,
    )
    assert event.at == START


def test_what_a_row_leaves_out_has_a_default(imports: ImportService, users: FakeUserStore) -> None:
    empty: dict[str, Any] = dict.fromkeys(
        ("public_id", "registered_on", "admin", "metadata", "password_hash"), ""
    )
    assert outcomes(imports, a_row(**empty), a_row(2, admin=None)) == [IMPORTED, IMPORTED]
    for number in (1, 2):
        row = users.rows[public_id(number)]
        assert row.user == a_user(number)
        assert row.password_hash == NO_PASSWORD


@pytest.mark.parametrize("text", ["true", "True", "t", "1", "YES", True])
def test_a_flag_is_set_in_the_ways_that_files_have(
    imports: ImportService, users: FakeUserStore, text: Any
) -> None:
    assert outcomes(imports, a_row(admin=text)) == [IMPORTED]
    assert only(users).admin


@pytest.mark.parametrize("text", ["false", "F", "0", "no", False])
def test_a_flag_is_clear_likewise(imports: ImportService, users: FakeUserStore, text: Any) -> None:
    assert outcomes(imports, a_row(admin=text)) == [IMPORTED]
    assert not only(users).admin


@pytest.mark.parametrize("text", ["!", "!wZ0UxtRwmRd3YzKlk1iCCHYJRkin7bqQa80jm9QG"])
def test_an_unusable_password_is_none(
    imports: ImportService, users: FakeUserStore, text: str
) -> None:
    assert outcomes(imports, a_row(password_hash=text)) == [IMPORTED]
    assert users.rows[public_id(1)].password_hash == NO_PASSWORD


@pytest.mark.parametrize("password_hash", FOREIGN_HASHES.values())
def test_a_hash_is_kept_as_it_came(
    imports: ImportService, users: FakeUserStore, password_hash: str
) -> None:
    assert outcomes(imports, a_row(password_hash=password_hash)) == [IMPORTED]
    assert users.rows[public_id(1)].password_hash == password_hash


@pytest.mark.parametrize("metadata", [{}, {"a": [1, {"ü": None}]}, '{"a": 1}', {"a": "x" * 4_088}])
def test_metadata_is_an_object_or_the_text_of_one(
    imports: ImportService, users: FakeUserStore, metadata: Any
) -> None:
    assert outcomes(imports, a_row(metadata=metadata)) == [IMPORTED]
    expected = json.loads(metadata) if isinstance(metadata, str) else metadata
    assert only(users).metadata == expected


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": [value]}
    return value


@pytest.mark.parametrize(
    ("fields", "at_fault", "reason"),
    [
        ({"email": None}, "email", "This field is required."),
        ({"email": "nobody"}, "email", "Not a valid email address."),
        ({"email": 7}, "email", "Not text."),
        ({"username": "x" * 65}, "username", "Must have 1 to 64 characters."),
        ({"username": "a\u200bb"}, "username", "Must not have control or invisible characters."),
        ({"username": "\ud800"}, "username", "Not text."),
        ({"username": "zoe\udfff"}, "username", "Not text."),
        ({"public_id": "7"}, "public_id", "Not a UUID."),
        ({"registered_on": "yesterday"}, "registered_on", "Not a moment as RFC 3339 has it."),
        ({"registered_on": "2020-01-01T00:00:00"}, "registered_on", "Has no time zone."),
        ({"registered_on": "1969-12-31T23:59:59Z"}, "registered_on", "Not between 1970 and now."),
        (
            {"registered_on": (START + timedelta(seconds=1)).isoformat()},
            "registered_on",
            "Not between 1970 and now.",
        ),
        ({"admin": "maybe"}, "admin", "Neither true nor false."),
        ({"admin": 1}, "admin", "Neither true nor false."),
        ({"metadata": "{"}, "metadata", "Not JSON."),
        ({"metadata": {"a": float("inf")}}, "metadata", "Not JSON."),
        ({"metadata": {"a": "\ud800"}}, "metadata", "Not JSON."),
        ({"metadata": "[" * 100_000}, "metadata", "Not JSON."),
        ({"metadata": [1]}, "metadata", "Not a JSON object."),
        ({"metadata": {"a": "x" * 4_089}}, "metadata", "Must have at most 4096 octets of JSON."),
        ({"metadata": {"a": "ü" * 2_045}}, "metadata", "Must have at most 4096 octets of JSON."),
        ({"metadata": nested(17)}, "metadata", "Too many levels of JSON."),
        (
            {"password_hash": "hunter22"},
            "password_hash",
            "Not a password hash of a kind that can be verified.",
        ),
        (
            {"password_hash": "$2b$31$" + "." * 53},
            "password_hash",
            "Takes more memory or time than a login has.",
        ),
    ],
)
def test_a_broken_row_is_refused_with_a_reason_and_the_rest_goes_in(
    imports: ImportService, users: FakeUserStore, fields: dict[str, Any], at_fault: str, reason: str
) -> None:
    refused, imported = results(imports, a_row(2, **fields), a_row(1))
    assert refused == Result(1, REFUSED, {at_fault: reason})
    assert imported.outcome is IMPORTED
    assert only(users).email == "user-1@example.com"


@pytest.mark.parametrize("moment", ["1970-01-01T00:00:00Z", START.isoformat()])
def test_an_account_is_from_between_1970_and_now(
    imports: ImportService, users: FakeUserStore, moment: str
) -> None:
    assert outcomes(imports, a_row(registered_on=moment)) == [IMPORTED]
    assert only(users).registered_on == datetime.fromisoformat(moment)


def test_a_moment_is_kept_in_universal_time(imports: ImportService, users: FakeUserStore) -> None:
    assert outcomes(imports, a_row(registered_on="2020-02-03T04:05:06+01:00")) == [IMPORTED]
    assert only(users).registered_on.tzinfo is UTC


def test_metadata_may_have_many_levels(imports: ImportService) -> None:
    assert outcomes(imports, a_row(metadata=nested(16))) == [IMPORTED]


def test_all_that_is_wrong_with_a_row_is_said_at_once(imports: ImportService) -> None:
    (result,) = results(imports, {"pasword_hash": HASH, "admin": "x"})
    assert result.errors.keys() == {"row", "email", "admin"}
    assert "password_hash" in result.errors["row"]
    assert HASH not in str(result)


def test_a_row_that_could_not_be_read_is_refused_for_that(imports: ImportService) -> None:
    assert list(imports.run([Row(7, fault="Not JSON.")])) == [
        Result(7, REFUSED, {"row": "Not JSON."})
    ]


def test_a_row_does_not_show_what_it_has() -> None:
    assert HASH not in repr(Row(1, {"password_hash": HASH}))


# Usernames that are made


def test_a_username_is_made_of_the_email(imports: ImportService, users: FakeUserStore) -> None:
    assert outcomes(imports, {"email": "Zoë.Q@example.com"}) == [IMPORTED]
    assert only(users).username == "Zoë.Q"


def test_digits_follow_if_it_is_somebodys(imports: ImportService, users: FakeUserStore) -> None:
    rows = [{"email": f"zoe@{name}.example"} for name in ("one", "two")]
    assert outcomes(imports, *rows) == [IMPORTED, IMPORTED]
    assert [row.user.username for row in users.rows.values()] == ["zoe", "zoe000001"]
    assert outcomes(imports, *rows) == [PRESENT, PRESENT]


def test_a_made_username_that_would_be_too_long_is_cut_for_its_digits(
    imports: ImportService, users: FakeUserStore
) -> None:
    name = "z" * 64
    assert outcomes(imports, *({"email": f"{name}@{at}.example"} for at in "ab")) == [IMPORTED] * 2
    assert [row.user.username for row in users.rows.values()] == [name, "z" * 58 + "000001"]


def test_there_are_six_digits_at_most(
    imports: ImportService, users: FakeUserStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "_random_below", lambda below: below - 1)
    assert outcomes(imports, *({"email": f"zoe@{at}.example"} for at in "ab")) == [IMPORTED] * 2
    assert [row.user.username for row in users.rows.values()] == ["zoe", "zoe999999"]


def test_an_email_that_makes_no_username_needs_one(
    imports: ImportService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_email: str) -> str:
        raise ValueError("Must have 1 to 64 characters.")

    monkeypatch.setattr("chalicelib.services.imports.made_username", refuse)
    (result,) = results(imports, {"email": "zoe@example.com"})
    assert result.errors == {
        "username": "None can be made of the email: Must have 1 to 64 characters."
    }


# Running it again


def test_the_same_rows_again_change_nothing(imports: ImportService, users: FakeUserStore) -> None:
    rows = [
        a_row(1, public_id=public_id(77), password_hash=HASH),
        a_row(2),
        {"email": "three@example.com"},
        {"email": "four@example.com", "public_id": public_id(78)},
    ]
    assert outcomes(imports, *rows) == [IMPORTED] * 4
    before = dict(users.rows)
    shouted = [
        row | {name: row[name].upper() for name in ("email", "username") if name in row}
        for row in rows
    ]
    assert outcomes(imports, *rows) == outcomes(imports, *shouted) == [PRESENT] * 4
    assert users.rows == before


def test_what_became_of_an_account_meanwhile_stays(
    imports: ImportService, users: FakeUserStore, tables: FakeTables
) -> None:
    row = a_row(password_hash=HASH, admin=True, metadata={"a": 1})
    assert outcomes(imports, row) == [IMPORTED]
    users.replace_password_hash(public_id(1), HASH, "another hash")
    changed = users.change(public_id(1), admin=False, metadata={}, token_version=3)
    assert outcomes(imports, row) == [PRESENT]
    assert only(users) == changed
    assert users.rows[public_id(1)].password_hash == "another hash"
    assert len(tables.events) == 1


def test_an_email_that_is_held_for_whoever_had_it_is_refused(
    imports: ImportService, users: FakeUserStore
) -> None:
    add(users, a_user(1))
    former = FormerEmail("user-1@example.com", START + HELD_FOR)
    users.change(public_id(1), email="new@example.com", former_emails=(former,))
    for row in ({"email": "user-1@example.com"}, a_row(1), a_row(9, email="USER-1@example.com")):
        (result,) = imports.run([Row(2, row)])
        assert (result.outcome, result.errors["email"]) == (REFUSED, STRANGERS)


@pytest.mark.parametrize(
    ("row", "errors"),
    [
        (a_row(1, username="New"), {"email": OTHER_NAMES}),
        (a_row(1, username="User 2"), {"username": STRANGERS}),
        (a_row(9, username="User 2"), {"username": STRANGERS}),
        (a_row(1, public_id=public_id(9)), {"email": STRANGERS, "username": STRANGERS}),
        (a_row(9, username="user 1", public_id=public_id(9)), {"username": STRANGERS}),
        (a_row(9, public_id=public_id(1)), {"public_id": OTHER_NAMES}),
        (a_row(1, username="New", public_id=public_id(1)), {"public_id": OTHER_NAMES}),
        (a_row(9, username="User 1", public_id=public_id(1)), {"public_id": OTHER_NAMES}),
        ({"email": "user-1@example.com", "public_id": public_id(2)}, {"email": STRANGERS}),
        ({"email": "new@example.com", "public_id": public_id(1)}, {"public_id": OTHER_NAMES}),
    ],
)
def test_a_name_or_identifier_of_another_account_is_refused(
    imports: ImportService, users: FakeUserStore, row: dict[str, Any], errors: dict[str, str]
) -> None:
    add(users, a_user(1))
    add(users, a_user(2))
    before = dict(users.rows)
    assert results(imports, row) == [Result(1, REFUSED, errors)]
    assert users.rows == before


@pytest.mark.parametrize(
    ("second", "outcome"),
    [
        (a_row(1), PRESENT),
        (a_row(1, email="USER-1@example.com"), PRESENT),
        (a_row(2, username="user 1"), REFUSED),
        (a_row(2, email="user-1@example.com"), REFUSED),
        (a_row(2, public_id=public_id(77)), REFUSED),
    ],
)
def test_of_two_rows_that_clash_the_first_goes_in(
    imports: ImportService, users: FakeUserStore, second: dict[str, Any], outcome: Outcome
) -> None:
    first = a_row(1, public_id=public_id(77))
    assert outcomes(imports, first, second, a_row(3)) == [IMPORTED, outcome, IMPORTED]
    assert len(users.rows) == 2


# Many, and a store that has its troubles


def test_many_take_a_read_and_a_write_for_every_batch(
    imports: ImportService, users: FakeUserStore
) -> None:
    rows = [a_row(number) for number in range(1, 3 * BATCH + 2)]
    assert outcomes(imports, *rows) == [IMPORTED] * len(rows)
    assert users.calls == 2 * 4
    users.calls = 0
    assert outcomes(imports, *rows) == [PRESENT] * len(rows)
    assert users.calls == 4


def test_rows_are_read_as_they_are_needed(imports: ImportService) -> None:
    read = 0

    def endless() -> Iterator[Row]:
        nonlocal read
        while True:
            read += 1
            yield Row(read, a_row(read))

    found = imports.run(endless())
    assert next(found).outcome is IMPORTED
    assert read == BATCH + 1


def test_a_rehearsal_says_what_would_be_and_writes_nothing(
    imports: ImportService, users: FakeUserStore
) -> None:
    add(users, a_user(1))
    rows = [Row(1, a_row(1)), Row(2, a_row(2)), Row(3, a_row(3, username="User 1"))]
    found = list(imports.run(rows, rehearsal=True))
    assert [result.outcome for result in found] == [PRESENT, IMPORTED, REFUSED]
    assert only(users) == a_user(1)


class _Troubled(FakeUserStore):
    """Has a surprise for each of the first writes."""

    def __init__(self, *surprises: Callable[["_Troubled", list[Arrival]], bool]) -> None:
        super().__init__()
        self.surprises = list(surprises)

    def add_all(self, arrivals: Any) -> bool:
        if self.surprises:
            return self.surprises.pop(0)(self, list(arrivals))
        return super().add_all(arrivals)


def _somebody_was_faster(store: _Troubled, arrivals: list[Arrival]) -> bool:
    add(store, a_user(9, email=arrivals[0].credentials.user.email))
    return False


def _the_answer_was_lost(store: _Troubled, arrivals: list[Arrival]) -> bool:
    FakeUserStore.add_all(store, arrivals)
    raise UnavailableError


def _nothing_was_done(_store: _Troubled, _arrivals: list[Arrival]) -> bool:
    raise UnavailableError


def troubled(store: FakeUserStore, trails: TrailService, pauses: list[float]) -> ImportService:
    return ImportService(
        store,
        PasswordHasher(4),
        trails,
        clock=FakeClock(),
        new_id=FakeIds(),
        random_below=FakeRandom().below,
        sleep=pauses.append,
    )


def test_who_was_faster_is_found_and_the_others_go_in(
    trails: TrailService, pauses: list[float]
) -> None:
    store = _Troubled(_somebody_was_faster)
    found = results(troubled(store, trails, pauses), a_row(1), a_row(2))
    assert found == [Result(1, REFUSED, {"email": OTHER_NAMES}), Result(2, IMPORTED)]


def test_an_answer_that_was_lost_counts_nobody_twice(
    trails: TrailService, pauses: list[float]
) -> None:
    store = _Troubled(_the_answer_was_lost)
    rows = a_row(1), a_row(2, public_id=public_id(77)), {"email": "three@example.com"}
    assert outcomes(troubled(store, trails, pauses), *rows) == [IMPORTED] * 3
    assert len(store.rows) == 3
    assert len(store.tables.events) == 3


def test_a_store_that_rests_for_a_while_is_waited_for(
    trails: TrailService, pauses: list[float]
) -> None:
    store = _Troubled(_nothing_was_done, _nothing_was_done)
    assert outcomes(troubled(store, trails, pauses), a_row(1)) == [IMPORTED]
    assert pauses == [0.1, 0.2]


def test_a_store_that_stays_away_ends_the_import_after_what_was_said(
    imports: ImportService, users: FakeUserStore, pauses: list[float]
) -> None:
    rows = (Row(number, a_row(number)) for number in range(1, 2 * BATCH + 1))
    found = imports.run(rows)
    assert [next(found).outcome for _ in range(BATCH)] == [IMPORTED] * BATCH
    users.down = True
    with pytest.raises(UnavailableError):
        next(found)
    assert len(users.rows) == BATCH
    assert sum(pauses) < 10


def test_no_row_is_passed_over_that_the_store_says_nothing_of(
    imports: ImportService, users: FakeUserStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "owners", lambda _: [Owners(None, None, None)])
    with pytest.raises(ValueError, match="shorter"):
        results(imports, a_row(1), a_row(2))
    assert users.rows == {}


def test_whose_keys_are_whose_is_told_in_order(users: FakeUserStore) -> None:
    add(users, a_user(1))
    claims = [Claim(public_id(9), "x@example.com", "user 1"), Claim(public_id(1), "y", "z")]
    assert users.owners(claims) == [
        Owners(None, public_id(1), None),
        Owners(None, None, public_id(1)),
    ]


def test_whoever_was_faster_with_the_same_account_has_added_it(
    trails: TrailService, pauses: list[float]
) -> None:
    def add_the_same(store: _Troubled, arrivals: list[Arrival]) -> bool:
        add(store, a_user(9, email="user-1@example.com", username="User 1"))
        assert arrivals
        return False

    store = _Troubled(add_the_same)
    assert outcomes(troubled(store, trails, pauses), a_row(1)) == [PRESENT]
