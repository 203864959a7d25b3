"""What has to be true after each race, whoever won it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.names import fold
from tests.races.scene import OPERATIONS, PASSWORD, PASSWORDS, Scene, tokens_of
from tests.races.stage import Answer, Row, Sending, Stage


@dataclass(frozen=True, slots=True)
class Outcome:
    """A race that was run: which operations, and what each was answered."""

    scene: Scene
    names: Sequence[str]
    answers: Sequence[Answer]

    def did(self, name: str) -> bool:
        """An operation took part, and was told that it is done."""
        return any(
            own == name and answer.ok for own, answer in zip(self.names, self.answers, strict=True)
        )

    @property
    def undecided(self) -> bool:
        """Somebody was told to try again: what they wanted may be done, or not."""
        return any(answer.status == 503 for answer in self.answers)


def faults_after(stage: Stage, outcome: Outcome, documented: dict[str, Any]) -> list[str]:
    """What is not as it has to be, a line each."""
    found = list(_undocumented(outcome, documented))
    tables = stage.snapshot()
    users = {row["public_id"]["S"]: row for row in tables["users"] if is_user(row)}
    found += disagreements_of_names(tables["users"], users)
    if not any(map(is_admin, users.values())):
        found.append("no admin is left")
    found += [f"a negative count: {row}" for row in tables["attempts"] if is_negative(row)]
    user = users.get(outcome.scene.public_id)
    found += _acknowledged(outcome, user)
    found += _tokens(stage, outcome, user, tables)
    found += _passwords(stage, outcome, user)
    return found


def _undocumented(outcome: Outcome, documented: dict[str, Any]) -> Iterator[str]:
    for name, answer in zip(outcome.names, outcome.answers, strict=True):
        statuses = documented[answer.sending.method.lower()]
        path = answer.sending.path
        known = next(found for shape, found in statuses.items() if _fits(path, shape))
        if str(answer.status) not in known or answer.status == 500:
            yield f"{name}: {answer.status} {answer.body}"


def _fits(path: str, shape: str) -> bool:
    parts, wanted = path.split("/"), shape.split("/")
    return len(parts) == len(wanted) and all(
        part == want or want.startswith("{") for part, want in zip(parts, wanted, strict=True)
    )


def disagreements_of_names(rows: Sequence[Row], users: dict[str, Row]) -> Iterator[str]:
    """Users and markers agree: nobody without a name, no name without its user, none twice."""
    expected: dict[str, tuple[str, bool]] = {}
    for public_id, user in users.items():
        former = json.loads(user["former_emails"]["S"]) if "former_emails" in user else []
        own = [(f"email#{fold(user['email']['S'])}", False)]
        own += [(f"username#{fold(user['username']['S'])}", False)]
        own += [(f"email#{fold(email)}", True) for email, _ in former]
        for key, held in own:
            if key in expected and expected[key][0] != public_id:
                yield f"{key} belongs to two users"
            if key not in expected or not held:
                expected[key] = (public_id, held)
    markers = {
        row["pk"]["S"]: (row["public_id"]["S"], "expires_at" in row)
        for row in rows
        if row["pk"]["S"].startswith(("email#", "username#"))
    }
    for key in markers.keys() | expected.keys():
        if markers.get(key) != expected.get(key):
            yield f"{key}: the marker says {markers.get(key)}, the users say {expected.get(key)}"


def _acknowledged(outcome: Outcome, user: Row | None) -> Iterator[str]:
    """What somebody was told is done, and nobody has undone since, is so."""
    if outcome.did("close") or outcome.did("have closed"):
        if user is not None:
            yield "the account was closed, and is there"
        return
    if user is None:
        yield "the account is gone, and nobody was told so"
        return
    name = outcome.scene.name
    flags = {
        "promote": ("admin", True),
        "demote": ("admin", False),
        "disable": ("disabled", True),
        "enable": ("disabled", False),
    }
    for operation, (flag, value) in flags.items():
        others = {other for other, (same, _) in flags.items() if same == flag} - {operation}
        undone = any(map(outcome.did, others))
        if outcome.did(operation) and not undone and _flag(user, flag) != value:
            yield f"{operation}: {flag} is {_flag(user, flag)}"
    names = {"rename": f"{name}-renamed", "have renamed": f"{name}-given"}
    given = {new for operation, new in names.items() if outcome.did(operation)}
    if given and user["username"]["S"] not in given:
        yield f"the username is {user['username']['S']}, and should be one of {given}"
    if outcome.did("write metadata") and user["metadata"]["S"] != '{"a": [1, "b"]}':
        yield f"the metadata are {user['metadata']['S']}"


def _tokens(
    stage: Stage, outcome: Outcome, user: Row | None, tables: dict[str, list[Row]]
) -> Iterator[str]:
    """A token works if, and only if, its session is there, and its user is and may."""
    scene = outcome.scene
    alive = {
        row["session_id"]["S"]
        for row in tables["sessions"]
        if user
        and row["public_id"]["S"] == scene.public_id
        and int(row["token_version"]["N"]) >= int(user["token_version"]["N"])
    }
    revoked = {row["token_id"]["S"] for row in tables["revoked-tokens"]}
    may = user is not None and not _flag(user, "disabled")
    for token_set in tokens_of(scene, list(outcome.answers)):
        session = token_set["session_id"]
        should = may and session in alive and session not in revoked
        token = token_set["Authorization"]
        works = stage.send(Sending("GET", "/user/me", None, token)).ok
        if works != should and not _is_of_another(outcome, token_set):
            yield f"session {session}: its token works: {works}, and should: {should}"
    if outcome.did("log out") and scene.token_sets[0]["session_id"] in alive - revoked:
        yield "the session that was logged out is there"
    if outcome.did("end the other session") and scene.token_sets[1]["session_id"] in alive:
        yield "the session that was ended is there"
    for operation in ("disable", "end all sessions", "have all sessions ended"):
        if outcome.did(operation) and {own["session_id"] for own in scene.token_sets} & alive:
            yield f"{operation}: sessions from before are alive"
    owners = {row["public_id"]["S"] for row in tables["sessions"]}
    users = {row["public_id"]["S"] for row in tables["users"] if is_user(row)}
    if owners - users:
        yield f"sessions of nobody: {owners - users}"


def _is_of_another(outcome: Outcome, token_set: Any) -> bool:
    """It came with the registration of another account."""
    return any(
        answer.body is token_set and answer.sending.path == "/user" for answer in outcome.answers
    )


def _passwords(stage: Stage, outcome: Outcome, user: Row | None) -> Iterator[str]:
    """One password is right, and it is the one that it was set to."""
    if user is None:
        return
    if _flag(user, "disabled"):
        stage.change(outcome.scene.public_id, disabled={"BOOL": False})
    name = user["username"]["S"]
    right = []
    for password in PASSWORDS:
        login = {"username": name, "password": password}
        answer = stage.send(Sending("POST", "/auth/login", login))
        if answer.ok or answer.code == "password_change_required":
            right.append(password)
    were_set = {
        OPERATIONS[own].sets_password
        for own, answer in zip(outcome.names, outcome.answers, strict=True)
        if answer.ok and OPERATIONS[own].sets_password
    }
    if len(right) != 1:
        yield f"{len(right)} passwords are right: {right}"
    elif were_set and right[0] not in were_set:
        yield f"{right[0]!r} is right, and {were_set} was set"
    elif not were_set and right[0] != PASSWORD and not outcome.undecided:
        yield f"{right[0]!r} is right, and nobody was told so"


def is_user(row: Row) -> bool:
    """A row of the table of users is one, and not a name's marker."""
    return bool(row["pk"]["S"].startswith("user#"))


def _flag(user: Row, name: str) -> bool:
    return bool(user.get(name, {}).get("BOOL", False))


def is_admin(user: Row) -> bool:
    """Somebody can administer the service."""
    return _flag(user, "admin") and not _flag(user, "disabled")


def is_negative(row: Row) -> bool:
    """More places were given back than were taken."""
    return "attempts" in row and int(row["attempts"]["N"]) < 0
