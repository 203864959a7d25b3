"""Importing accounts from another system, with their password hashes."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from chalicelib.domain.activity import COMMAND, OPERATOR, Act
from chalicelib.domain.changes import Metadata
from chalicelib.domain.errors import InvalidInputError, UnavailableError
from chalicelib.domain.imports import HELD, Arrival, Claim, Outcome, Owners
from chalicelib.domain.names import LONGEST_USERNAME, EmailAddress, Username, fold
from chalicelib.domain.passwords import NO_PASSWORD
from chalicelib.domain.times import Clock, epoch_seconds
from chalicelib.domain.users import FIRST_VERSION, Credentials, User
from chalicelib.services.passwords import PasswordHasher
from chalicelib.services.trails import TrailService

FIELDS = (
    "public_id",
    "email",
    "username",
    "registered_on",
    "admin",
    "disabled",
    "email_verified",
    "metadata",
    "password_hash",
)
"""What a row may have, in the order in which rows are written."""
BATCH = 25
"""Users in a transaction, four rows each: DynamoDB allows 100 rows."""
_DEEPEST_METADATA = 32
_ATTEMPTS = 7
_FIRST_PAUSE_SECONDS = 0.1
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class ImportStore(Protocol):
    """Where many accounts are added at once."""

    def owners(self, claims: Sequence[Claim]) -> list[Owners]:
        """Whose the keys of some claims are, in their order; strongly consistent.

        Raises:
            UnavailableError: the store cannot answer in full now.
        """

    def add_all(self, arrivals: Sequence[Arrival]) -> bool:
        """Add accounts that share no key with each other, with their events, all or none.

        Answers False, having added none, if any of their keys belongs to somebody.

        Raises:
            UnavailableError: the store cannot answer now; all may have been added, or none.
        """


@dataclass(frozen=True, slots=True)
class Row:
    """An account as a file has it: its fields by name, or why they cannot be read."""

    line: int
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a row, and if it was refused, a reason for each field at fault."""

    line: int
    outcome: Outcome
    errors: Mapping[str, str] = field(default_factory=dict)
    """The reasons never quote a value: in a file whose columns moved, any may be a hash."""


@dataclass(slots=True)
class _Candidate:
    """An account that may be added, once its keys are known to be nobody's."""

    line: int
    user: User
    password_hash: str = field(repr=False)
    names_itself: bool
    """Whether the row has a username; otherwise one is made of the email."""
    identifies_itself: bool
    """Whether the row has an identifier."""
    tried: bool = False
    """Whether a transaction of ours has tried to add it."""

    @property
    def claim(self) -> Claim:
        user = self.user
        return Claim(user.public_id, fold(user.email), fold(user.username))

    @property
    def keys(self) -> frozenset[str]:
        """The keys of its rows: two candidates that share one do not fit into a transaction."""
        claim = self.claim
        return frozenset((claim.public_id, f"@{claim.email_key}", f"#{claim.username_key}"))


class ImportService:
    """Adds accounts as they are in another system. It never changes one that is there."""

    def __init__(
        self,
        store: ImportStore,
        hasher: PasswordHasher,
        trails: TrailService,
        *,
        clock: Clock,
        new_id: Callable[[], str],
        random_below: Callable[[int], int],
        sleep: Callable[[float], None],
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._trails = trails
        self._clock = clock
        self._new_id = new_id
        self._random_below = random_below
        self._sleep = sleep

    def run(self, rows: Iterable[Row], *, rehearsal: bool = False) -> Iterator[Result]:
        """Import rows, some at a time, and say of each what became of it, not quite in order.

        Whatever was said is written. The rest can be imported by running it again, which finds
        what is there. A rehearsal says the same and writes nothing.

        Raises:
            UnavailableError: the store cannot answer now, and could not for some seconds.
        """
        batch: list[_Candidate] = []
        taken: set[str] = set()
        for row in rows:
            try:
                candidate = self._read(row)
            except InvalidInputError as error:
                yield Result(row.line, Outcome.REFUSED, error.errors)
                continue
            if len(batch) == BATCH or not taken.isdisjoint(candidate.keys):
                yield from self._settle(batch, rehearsal=rehearsal)
                batch, taken = [], set()
            batch.append(candidate)
            taken |= candidate.keys
        if batch:
            yield from self._settle(batch, rehearsal=rehearsal)

    def _settle(self, batch: Sequence[_Candidate], *, rehearsal: bool) -> Iterator[Result]:
        """Add those whose keys are free; look again if somebody was faster or did not answer."""
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._sleep(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
            with suppress(UnavailableError):
                owners = self._store.owners([candidate.claim for candidate in batch])
                results = list(map(_judge, batch, owners))
                wanted = []
                for candidate, owner, result in zip(batch, owners, results, strict=True):
                    if result is None:
                        self._free_username(candidate, owner)
                        wanted.append(candidate)
                if not wanted or rehearsal or self._add(wanted):
                    for candidate, result in zip(batch, results, strict=True):
                        yield result or Result(candidate.line, Outcome.IMPORTED)
                    return
        raise UnavailableError

    def _free_username(self, candidate: _Candidate, owners: Owners) -> None:
        """Make another username for an account if the one that was made is somebody's."""
        if owners.username is not None:
            digits = f"{self._random_below(1_000_000):06}"
            name = made_username(candidate.user.email, digits)
            candidate.user = replace(candidate.user, username=str(name))

    def _add(self, wanted: Sequence[_Candidate]) -> bool:
        for candidate in wanted:
            candidate.tried = True
        return self._store.add_all(
            [
                Arrival(
                    Credentials(candidate.user, candidate.password_hash),
                    self._trails.event(
                        Act.IMPORTED, candidate.user.public_id, COMMAND, actor=OPERATOR
                    ),
                )
                for candidate in wanted
            ]
        )

    def _read(self, row: Row) -> _Candidate:
        if row.fault is not None:
            raise InvalidInputError({"row": row.fault})
        now = self._clock()
        reader = _Reader(row.fields, now)
        email = reader.take("email", reader.email, None)
        # Whoever brings an identifier may have been here before, and closed the account. The time
        # is above every version that tokens and sessions from then can have.
        version = epoch_seconds(now) if reader.has("public_id") else FIRST_VERSION
        candidate = _Candidate(
            line=row.line,
            user=User(
                public_id=reader.take("public_id", reader.public_id, None) or self._new_id(),
                email=email or "",
                username=reader.take("username", reader.username, None)
                or reader.make_username(email),
                registered_on=reader.take("registered_on", reader.moment, now),
                token_version=version,
                admin=reader.take("admin", reader.flag, default=False),
                disabled=reader.take("disabled", reader.flag, default=False),
                email_verified=reader.take("email_verified", reader.flag, default=False),
                metadata=reader.take("metadata", reader.metadata, {}),
            ),
            password_hash=reader.take("password_hash", self._password_hash, NO_PASSWORD),
            names_itself=reader.has("username"),
            identifies_itself=reader.has("public_id"),
        )
        reader.finish()
        return candidate

    def _password_hash(self, value: Any) -> str:
        text = _text(value)
        if text.startswith(NO_PASSWORD):
            return NO_PASSWORD  # how Django and Unix write it too, with more behind it
        self._hasher.check(text)
        return text


class _Reader:
    """Reads a row's fields, and collects what is wrong with them."""

    def __init__(self, fields: Mapping[str, Any], now: datetime) -> None:
        self._fields = fields
        self._now = now
        self._errors: dict[str, str] = {}
        if not fields.keys() <= set(FIELDS):
            self._errors["row"] = f"Has a field that is none of: {', '.join(FIELDS)}."
        if not self.has("email"):
            self._errors["email"] = "This field is required."

    def has(self, name: str) -> bool:
        """Tell whether there is anything: a file in columns has nothing as an empty text."""
        return self._fields.get(name) not in (None, "")

    def take(self, name: str, read: Callable[[Any], Any], default: Any) -> Any:
        """Read a field, or take the default if there is none, or none that can be read."""
        if not self.has(name):
            return default
        try:
            return read(self._fields[name])
        except ValueError as error:
            self._errors[name] = str(error)
            return default

    def finish(self) -> None:
        """See that nothing was wrong.

        Raises:
            InvalidInputError: something was.
        """
        if self._errors:
            raise InvalidInputError(self._errors)

    def make_username(self, email: str | None) -> str:
        """A username for a row that has none."""
        try:
            return str(made_username(email)) if email else ""
        except ValueError as error:
            self._errors["username"] = f"None can be made of the email: {error}"
            return ""

    def email(self, value: Any) -> str:
        return str(EmailAddress.parse(_text(value)))

    def username(self, value: Any) -> str:
        return str(Username.parse(_text(value)))

    def public_id(self, value: Any) -> str:
        try:
            return str(UUID(_text(value)))
        except ValueError as error:
            raise ValueError("Not a UUID.") from error

    def moment(self, value: Any) -> datetime:
        try:
            moment = datetime.fromisoformat(_text(value))
        except ValueError as error:
            raise ValueError("Not a moment as RFC 3339 has it.") from error
        if moment.tzinfo is None:
            raise ValueError("Has no time zone.")
        if not _EARLIEST <= moment <= self._now:
            raise ValueError("Not between 1970 and now.")
        return moment.astimezone(UTC)

    def flag(self, value: Any) -> bool:
        text = str(value).lower() if isinstance(value, str | bool) else ""
        if text in ("true", "t", "1", "yes"):
            return True
        if text in ("false", "f", "0", "no"):
            return False
        raise ValueError("Neither true nor false.")

    def metadata(self, value: Any) -> dict[str, Any]:
        try:
            found = json.loads(value) if isinstance(value, str) else value
            json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError) as error:
            raise ValueError("Not JSON.") from error
        if not isinstance(found, dict):
            raise ValueError("Not a JSON object.")  # noqa: TRY004 - a reason, like the others
        if _depth(found) > _DEEPEST_METADATA:
            raise ValueError("Too many levels of JSON.")
        return Metadata.parse(found)


def made_username(email: str, digits: str = "") -> Username:
    """A username made of an email: what is before the @, with digits if that is somebody's.

    Raises:
        ValueError: it would not be one; the reason is for a person.
    """
    name = email.rpartition("@")[0]
    return Username.parse(name[: LONGEST_USERNAME - len(digits)] + digits)


def _judge(candidate: _Candidate, owners: Owners) -> Result | None:
    """What became of a row if its keys are somebody's; None if it is to be added."""
    username = owners.username if candidate.names_itself else None  # a made one can be another
    # An account is who the row says it is. If it does not say, it is whoever has the email.
    meant = candidate.user.public_id
    if not candidate.identifies_itself:
        meant = meant if owners.email in (None, HELD) else owners.email
    strangers = {
        name: "Belongs to another account."
        for name, owner in (("email", owners.email), ("username", username))
        if owner not in (None, meant)
    }
    if strangers:
        return Result(candidate.line, Outcome.REFUSED, strangers)
    if owners.email == meant and (username == meant or not candidate.names_itself):
        # By an import of ours whose answer was lost, perhaps.
        ours = candidate.tried and meant == candidate.user.public_id
        return Result(candidate.line, Outcome.IMPORTED if ours else Outcome.PRESENT)
    if owners.email is None and username is None and owners.public_id is None:
        return None
    field_at_fault = "public_id" if candidate.identifies_itself else "email"
    reason = "Belongs to an account that has another email or username."
    return Result(candidate.line, Outcome.REFUSED, {field_at_fault: reason})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("Not text.")  # noqa: TRY004 - a reason, like the others
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError("Not text.")
    return value


def _depth(value: Any) -> int:
    """How many levels of objects and lists there are, none of them visited twice."""
    levels, layer = 0, [value]
    while layer:
        levels += 1
        nested = [part for part in layer if isinstance(part, dict | list)]
        layer = [
            inner
            for part in nested
            for inner in (part.values() if isinstance(part, dict) else part)
            if isinstance(inner, dict | list)
        ]
    return levels
