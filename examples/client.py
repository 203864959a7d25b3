"""A client that stays logged in: `python client.py http://127.0.0.1:8000 zoe@example.com`."""

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from getpass import getpass
from typing import Any

import requests


class LoggedOutError(Exception):
    """Nobody is logged in here, or no longer."""


@dataclass(frozen=True, slots=True)
class TokenSet:
    """What a login or a refresh brought; an `auth` for `requests`. Printing it shows no token."""

    tokens: dict[str, str] = field(repr=False)
    refresh_at: float

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request."""
        request.headers["Authorization"] = f"Bearer {self.tokens['Authorization']}"
        return request


class Client:
    """One user of one API. Any number of threads may ask; one at a time fetches new tokens."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._clock, self._lock = url.rstrip("/"), clock, threading.Lock()
        self._tokens: TokenSet | None = None
        self._credentials: dict[str, str] | None = None

    def log_in(self, email: str, password: str, *, remember: bool = True) -> None:
        """Log in; with `remember` also again, whenever the session has ended."""
        with self._lock:
            given = {"email": email, "password": password}
            self._tokens = self._ask("/auth/login", given)
            self._credentials = given if remember else None

    def log_out(self) -> None:
        """End the session, for every thread."""
        self._credentials = None
        with suppress(LoggedOutError):  # it has ended already
            self.request("POST", "/auth/logout")
        self._tokens = None

    def request(self, method: str, path: str, timeout: int = 30, **more: Any) -> requests.Response:
        """Ask the API; `more` is for `requests`. Raises LoggedOutError if only a login helps."""
        tokens = self._tokens
        if tokens is None or self._clock() >= tokens.refresh_at:
            tokens = self._replace(tokens)
        send = partial(requests.request, method, self._url + path, timeout=timeout, **more)
        answer = send(auth=tokens)
        if answer.status_code == requests.codes.unauthorized:  # revoked, or expired on the way
            answer = send(auth=self._replace(tokens))
        return answer

    def _replace(self, old: TokenSet | None) -> TokenSet:
        with self._lock:
            if self._tokens is None:
                raise LoggedOutError("Log in first.")
            if self._tokens is old:  # if not, another thread was faster
                try:
                    self._tokens = self._refresh(old)
                except LoggedOutError:
                    if self._credentials is None:
                        raise
                    self._tokens = self._ask("/auth/login", self._credentials)
            return self._tokens

    def _refresh(self, old: TokenSet) -> TokenSet:
        spent = {"refresh_token": old.tokens["refresh_token"]}
        with suppress(requests.RequestException):  # a lost answer can be had again for 10 seconds
            return self._ask("/auth/refresh", spent, timeout=4)
        return self._ask("/auth/refresh", spent, timeout=4)

    def _ask(self, path: str, body: dict[str, str], timeout: float = 30) -> TokenSet:
        answer = requests.post(self._url + path, json=body, timeout=timeout)
        if answer.status_code == requests.codes.unauthorized:
            raise LoggedOutError(answer.json()["message"])
        answer.raise_for_status()
        given = answer.json()
        return TokenSet(given, refresh_at=self._clock() + 0.8 * given["expires_in"])


if __name__ == "__main__":
    client = Client(sys.argv[1])
    client.log_in(sys.argv[2], getpass() if sys.stdin.isatty() else input())
    print("Logged in as", client.request("GET", "/user/me").json()["username"])
    client.log_out()
