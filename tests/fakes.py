"""What stands in for the world in unit tests. Each keeps the contract of what it stands in for.

The stores and the key source pass the same tests as the real ones: tests/store.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from chalicelib.domain.errors import (
    EmailTakenError,
    UnavailableError,
    UsernameTakenError,
    UserNotFoundError,
)
from chalicelib.domain.names import fold
from chalicelib.domain.principals import Standing
from chalicelib.domain.times import epoch_seconds
from chalicelib.domain.tokens import KeyState, PublicKey, SigningKey
from chalicelib.domain.users import Credentials, Page, User
from chalicelib.keys.parameters import Parameter, read_public_key
from chalicelib.store.revocations import FOR_GOOD, revoked_key_row

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class FakeClock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def step(self, *, seconds: float = 0, minutes: float = 0, days: float = 0) -> None:
        self.now += timedelta(seconds=seconds, minutes=minutes, days=days)

    def reset(self) -> None:
        self.now = START


class FakeIds:
    """UUIDs that can be told apart: the first ends in 1, the second in 2."""

    def __init__(self) -> None:
        self.last = 0

    def __call__(self) -> str:
        self.last += 1
        return public_id(self.last)


def public_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


class _Breakable:
    def __init__(self) -> None:
        self.down = False
        self.calls = 0

    def _called(self) -> None:
        self.calls += 1
        if self.down:
            raise UnavailableError


class FakeUserStore(_Breakable):
    """Users in memory. `down` makes it unavailable; `calls` counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, Credentials] = {}

    def add(self, user: User, password_hash: str) -> None:
        self._called()
        users = [row.user for row in self.rows.values()]
        if any(fold(user.email) == fold(other.email) for other in users):
            raise EmailTakenError
        if any(fold(user.username) == fold(other.username) for other in users):
            raise UsernameTakenError
        self.rows[user.public_id] = Credentials(user, password_hash)

    def remove(self, user: User) -> None:
        self._called()
        row = self.rows.get(user.public_id)
        if row is None or (row.user.email, row.user.username) != (user.email, user.username):
            raise UserNotFoundError
        del self.rows[user.public_id]

    def get(self, public_id: str) -> User | None:
        self._called()
        row = self.rows.get(public_id)
        return row.user if row else None

    def find_by_email(self, key: str) -> User | None:
        found = self.credentials_by_email(key)
        return found.user if found else None

    def find_by_username(self, key: str) -> User | None:
        found = self.credentials_by_username(key)
        return found.user if found else None

    def credentials_by_email(self, key: str) -> Credentials | None:
        self._called()
        rows = self.rows.values()
        return next((row for row in rows if fold(row.user.email) == key), None)

    def credentials_by_username(self, key: str) -> Credentials | None:
        self._called()
        rows = self.rows.values()
        return next((row for row in rows if fold(row.user.username) == key), None)

    def replace_password_hash(self, public_id: str, old_hash: str, new_hash: str) -> None:
        self._called()
        row = self.rows.get(public_id)
        if row and row.password_hash == old_hash:
            self.rows[public_id] = Credentials(row.user, new_hash)

    def grant_admin(self, public_id: str) -> User:
        self._called()
        if public_id not in self.rows:
            raise UserNotFoundError
        return self.change(public_id, admin=True)

    def page(self, limit: int, position: str | None) -> Page:
        self._called()
        places = {
            f"{row.user.registered_on.isoformat(timespec='microseconds')}#{key}": row.user
            for key, row in self.rows.items()
        }
        order = [at for at in sorted(places, reverse=True) if position is None or at < position]
        shown = order[:limit]
        return Page(
            users=tuple(places[place] for place in shown),
            next_position=shown[-1] if len(order) > limit else None,
        )

    def change(self, public_id: str, **changes: object) -> User:
        """What no method of the contract does yet: a test sets the scene with it."""
        row = self.rows[public_id]
        user = replace(row.user, **changes)  # type: ignore[arg-type] # named by the tests
        self.rows[public_id] = Credentials(user, row.password_hash)
        return user


class FakeRevocationStore(_Breakable):
    """Revoked tokens and keys in memory; `until` is when each is forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.until: dict[str, int] = {}

    def revoke(self, token_id: str, until: int) -> None:
        self._called()
        self.until[token_id] = until

    def revoke_key(self, key_id: str) -> None:
        self.revoke(revoked_key_row(key_id), FOR_GOOD)

    def is_key_revoked(self, key_id: str) -> bool:
        self._called()
        return revoked_key_row(key_id) in self.until


class FakeStandingStore(_Breakable):
    """Answers from the other two fakes."""

    def __init__(
        self, users: FakeUserStore, revocations: FakeRevocationStore, clock: FakeClock
    ) -> None:
        super().__init__()
        self._users = users
        self._revocations = revocations
        self._clock = clock

    def standing(self, public_id: str, token_id: str) -> Standing:
        self._called()
        row = self._users.rows.get(public_id)
        until = self._revocations.until.get(token_id, 0)
        return Standing(row.user if row else None, until > epoch_seconds(self._clock()))


class FakeKeySource(_Breakable):
    """A key set in memory. `set_reads` counts how often the set itself was read."""

    def __init__(self) -> None:
        super().__init__()
        self.set_reads = 0
        self._public: dict[str, PublicKey] = {}
        self._private: dict[str, SigningKey] = {}

    def put(self, parameter: Parameter) -> None:
        folder, _, key_id = parameter.name.partition("/")
        if folder == "private-keys":
            self._private[key_id] = SigningKey(key_id, parameter.value)
        else:
            self._public[key_id] = read_public_key(parameter.name, parameter.value)

    def withdraw(self, key_id: str) -> None:
        del self._public[key_id]

    def withdraw_private(self, key_id: str) -> None:
        del self._private[key_id]

    def public_keys(self) -> tuple[PublicKey, ...]:
        self.set_reads += 1
        self._called()
        keys = self._public.values()
        return tuple(sorted(keys, key=lambda key: (key.created_at, key.key_id), reverse=True))

    def signing_key(self, key_id: str) -> SigningKey | None:
        self._called()
        return self._private.get(key_id)


class FakeKeyStore(FakeKeySource):
    """A key set in memory that can be changed. Its keys can be told apart, and sign nothing.

    `breaks_after` is how many more writes go through: each half of a key is one. None for all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.breaks_after: int | None = None
        self.writes = 0
        self._made = 0

    def add(self, state: KeyState, now: datetime) -> PublicKey:
        self._made += 1
        key_id = f"key-{self._made}"
        signing_since = now if state is KeyState.SIGNING else None
        key = PublicKey(key_id, now, "n", "AQAB", state, signing_since)
        self._write()
        self._private[key_id] = SigningKey(key_id, f"pem of {key_id}")
        self._write()
        self._public[key_id] = key
        return key

    def update(self, key: PublicKey) -> None:
        self._write()
        self._public[key.key_id] = key

    def delete(self, key_id: str) -> None:
        self._write()
        self._private.pop(key_id, None)
        self._write()
        self._public.pop(key_id, None)

    def hold(self, *keys: PublicKey) -> None:
        """Have these keys and no others, both halves of each."""
        self._public = {key.key_id: key for key in keys}
        self._private = {key.key_id: SigningKey(key.key_id, f"pem of {key.key_id}") for key in keys}

    @property
    def private_ids(self) -> set[str]:
        """The keys whose private half is there."""
        return set(self._private)

    def _write(self) -> None:
        self._called()
        if self.breaks_after == self.writes:
            raise UnavailableError
        self.writes += 1


def salts() -> Iterator[bytes]:
    """Salts that can be told apart, for a cost of 4."""
    number = 0
    while True:
        number += 1
        yield b"$2b$04$" + f"{number:.>21}".encode() + b"."
