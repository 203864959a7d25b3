"""Our two functions, called as Lambda calls them, for `bench.worker`."""

import json
from collections.abc import Callable
from typing import Any

from app import app
from bench.events import Context, proxy_event, token_event
from chalicelib.authorizer import authorize

Prepared = Callable[[], tuple[int, str]]


def _post(path: str, content: dict[str, str], headers: dict[str, str] | None = None) -> Prepared:
    event = proxy_event("POST", path, body=json.dumps(content), headers=headers)
    return lambda: _answer(app(event, Context()))


def _answer(answer: dict[str, Any]) -> tuple[int, str]:
    return answer["statusCode"], answer["body"]


def register(given: dict[str, str]) -> Prepared:
    """Open an account."""
    return _post("/user", {**given, "username": given["email"].partition("@")[0]})


def login(given: dict[str, str]) -> Prepared:
    """Log in."""
    return _post("/auth/login", given)


def refresh(given: dict[str, str]) -> Prepared:
    """Get the next token set."""
    return _post("/auth/refresh", {"refresh_token": given["refresh"]})


def logout(given: dict[str, str]) -> Prepared:
    """End the session."""
    return _post("/auth/logout", {}, {"Authorization": f"Bearer {given['token']}"})


def show_me(given: dict[str, str]) -> Prepared:
    """Look at oneself: the authorizer, and the API function with what it said."""
    asked = token_event(given["token"])
    event = proxy_event(
        "GET", "/user/me", resource="/user/{public_id}", parameters={"public_id": "me"}
    )

    def call() -> tuple[int, str]:
        event["requestContext"]["authorizer"] = authorize(asked, Context())["context"]
        return _answer(app(event, Context()))

    return call


OPERATIONS = {
    "register": register,
    "login": login,
    "logout": logout,
    "refresh": refresh,
    "me": show_me,
}
