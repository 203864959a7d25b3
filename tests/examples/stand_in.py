"""What stands in for the API in tests of its clients: logins, refreshes and logouts in memory."""

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.servers import QuietHandler, serving

GRACE_SECONDS = 10

Answer = tuple[int, dict[str, Any]]


@dataclass(slots=True)
class _Session:
    password: str
    username: str
    expiry: dict[str, float] = field(default_factory=dict)
    """When each access token expires."""
    refresh_token: str = ""
    spent: dict[str, float] = field(default_factory=dict)
    """When each refresh token was used for the first time."""
    ended: bool = False


class StandIn:
    """The contract of sessions, with a clock that can be put forward and no leeway."""

    def __init__(self, life: int) -> None:
        self._life = life
        self._ahead = 0.0
        self._lock = threading.Lock()
        self._accounts: dict[str, dict[str, str]] = {}
        self._sessions: list[_Session] = []

    def clock(self) -> float:
        return time.monotonic() + self._ahead

    def step(self, seconds: float) -> None:
        self._ahead += seconds

    def answer(self, method: str, path: str, body: dict[str, str], token: str) -> Answer:
        routes: dict[tuple[str, str], Callable[[dict[str, str], str], Answer]] = {
            ("POST", "/user"): self._register,
            ("POST", "/auth/login"): self._log_in,
            ("POST", "/auth/refresh"): self._refresh,
            ("POST", "/auth/logout"): self._log_out,
            ("GET", "/user/me"): self._me,
        }
        with self._lock:
            return routes[method, path](body, token)

    def _register(self, body: dict[str, str], _token: str) -> Answer:
        self._accounts[body["email"]] = body
        return self._opened(body)

    def _log_in(self, body: dict[str, str], _token: str) -> Answer:
        account = self._accounts.get(body["email"], {})
        if account.get("password") != body["password"]:
            return _refused("email or password does not match.")
        return self._opened(account)

    def _opened(self, account: dict[str, str]) -> Answer:
        session = _Session(account["password"], account["username"])
        self._sessions.append(session)
        return self._token_set(session)

    def _token_set(self, session: _Session) -> Answer:
        token = secrets.token_hex()
        session.expiry[token] = self.clock() + self._life
        session.refresh_token = session.refresh_token or secrets.token_hex()
        return 200, {
            "status": "success",
            "Authorization": token,
            "token_type": "Bearer",
            "expires_in": self._life,
            "refresh_token": session.refresh_token,
            "session_id": str(self._sessions.index(session)),
        }

    def _refresh(self, body: dict[str, str], _token: str) -> Answer:
        given = body["refresh_token"]
        for session in self._sessions:
            if session.ended:
                continue
            if given == session.refresh_token:
                session.spent[given] = self.clock()
                session.refresh_token = ""
                return self._token_set(session)
            if given in session.spent:
                if self.clock() < session.spent[given] + GRACE_SECONDS:
                    return self._token_set(session)
                session.ended = True
        return _refused("Invalid token. Please log in again.")

    def _log_out(self, _body: dict[str, str], token: str) -> Answer:
        session = self._holder(token)
        if session is None:
            return _refused("Invalid token. Please log in again.")
        session.ended = True
        return 200, {"status": "success", "message": "Successfully logged out."}

    def _me(self, _body: dict[str, str], token: str) -> Answer:
        session = self._holder(token)
        if session is None:
            return _refused("Invalid token. Please log in again.")
        return 200, {"username": session.username}

    def _holder(self, token: str) -> _Session | None:
        return next(
            (
                session
                for session in self._sessions
                if not session.ended and session.expiry.get(token, 0) > self.clock()
            ),
            None,
        )


def _refused(message: str) -> Answer:
    return 401, {"status": "fail", "code": "token_invalid", "message": message}


@contextmanager
def standing_in(stand_in: StandIn) -> Iterator[str]:
    """Serve it on a port of its own; its URL."""

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            status, answer = stand_in.answer(
                self.command, self.path, json.loads(sent or b"{}"), token
            )
            self.answer(status, json.dumps(answer).encode(), Content_Type="application/json")

    with serving(Handler, "GET", "POST") as url:
        yield url
