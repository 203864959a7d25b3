"""An account in the middle of its life, and what can happen to it at the same time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from chalicelib.domain.mailed_tokens import Purpose
from chalicelib.store.mailed_tokens import DynamoMailedTokenStore
from tests.mailed import mailed
from tests.races.stage import Answer, Sending, Stage

PASSWORD = "the password of the account"
CHANGED = "the password that was changed"
RESET = "the password that was reset"
CHOSEN = "the password that was chosen"
"""What a new password may be, besides: by changing it, by a mail, at a login."""
PASSWORDS = (PASSWORD, CHANGED, RESET, CHOSEN)


@dataclass(slots=True)
class Scene:
    """One account, an admin, somebody else, and what they have in their hands."""

    stage: Stage
    root: str
    """The identifier of the stage's own admin."""
    root_token: str
    name: str
    public_id: str = ""
    token_sets: list[Any] = field(default_factory=list)
    """Two sessions of the account."""
    email: str = ""
    mailed_tokens: dict[Purpose, str] = field(default_factory=dict)

    @classmethod
    def prepare(
        cls, stage: Stage, root: str, root_token: str, random: Random, needs: frozenset[str]
    ) -> "Scene":
        """Register the account, bring it to where all that is needed can happen, and log it in."""
        name = f"a{random.getrandbits(40):010x}"
        scene = cls(stage, root, root_token, name, email=f"{name}@example.com")
        registered = scene.done(
            "POST",
            "/user",
            {"email": scene.email, "username": scene.name, "password": PASSWORD},
        )
        themselves = scene.done("GET", "/user/me", None, registered["Authorization"])
        scene.public_id = themselves["public_id"]
        if "undo" in needs:
            scene._change_email(registered["Authorization"])
        if "reset" in needs:
            scene.mail(Purpose.RESET, scene.email)
        if "verify" in needs:
            stage.change(scene.public_id, email_verified={"BOOL": False})
            scene.mail(Purpose.VERIFY, scene.email)
        scene.token_sets = [scene.log_in(), scene.log_in()]
        if "confirm" in needs:
            wanted = f"{name}-new@example.com"
            scene.done(
                "PATCH", "/user/me", {"email": wanted, "current_password": PASSWORD}, scene.token
            )
            scene.mail(Purpose.CONFIRM, wanted)
        if "admin" in needs:
            stage.change(scene.public_id, admin={"BOOL": True})
        if "disabled" in needs:
            stage.change(scene.public_id, disabled={"BOOL": True})
        if "must change" in needs:
            stage.change(scene.public_id, password_change_required={"BOOL": True})
        return scene

    @property
    def token(self) -> str:
        """The access token of the first session."""
        return str(self.token_sets[0]["Authorization"])

    def done(self, method: str, path: str, json: Any, token: str | None = None) -> Any:
        """Send something that has to work; what it answers."""
        answer = self.stage.send(Sending(method, path, json, token))
        assert answer.ok, answer
        return answer.body

    def log_in(self) -> Any:
        """Log in as ever; the token set."""
        return self.done("POST", "/auth/login", {"email": self.email, "password": PASSWORD})

    def mail(self, purpose: Purpose, address: str) -> None:
        """Mail a token, as the courier does, and have it at hand."""
        text, record = mailed(self.public_id, purpose, address, at=datetime.now(UTC))
        DynamoMailedTokenStore().add(record)
        self.mailed_tokens[purpose] = text

    def _change_email(self, token: str) -> None:
        former, self.email = self.email, f"{self.name}-second@example.com"
        self.done("PATCH", "/user/me", {"email": self.email, "current_password": PASSWORD}, token)
        self.mail(Purpose.CONFIRM, self.email)
        confirming = {"token": self.mailed_tokens[Purpose.CONFIRM]}
        self.done("POST", "/auth/email/verify", confirming)
        self.mail(Purpose.UNDO, former)


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that can happen to an account."""

    sending: Callable[[Scene], Sending]
    needs: frozenset[str] = frozenset()
    sets_password: str | None = None
    """The password that the account has afterwards, if it was done."""


def _post(path: str, token: bool = False, **json: Any) -> Callable[[Scene], Sending]:  # noqa: FBT001, FBT002 - read where it is called
    return lambda scene: Sending("POST", path, json or None, scene.token if token else None)


def _patched(**json: Any) -> Callable[[Scene], Sending]:
    return lambda scene: Sending("PATCH", "/user/me", json, scene.token)


def _administered(**json: Any) -> Callable[[Scene], Sending]:
    return lambda scene: Sending("PATCH", f"/user/{scene.public_id}", json, scene.root_token)


def _spent(path: str, purpose: Purpose, **json: Any) -> Callable[[Scene], Sending]:
    return lambda scene: Sending("POST", path, {"token": scene.mailed_tokens[purpose], **json})


def _logged_in(password: str, **more: Any) -> Callable[[Scene], Sending]:
    return lambda scene: Sending(
        "POST", "/auth/login", {"username": scene.name, "password": password, **more}
    )


OPERATIONS: Mapping[str, Operation] = {
    "register the email": Operation(
        lambda scene: Sending(
            "POST",
            "/user",
            {"email": scene.email, "username": f"{scene.name}-x", "password": PASSWORD},
        )
    ),
    "register the username": Operation(
        lambda scene: Sending(
            "POST",
            "/user",
            {"email": f"{scene.name}-x@example.com", "username": scene.name, "password": PASSWORD},
        )
    ),
    "register the wanted email": Operation(
        lambda scene: Sending(
            "POST",
            "/user",
            {
                "email": f"{scene.name}-new@example.com",
                "username": f"{scene.name}-y",
                "password": PASSWORD,
            },
        )
    ),
    "register the wanted username": Operation(
        lambda scene: Sending(
            "POST",
            "/user",
            {
                "email": f"{scene.name}-z@example.com",
                "username": f"{scene.name}-renamed",
                "password": PASSWORD,
            },
        )
    ),
    "log in": Operation(_logged_in(PASSWORD)),
    "log in wrongly": Operation(_logged_in("a wrong password")),
    "log in with a new password": Operation(
        _logged_in(PASSWORD, new_password=CHOSEN), sets_password=CHOSEN
    ),
    "log in with a required password": Operation(
        _logged_in(PASSWORD, new_password=CHOSEN), frozenset({"must change"}), CHOSEN
    ),
    "refresh": Operation(
        lambda scene: Sending(
            "POST", "/auth/refresh", {"refresh_token": scene.token_sets[0]["refresh_token"]}
        )
    ),
    "log out": Operation(_post("/auth/logout", token=True)),
    "end the other session": Operation(
        lambda scene: Sending(
            "DELETE", f"/auth/sessions/{scene.token_sets[1]['session_id']}", None, scene.token
        )
    ),
    "end all sessions": Operation(
        lambda scene: Sending("DELETE", "/auth/sessions", None, scene.token)
    ),
    "have all sessions ended": Operation(
        lambda scene: Sending("DELETE", f"/user/{scene.public_id}/sessions", None, scene.root_token)
    ),
    "change the password": Operation(
        _post("/auth/password/change", token=True, current_password=PASSWORD, new_password=CHANGED),
        sets_password=CHANGED,
    ),
    "reset the password": Operation(
        _spent("/auth/password/reset", Purpose.RESET, new_password=RESET),
        frozenset({"reset"}),
        RESET,
    ),
    "verify the email": Operation(
        _spent("/auth/email/verify", Purpose.VERIFY), frozenset({"verify"})
    ),
    "want another email": Operation(
        lambda scene: Sending(
            "PATCH",
            "/user/me",
            {"email": f"{scene.name}-other@example.com", "current_password": PASSWORD},
            scene.token,
        )
    ),
    "confirm an email": Operation(
        _spent("/auth/email/verify", Purpose.CONFIRM), frozenset({"confirm"})
    ),
    "undo an email": Operation(_spent("/auth/email/undo", Purpose.UNDO), frozenset({"undo"})),
    "ask for a new password": Operation(
        lambda scene: Sending("POST", "/auth/password/forgot", {"email": scene.email})
    ),
    "rename": Operation(
        lambda scene: Sending(
            "PATCH", "/user/me", {"username": f"{scene.name}-renamed"}, scene.token
        )
    ),
    "have renamed": Operation(
        lambda scene: Sending(
            "PATCH",
            f"/user/{scene.public_id}",
            {"username": f"{scene.name}-given"},
            scene.root_token,
        )
    ),
    "write metadata": Operation(_patched(metadata={"a": [1, "b"]})),
    "promote": Operation(_administered(admin=True)),
    "demote": Operation(_administered(admin=False), frozenset({"admin"})),
    "demote the other admin": Operation(
        lambda scene: Sending("PATCH", f"/user/{scene.root}", {"admin": False}, scene.token),
        frozenset({"admin"}),
    ),
    "disable the other admin": Operation(
        lambda scene: Sending("PATCH", f"/user/{scene.root}", {"disabled": True}, scene.token),
        frozenset({"admin"}),
    ),
    "disable": Operation(_administered(disabled=True)),
    "enable": Operation(_administered(disabled=False), frozenset({"disabled"})),
    "require another password": Operation(_administered(password_change_required=True)),
    "close": Operation(
        lambda scene: Sending("DELETE", "/user/me", {"current_password": PASSWORD}, scene.token)
    ),
    "have closed": Operation(
        lambda scene: Sending("DELETE", f"/user/{scene.public_id}", None, scene.root_token)
    ),
    "look": Operation(lambda scene: Sending("GET", "/user/me", None, scene.token)),
    "list sessions": Operation(lambda scene: Sending("GET", "/auth/sessions", None, scene.token)),
    "export": Operation(lambda scene: Sending("GET", "/user/me/export", None, scene.token)),
}


def tokens_of(scene: Scene, answers: list[Answer]) -> list[Any]:
    """Every token set of the account that anybody holds, with what was just given out."""
    given = [answer.body for answer in answers if answer.ok and isinstance(answer.body, dict)]
    return [
        *scene.token_sets,
        *(body for body in given if "refresh_token" in body),
    ]
