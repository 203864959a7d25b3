"""What there is on AWS: kept and put back, told apart, and held to what must be true of it."""

import copy
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.ssm.models import ssm_backends

from chalicelib.container import Container
from chalicelib.domain.names import fold
from chalicelib.domain.passwords import Password
from tests.aws import ACTIVITY, ATTEMPTS, OUTBOX, REVOKED_TOKENS, SESSIONS, USERS
from tests.fakes import FakeClock, FakeIds, FakeRandom

REGION = "us-east-1"
_COST = re.compile(r"r=(\d+)")
TABLES = (USERS, REVOKED_TOKENS, SESSIONS, ATTEMPTS, ACTIVITY, OUTBOX)

Row = dict[str, Any]
Rows = dict[str, list[Row]]
Who = Callable[[str | None], str]
"""Says whose an identifier is."""


@dataclass(frozen=True, slots=True)
class Kept:
    """All that a case starts from."""

    tables: Mapping[str, Any]
    parameters: Mapping[str, list[Any]]
    now: datetime
    ids: int
    random: int


@dataclass(slots=True)
class World:
    """The stage on AWS, with the clock and the randomness of its service."""

    clock: FakeClock = field(default_factory=FakeClock)
    ids: FakeIds = field(default_factory=FakeIds)
    random: FakeRandom = field(default_factory=FakeRandom)

    def keep(self) -> Kept:
        return Kept(
            {name: copy.deepcopy(_table(name).items) for name in TABLES},
            {name: list(versions) for name, versions in _parameters().items()},
            self.clock.now,
            self.ids.last,
            self.random.last,
        )

    def put_back(self, kept: Kept) -> None:
        for name in TABLES:
            table = _table(name)
            table.items = copy.deepcopy(kept.tables[name])
            if table.stream_shard is not None:
                table.stream_shard.items.clear()
        parameters = _parameters()
        parameters.clear()
        parameters.update({name: list(versions) for name, versions in kept.parameters.items()})
        self.clock.now = kept.now
        self.ids.last = kept.ids
        self.random.last = kept.random

    def rows(self) -> Rows:
        """All rows of all tables, as they are."""
        return {name: [_plain(item) for item in _items(name)] for name in TABLES}

    def keys(self) -> Counter[str]:
        """The parameters of the signing keys, by what they are."""
        halves: dict[str, set[str]] = defaultdict(set)
        for name, versions in _parameters().items():
            kind, key_id = name.split("/")[-2:]
            state = json.loads(versions[-1].value).get("state") if kind == "public-keys" else ""
            halves[key_id].add(f"{kind} {state}".strip())
        return Counter(" and ".join(sorted(each)) for each in halves.values())


def _table(name: str) -> Any:
    return dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[name]


def _items(name: str) -> Iterator[Any]:
    table = _table(name)
    for item in table.items.values():
        if table.range_key_attr:
            yield from item.values()
        else:
            yield item


def _parameters() -> Any:
    return ssm_backends[DEFAULT_ACCOUNT_ID][REGION]._parameters  # noqa: SLF001 - moto's own


def _plain(item: Any) -> Row:
    return {name: _value(value.to_json()) for name, value in item.attrs.items()}


def _value(typed: dict[str, Any]) -> Any:
    ((kind, value),) = typed.items()
    if kind == "N":
        return int(value)
    if kind == "NULL":
        return None
    return value


@dataclass(frozen=True)
class State:
    """What there is, apart from what no two runs have in common: identifiers, hashes and times."""

    things: Counter[tuple[Any, ...]]
    counts: Mapping[str, int]
    """Of attempts. They may be higher than they need be, and never lower."""

    def difference(self, other: "State") -> frozenset[str]:
        """What this has (`+`) that the other has not, or the reverse (`-`), or otherwise (`~`)."""
        extra = self.things - other.things
        missing = other.things - self.things
        told = set()
        for thing in list(extra):
            twin = next(
                (one for one in missing if one[:2] == thing[:2] and thing[0] == "user"), None
            )
            if twin is not None:
                del extra[thing], missing[twin]
                told |= {
                    f"~{thing[0]} {name}"
                    for (name, mine), (_, others) in zip(thing[2:], twin[2:], strict=True)
                    if mine != others
                }
        told |= {f"+{_kind(thing)}" for thing in extra}
        told |= {f"-{_kind(thing)}" for thing in missing}
        return frozenset(told)


def _kind(thing: tuple[Any, ...]) -> str:
    return f"{thing[0]} {thing[1]}" if thing[0] in {"event", "message", "key"} else str(thing[0])


@dataclass(slots=True)
class Reader:
    """Reads states: it knows who is who, and whose password a hash is of."""

    container: Container
    start: Rows
    passwords: tuple[str, ...]
    _labels: dict[str, str] = field(default_factory=dict)

    def state(self, world: World) -> State:
        rows = world.rows()
        names = {row["public_id"]: fold(row["email"]) for row in _users(self.start)}
        for user in _users(rows):
            names.setdefault(user["public_id"], fold(user["email"]))
        things = Counter(self._things(rows, names))
        things.update({("key", kind): number for kind, number in world.keys().items()})
        counts = {row["attempt_id"]: row["attempts"] for row in rows[ATTEMPTS] if "attempts" in row}
        return State(things, counts)

    def _things(self, rows: Rows, names: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
        def who(public_id: str | None) -> str:
            if public_id is None or public_id.startswith("nobody"):
                return "nobody"
            return names.get(public_id, "the operator" if public_id == "operator" else "gone")

        yield from self._names(rows, who)
        yield from _sessions(rows, who)
        yield from _trails(rows, who)

    def _names(self, rows: Rows, who: Who) -> Iterator[tuple[Any, ...]]:
        for row in rows[USERS]:
            kind, _, key = row["pk"].partition("#")
            if kind == "user":
                yield "user", who(row["public_id"]), *self._facts(row)
            elif kind == "mailed":
                yield "mailed token", who(row["owner"]), row["purpose"], row["address"]
            else:
                yield "marker", kind, key, who(row["public_id"]), "expires_at" in row

    def _facts(self, row: Row) -> Iterator[tuple[str, Any]]:
        for name in (
            "email",
            "username",
            "token_version",
            "admin",
            "disabled",
            "email_verified",
            "pending_email",
            "metadata",
            "password_change_required",
        ):
            yield name, row.get(name)
        yield (
            "former_emails",
            tuple(pair[0] for pair in json.loads(row.get("former_emails") or "[]")),
        )
        yield "password", self._label(row["password_hash"])

    def _label(self, password_hash: str) -> str:
        if password_hash not in self._labels:
            hasher = self.container._hasher  # noqa: SLF001 - the test's own
            found = _COST.search(password_hash)
            cost = found and found[1]
            self._labels[password_hash] = next(
                (
                    f"{number}, cost {cost}"
                    for number, text in enumerate(self.passwords)
                    if hasher.matches(Password(text), password_hash)
                ),
                "none of those that were sent",
            )
        return self._labels[password_hash]


def _sessions(rows: Rows, who: Who) -> Iterator[tuple[Any, ...]]:
    for row in rows[SESSIONS]:
        yield "session", who(row["public_id"]), row["token_version"], len(json.loads(row["spent"]))
    for row in rows[REVOKED_TOKENS]:
        is_key = row["token_id"].startswith("key#")
        yield "revocation", row["token_id"] if is_key else "a session's"
    for row in rows[ATTEMPTS]:
        if "attempts" not in row:
            yield "known address", row.get("token_version")


def _trails(rows: Rows, who: Who) -> Iterator[tuple[Any, ...]]:
    for row in rows[ACTIVITY]:
        told = tuple(name in row for name in ("ip", "user_agent", "session_id"))
        of = (who(row["public_id"]), who(row.get("actor")))
        yield "event", row["act"], *of, *told, row.get("changed")
    for row in rows[OUTBOX]:
        to = (row.get("email_key"), row.get("address"), row["language"])
        yield "message", row["errand"], who(row.get("public_id")), *to


def _users(rows: Rows) -> list[Row]:
    return [row for row in rows[USERS] if row["pk"].startswith("user#")]


def broken(start: Rows, rows: Rows, now: datetime) -> list[str]:
    """What ought to be true of the tables at every moment, and is not."""
    return [
        *_broken_names(rows, int(now.timestamp())),
        *_broken_sessions(rows),
        *_broken_leftovers(rows),
        *_broken_trails(start, rows),
    ]


def _broken_names(rows: Rows, now: int) -> Iterator[str]:
    """Users and markers are one to one; a former address is held for whoever names it."""
    kinds = ("email#", "username#")
    markers = {row["pk"]: row for row in rows[USERS] if row["pk"].startswith(kinds)}
    has: dict[str, str] = {}
    had: dict[str, str] = {}
    for user in _users(rows):
        owner: str = user["public_id"]
        names = (f"email#{fold(user['email'])}", f"username#{fold(user['username'])}")
        if has.keys() & set(names):
            yield "two users have one name"
        has |= dict.fromkeys(names, owner)
        former = json.loads(user.get("former_emails") or "[]")
        held = (f"email#{fold(email)}" for email, until in former if until > now)
        had |= dict.fromkeys(held, owner)
    present = {key: row["public_id"] for key, row in markers.items() if "expires_at" not in row}
    holding = {key: row["public_id"] for key, row in markers.items() if "expires_at" in row}
    if present != has:
        yield "markers and users do not agree"
    if holding != {key: public_id for key, public_id in had.items() if key not in has}:
        yield "former addresses are not held for those who had them"


def _broken_sessions(rows: Rows) -> Iterator[str]:
    """None outlives its user, unless an errand sees to it; none is of a version yet to come."""
    versions = {user["public_id"]: user["token_version"] for user in _users(rows)}
    forgetting = {row.get("public_id") for row in rows[OUTBOX] if row["errand"] == "anonymise"}
    revoked = {row["token_id"] for row in rows[REVOKED_TOKENS]}
    for session in rows[SESSIONS]:
        owner = session["public_id"]
        if owner not in versions and owner not in forgetting:
            yield "a session has outlived its user"
        elif owner in versions and session["token_version"] > versions[owner]:
            yield "a session is of a token version that has not come"
        if UUID(session["session_id"]).bytes[0] != session["slot"]:
            yield "a session is in another one's slot"
        if session["session_id"] in revoked:
            yield "a session was ended and is still there"


def _broken_leftovers(rows: Rows) -> Iterator[str]:
    """Nothing is kept of whoever is gone but what an errand, or its time, takes away."""
    users = {user["public_id"] for user in _users(rows)}
    deleted = {row["public_id"] for row in rows[ACTIVITY] if row["act"] == "deleted"}
    for row in rows[USERS]:
        if row["pk"].startswith("mailed#") and row["owner"] not in users | deleted:
            yield "a mailed token is nobody's"
    for row in rows[OUTBOX]:
        if row.get("public_id") not in {None, *users, *deleted}:
            yield "a message is about nobody"
    for row in rows[ATTEMPTS]:
        if row.get("attempts", 0) < 0:
            yield "a count is below nothing"


def _broken_trails(start: Rows, rows: Rows) -> Iterator[str]:
    """Whoever comes or goes has said so; and an admin stays."""
    told = Counter((row["public_id"], row["act"]) for row in rows[ACTIVITY])
    before = {user["public_id"] for user in _users(start)}
    after = {user["public_id"] for user in _users(rows)}
    for public_id in after - before:
        if told[public_id, "registered"] != 1:
            yield "a registration is not told of once"
    for public_id in before - after:
        if told[public_id, "deleted"] != 1:
            yield "a deletion is not told of once"
    if any(map(_rules, _users(start))) and not any(map(_rules, _users(rows))):
        yield "no admin is left"


def _rules(user: Row) -> bool:
    return bool(user["admin"]) and not user["disabled"]
