"""What stands in for the world in unit tests. Each keeps the contract of what it stands in for.

The stores and the key source pass the same tests as the real ones: tests/store.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from chalicelib.domain.activity import Event, EventPage
from chalicelib.domain.attempts import (
    Admission,
    Count,
    KnownAddress,
    LoginFacts,
    Origin,
    Outcome,
    Tally,
)
from chalicelib.domain.changes import NO_CHANGES, Changes, Unchanged
from chalicelib.domain.email_changes import EmailChange, held_emails
from chalicelib.domain.errors import (
    EmailTakenError,
    UnavailableError,
    UsernameTakenError,
    UserNotFoundError,
)
from chalicelib.domain.imports import HELD, Arrival, Claim, Owners
from chalicelib.domain.mailed_tokens import MailedToken, MailedTokenFacts, MailedTokenRecord
from chalicelib.domain.names import fold
from chalicelib.domain.outbox import Message
from chalicelib.domain.passwords import Password
from chalicelib.domain.principals import Principal, Standing
from chalicelib.domain.sessions import (
    Opening,
    RefreshFacts,
    RefreshToken,
    Session,
    opening_order,
    slot_of,
)
from chalicelib.domain.times import epoch_seconds
from chalicelib.domain.tokens import AccessClaims, KeyState, PublicKey, SigningKey
from chalicelib.domain.trails import NO_TRAIL, Trail
from chalicelib.domain.users import Credentials, Page, Removal, User
from chalicelib.keys.parameters import Parameter, read_public_key
from chalicelib.store.revocations import FOR_GOOD

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


class FakeRandom:
    """Octets that can be told apart, and the lowest number each time."""

    def __init__(self) -> None:
        self.last = 0

    def octets(self, count: int) -> bytes:
        self.last += 1
        return self.last.to_bytes(count, "big")

    def below(self, bound: int) -> int:
        """Answers 0, 1, 2 … below the bound, as long as they last."""
        self.last += 1
        return self.last % bound


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


@dataclass
class FakeTables:
    """What the fake stores share, as the real ones share DynamoDB's tables."""

    users: dict[str, Credentials] = field(default_factory=dict)
    sessions: dict[tuple[str, int], Session] = field(default_factory=dict)
    revoked: dict[str, int] = field(default_factory=dict)
    """Until when, in seconds since the epoch, by session or by `key#<key id>`."""
    counts: dict[tuple[tuple[str, ...], int], int] = field(default_factory=dict)
    """How many attempts, by what is counted and when the window began."""
    addresses: dict[tuple[str, str], KnownAddress] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    def keep(self, trail: Trail) -> None:
        self.events += trail.events
        self.messages += trail.messages

    mailed: dict[str, MailedTokenRecord] = field(default_factory=dict)
    """By the hash of the secret."""

    def is_taken(self, email: str, public_id: str, now: datetime) -> bool:
        """Tell whether an address is somebody else's, or held for them."""
        return any(
            fold(email) in map(fold, (user.email, *(held.email for held in held_emails(user, now))))
            for user in (row.user for row in self.users.values())
            if user.public_id != public_id
        )

    def counted(self, count: Count) -> int:
        return self.counts.get((count.of, count.starts_at), 0)

    def is_below(self, count: Count) -> bool:
        return self.counted(count) < count.limit

    def tally(self, count: Count) -> Tally:
        return Tally(count, self.counted(count))

    def add_to(self, count: Count, number: int) -> int:
        self.counts[count.of, count.starts_at] = self.counted(count) + number
        return self.counted(count)

    def remember(self, session: Session) -> None:
        address = KnownAddress.of(session)
        self.addresses[address.public_id, address.network] = address

    def revoke_key(self, key_id: str) -> None:
        self.revoked[f"key#{key_id}"] = FOR_GOOD

    def is_revoked(self, key_id: str) -> bool:
        return f"key#{key_id}" in self.revoked


class FakePasswordList:
    """Common passwords in memory."""

    def __init__(self, *passwords: str) -> None:
        self._folds = set(map(fold, passwords))

    def __contains__(self, password: Password) -> bool:
        return fold(password.text) in self._folds


class FakeBreachRegister(_Breakable):
    """Breached passwords in memory, each in its exact spelling."""

    def __init__(self, *known: str) -> None:
        super().__init__()
        self.known = set(known)

    def knows(self, password: Password) -> bool:
        self._called()
        return password.text in self.known


class FakeUserStore(_Breakable):
    """Users in memory. `down` makes it unavailable; `calls` counts how often it was asked."""

    def __init__(
        self, tables: FakeTables | None = None, clock: Callable[[], datetime] = lambda: START
    ) -> None:
        super().__init__()
        self.tables = tables or FakeTables()
        self.rows = self.tables.users
        self._clock = clock

    def add(
        self,
        user: User,
        password_hash: str,
        opening: Opening | None,
        *,
        trail: Trail = NO_TRAIL,
    ) -> bool:
        self._called()
        users = [row.user for row in self.rows.values()]
        if self.tables.is_taken(user.email, user.public_id, self._clock()):
            raise EmailTakenError
        if any(fold(user.username) == fold(other.username) for other in users):
            raise UsernameTakenError
        if user.public_id in self.rows:
            raise UnavailableError
        if opening is not None:
            if self.tables.is_revoked(opening.signing_key_id):
                return False
            session = opening.session
            self.tables.sessions[session.public_id, session.slot] = session
            self.tables.remember(session)
        self.rows[user.public_id] = Credentials(user, password_hash)
        self.tables.keep(trail)
        return True

    def remove(
        self, user: User, other_admin: str | None = None, *, trail: Trail = NO_TRAIL
    ) -> Removal:
        self._called()
        row = self.rows.get(user.public_id)
        if other_admin is not None and not self._is_enabled_admin(other_admin):
            return Removal.NO_OTHER_ADMIN
        if row is None or _as_read(row.user) != _as_read(user):
            return Removal.CHANGED
        del self.rows[user.public_id]
        self.tables.keep(trail)
        return Removal.DONE

    def get(self, public_id: str) -> User | None:
        self._called()
        row = self.rows.get(public_id)
        return row.user if row else None

    def find_by_email(self, key: str) -> User | None:
        self._called()
        row = self._of(_email_key, key)
        return row.user if row else None

    def find_by_username(self, key: str) -> User | None:
        self._called()
        row = self._of(_username_key, key)
        return row.user if row else None

    def credentials(self, public_id: str) -> Credentials | None:
        self._called()
        return self.rows.get(public_id)

    def credentials_by_email(self, key: str) -> Credentials | None:
        self._called()
        return self._of(_email_key, key)

    def login_by_email(self, key: str, signing_key_id: str, origin: Origin) -> LoginFacts:
        return self._login(self._of(_email_key, key), signing_key_id, origin)

    def login_by_username(self, key: str, signing_key_id: str, origin: Origin) -> LoginFacts:
        return self._login(self._of(_username_key, key), signing_key_id, origin)

    def login_by_id(self, public_id: str, signing_key_id: str, origin: Origin) -> LoginFacts:
        return self._facts(public_id, origin.of_account(public_id), signing_key_id, origin)

    def _facts(
        self, public_id: str, count: Count, signing_key_id: str, origin: Origin
    ) -> LoginFacts:
        self._called()
        return LoginFacts(
            self.rows.get(public_id),
            self.tables.is_revoked(signing_key_id),
            self.tables.addresses.get((public_id, origin.network)),
            self.tables.counted(origin.failures),
            self.tables.tally(count),
            self.tables.tally(origin.at_known_address(public_id)),
        )

    def replace_password_hash(self, public_id: str, old_hash: str, new_hash: str) -> None:
        self._called()
        row = self.rows.get(public_id)
        if row and row.password_hash == old_hash:
            self.rows[public_id] = Credentials(row.user, new_hash)

    def change_password(
        self,
        before: Credentials,
        new_hash: str,
        session: Session,
        below: Count,
        *,
        trail: Trail = NO_TRAIL,
    ) -> Outcome:
        self._called()
        if not self.tables.is_below(below):
            return Outcome.LIMITED
        row = self.rows.get(before.user.public_id)
        if row is None or row.password_hash != before.password_hash:
            return Outcome.CHANGED
        if row.user.token_version != before.user.token_version:
            return Outcome.CHANGED
        user = replace(
            row.user,
            token_version=session.token_version,
            pending_email=None,
            password_change_required=False,
        )
        self.rows[user.public_id] = Credentials(user, new_hash)
        self.tables.sessions[session.public_id, session.slot] = session
        self.tables.remember(session)
        self.tables.keep(trail)
        return Outcome.DONE

    def raise_token_version(self, public_id: str, *, trail: Trail = NO_TRAIL) -> None:
        self._called()
        if public_id not in self.rows:
            raise UserNotFoundError
        version = self.rows[public_id].user.token_version
        self.change(public_id, token_version=version + 1)
        self.tables.keep(trail)

    def update(
        self,
        public_id: str,
        changes: Changes,
        *,
        other_admin: str | None = None,
        by_themselves: bool = False,
        trail: Trail = NO_TRAIL,
    ) -> User | Unchanged:
        self._called()
        renaming = changes.renaming
        user = self.rows[public_id].user if public_id in self.rows else None
        as_read = renaming is None or (user is not None and user.username == renaming.before)
        if by_themselves and not (as_read and self._is_enabled_admin(public_id)):
            return Unchanged.NOT_AS_CALLED
        if other_admin is not None and not self._is_enabled_admin(other_admin):
            return Unchanged.NO_OTHER_ADMIN
        if renaming is not None:
            if not as_read:
                return Unchanged.OTHER_USERNAME
            owner = self._of(_username_key, fold(renaming.after))
            if owner is not None and owner.user.public_id != public_id:
                raise UsernameTakenError
        if user is None:
            raise UserNotFoundError
        required = changes.password_change_required
        self.tables.keep(trail)
        return self.change(
            public_id,
            username=user.username if renaming is None else renaming.after,
            metadata=user.metadata if changes.metadata is None else dict(changes.metadata),
            admin=user.admin if changes.admin is None else changes.admin,
            disabled=user.disabled if changes.disabled is None else changes.disabled,
            password_change_required=(
                user.password_change_required if required is None else required
            ),
            token_version=user.token_version + (1 if changes.end_sessions else 0),
        )

    def admins(self) -> Iterator[str]:
        self._called()
        return iter([key for key in self.rows if self._is_enabled_admin(key)])

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

    def owners(self, claims: Sequence[Claim]) -> list[Owners]:
        self._called()
        return [
            Owners(
                self._whose(_email_key, claim.email_key) or self._holder_of(claim.email_key),
                self._whose(_username_key, claim.username_key),
                claim.public_id if claim.public_id in self.rows else None,
            )
            for claim in claims
        ]

    def _holder_of(self, key: str) -> str | None:
        held = self.tables.is_taken(key, "nobody", self._clock())
        return HELD if held else None

    def add_all(self, arrivals: Sequence[Arrival]) -> bool:
        self._called()
        users = [arrival.credentials.user for arrival in arrivals]
        if any(
            user.public_id in self.rows
            or self.tables.is_taken(user.email, user.public_id, self._clock())
            or self._of(_username_key, fold(user.username))
            for user in users
        ):
            return False
        for arrival in arrivals:
            self.rows[arrival.credentials.user.public_id] = arrival.credentials
            self.tables.keep(Trail((arrival.event,)))
        return True

    def hashes(self, public_ids: Sequence[str]) -> dict[str, str]:
        self._called()
        known = [public_id for public_id in public_ids if public_id in self.rows]
        return {public_id: self.rows[public_id].password_hash for public_id in known}

    def change(self, public_id: str, **changes: object) -> User:
        """Set the scene behind the contract's back."""
        row = self.rows[public_id]
        user = replace(row.user, **changes)  # type: ignore[arg-type] # named by the tests
        self.rows[public_id] = Credentials(user, row.password_hash)
        return user

    def _whose(self, name_of: Callable[[User], str], key: str) -> str | None:
        row = self._of(name_of, key)
        return row.user.public_id if row else None

    def _of(self, name_of: Callable[[User], str], key: str) -> Credentials | None:
        return next((row for row in self.rows.values() if name_of(row.user) == key), None)

    def _login(self, row: Credentials | None, signing_key_id: str, origin: Origin) -> LoginFacts:
        if row is None:
            return self._facts("nobody", origin.nobodys, signing_key_id, origin)
        return self.login_by_id(row.user.public_id, signing_key_id, origin)

    def _is_enabled_admin(self, public_id: str) -> bool:
        row = self.rows.get(public_id)
        return row is not None and row.user.admin and not row.user.disabled


def _email_key(user: User) -> str:
    return fold(user.email)


def _username_key(user: User) -> str:
    return fold(user.username)


def _as_read(user: User) -> tuple[object, ...]:
    return user.email, user.username, user.admin, user.former_emails


class FakeSessionStore(_Breakable):
    """Sessions in memory."""

    def __init__(self, tables: FakeTables) -> None:
        super().__init__()
        self._tables = tables
        self.rows = tables.sessions

    def open(
        self,
        session: Session,
        ending: str | None,
        revoked_until: int,
        admission: Admission,
        *,
        trail: Trail = NO_TRAIL,
    ) -> Outcome:
        self._called()
        if not self._tables.is_below(admission.below):
            return Outcome.LIMITED
        place = session.public_id, session.slot
        in_the_way = self.rows.get(place)
        if in_the_way and in_the_way.session_id not in (
            session.session_id,
            ending,
        ):
            lapsed = in_the_way.expires_at <= session.created_at
            if not lapsed and in_the_way.token_version >= session.token_version:
                return Outcome.CHANGED
        if ending:
            left = session.public_id, slot_of(ending)
            if left != place:
                held = self.rows.get(left)
                if held and held.session_id != ending:
                    return Outcome.CHANGED
                self.rows.pop(left, None)
            self._tables.revoked[ending] = revoked_until
        self.rows[place] = session
        if admission.remembers:
            self._tables.remember(session)
        self._tables.keep(trail)
        return Outcome.DONE

    def of_user(self, public_id: str) -> tuple[Session, ...]:
        self._called()
        return tuple(row for (owner, _), row in self.rows.items() if owner == public_id)

    def alive(self, user: User, now: int) -> tuple[str, ...]:
        moment = datetime.fromtimestamp(now, UTC)
        return tuple(
            session.session_id
            for session in sorted(self.of_user(user.public_id), key=opening_order)
            if session.is_alive(user.token_version, moment)
        )

    def find(self, token: RefreshToken, signing_key_id: str) -> RefreshFacts:
        self._called()
        row = self._tables.users.get(token.public_id)
        return RefreshFacts(
            row.user if row else None,
            self._held(token.public_id, token.session_id),
            self._tables.is_revoked(signing_key_id),
        )

    def rotate(
        self, session: Session, used: RefreshToken, *, trail: Trail = NO_TRAIL
    ) -> Session | None:
        self._called()
        held = self._held(session.public_id, session.session_id)
        if held is None or held.lineage.current_hash != used.secret_hash:
            return held
        self.rows[session.public_id, session.slot] = session
        self._tables.keep(trail)
        return session

    def end(
        self, public_id: str, session_id: str, revoked_until: int, *, trail: Trail = NO_TRAIL
    ) -> None:
        self._called()
        if self._held(public_id, session_id):
            del self.rows[public_id, slot_of(session_id)]
        self._tables.revoked[session_id] = revoked_until
        self._tables.keep(trail)

    def end_if_alive(
        self,
        principal: Principal,
        session_id: str,
        now: int,
        revoked_until: int,
        *,
        trail: Trail = NO_TRAIL,
    ) -> bool:
        self._called()
        held = self._held(principal.user.public_id, session_id)
        moment = datetime.fromtimestamp(now, UTC)
        if held is None or not held.is_alive(principal.user.token_version, moment):
            return False
        self.end(held.public_id, session_id, revoked_until, trail=trail)
        return True

    def forget(self, public_id: str) -> None:
        self._called()
        for place in [place for place in self.rows if place[0] == public_id]:
            del self.rows[place]

    def _held(self, public_id: str, session_id: str) -> Session | None:
        held = self.rows.get((public_id, slot_of(session_id)))
        return held if held and held.session_id == session_id else None


class FakeActivityStore(_Breakable):
    """Events in memory, as the other stores left them."""

    def __init__(self, tables: FakeTables, clock: FakeClock) -> None:
        super().__init__()
        self._tables = tables
        self._clock = clock

    def page(self, public_id: str, limit: int, position: str | None) -> EventPage:
        self._called()
        places = {
            f"{event.at.isoformat(timespec='microseconds')}#{event.event_id}": event
            for event in self._tables.events
            if event.public_id == public_id
            and epoch_seconds(event.expires_at) > epoch_seconds(self._clock())
        }
        order = [at for at in sorted(places, reverse=True) if position is None or at < position]
        shown = order[:limit]
        return EventPage(
            events=tuple(places[place] for place in shown),
            next_position=shown[-1] if len(order) > limit else None,
        )


class FakeAttemptStore(_Breakable):
    """Counts of attempts in memory."""

    def __init__(self, tables: FakeTables) -> None:
        super().__init__()
        self._tables = tables

    def reserve(self, count: Count) -> int | None:
        self._called()
        if not self._tables.is_below(count):
            return None
        return self._tables.add_to(count, 1)

    def count_wrong(self, count: Count, trail: Trail) -> bool:
        if self.reserve(count) is None:
            return False
        self._tables.keep(trail)
        return True

    def is_below(self, count: Count) -> bool:
        self._called()
        return self._tables.is_below(count)

    def give_back(self, count: Count) -> None:
        self._called()
        self._tables.add_to(count, -1)


class FakeTrailStore(_Breakable):
    """Trails in memory that belong to no other write."""

    def __init__(self, tables: FakeTables) -> None:
        super().__init__()
        self._tables = tables

    def write(self, trail: Trail) -> None:
        self._called()
        self._tables.keep(trail)


class FakeRecoveryStore(_Breakable):
    """What mailed tokens do, in memory. `rival`, if set, is called once before the next write."""

    def __init__(self, tables: FakeTables, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self._tables = tables
        self._clock = clock
        self.rival: Callable[[], object] | None = None

    def find(self, token: MailedToken) -> MailedTokenFacts:
        self._called()
        return MailedTokenFacts(
            self._tables.mailed.get(token.secret_hash), self._tables.users.get(token.public_id)
        )

    def reset_password(
        self,
        token: MailedTokenRecord,
        before: Credentials,
        new_hash: str,
        *,
        trail: Trail = NO_TRAIL,
    ) -> bool:
        self._write()
        row = self._same(before.user)
        version = before.user.token_version
        if row is None or row.user.token_version != version:
            return False
        if row.password_hash != before.password_hash or not self._spend(token):
            return False
        user = replace(
            row.user,
            email_verified=True,
            token_version=version + 1,
            pending_email=None,
            password_change_required=False,
        )
        self._tables.users[user.public_id] = Credentials(user, new_hash)
        self._tables.keep(trail)
        return True

    def verify_email(
        self, token: MailedTokenRecord, user: User, *, trail: Trail = NO_TRAIL
    ) -> bool:
        self._write()
        row = self._same(user)
        if row is None or not self._spend(token):
            return False
        self._put(replace(row.user, email_verified=True), row)
        self._tables.keep(trail)
        return True

    def request_email(
        self,
        user: User,
        email: str | None,
        changes: Changes = NO_CHANGES,
        *,
        trail: Trail = NO_TRAIL,
    ) -> EmailChange:
        self._write()
        row, renaming = self._same(user), changes.renaming
        if row is None or row.user.token_version != user.token_version:
            return EmailChange.STALE
        if renaming is not None and row.user.username != renaming.before:
            return EmailChange.STALE
        if email is not None and self._tables.is_taken(email, user.public_id, self._clock()):
            return EmailChange.TAKEN
        if renaming is not None and self._is_named(renaming.after, user.public_id):
            raise UsernameTakenError
        changed = replace(
            row.user,
            pending_email=email,
            username=row.user.username if renaming is None else renaming.after,
            metadata=row.user.metadata if changes.metadata is None else dict(changes.metadata),
        )
        self._put(changed, row)
        self._tables.keep(trail)
        return EmailChange.DONE

    def _is_named(self, username: str, public_id: str) -> bool:
        """Whether a username is somebody else's."""
        others = (row.user for row in self._tables.users.values())
        return any(
            fold(other.username) == fold(username) and other.public_id != public_id
            for other in others
        )

    def change_email(
        self, token: MailedTokenRecord, before: User, after: User, *, trail: Trail = NO_TRAIL
    ) -> EmailChange:
        self._write()
        row = self._same(before)
        if row is None or _as_changed(row.user) != _as_changed(before):
            return EmailChange.STALE
        if token.secret_hash not in self._tables.mailed:
            return EmailChange.STALE
        if self._tables.is_taken(after.email, after.public_id, self._clock()):
            return EmailChange.TAKEN
        self._spend(token)
        changed = replace(
            row.user,
            email=after.email,
            email_verified=after.email_verified,
            pending_email=None,
            former_emails=after.former_emails,
            token_version=after.token_version,
        )
        self._put(changed, row)
        self._tables.keep(trail)
        return EmailChange.DONE

    def _write(self) -> None:
        self._called()
        rival, self.rival = self.rival, None
        if rival:
            rival()

    def _same(self, user: User) -> Credentials | None:
        row = self._tables.users.get(user.public_id)
        return row if row and row.user.email == user.email and not row.user.disabled else None

    def _spend(self, token: MailedTokenRecord) -> bool:
        return self._tables.mailed.pop(token.secret_hash, None) is not None

    def _put(self, user: User, row: Credentials) -> None:
        self._tables.users[user.public_id] = Credentials(user, row.password_hash)


def _as_changed(user: User) -> tuple[object, ...]:
    return user.token_version, user.pending_email, user.former_emails


class FakeRevocationStore(_Breakable):
    """Revoked keys in memory."""

    def __init__(self, tables: FakeTables | None = None) -> None:
        super().__init__()
        self.tables = tables or FakeTables()

    def revoke_key(self, key_id: str) -> None:
        self._called()
        self.tables.revoke_key(key_id)

    def is_key_revoked(self, key_id: str) -> bool:
        self._called()
        return self.tables.is_revoked(key_id)


class FakeStandingStore(_Breakable):
    """Answers from the tables of the other two."""

    def __init__(self, tables: FakeTables, clock: FakeClock) -> None:
        super().__init__()
        self._tables = tables
        self._clock = clock

    def standing(self, claims: AccessClaims) -> Standing:
        self._called()
        row = self._tables.users.get(claims.public_id)
        now = epoch_seconds(self._clock())
        revoked = any(
            self._tables.revoked.get(name, 0) > now
            for name in (claims.session_id, f"key#{claims.key_id}")
        )
        return Standing(row.user if row else None, revoked)


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
