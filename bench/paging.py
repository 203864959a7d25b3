"""A page of users, asked for as API Gateway asks: `python -m bench.paging STORE TURNS`.

Both functions run in this process and the store in another, so this one's CPU time is the
functions' own. Each turn asks for each page once, in tables of every size. It prints the
milliseconds, calls and octets of each, as JSON.
"""

import http.client
import json
import logging
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

from bench.events import Context, proxy_event, token_event
from bench.sorted_store import MOST_USERS, users
from chalicelib.authorizer import authorize
from chalicelib.container import container
from chalicelib.domain.times import system_clock
from chalicelib.domain.users import User
from chalicelib.services.cursors import CursorSigner
from chalicelib.services.tokens import TokenIssuer

SIZES = (100, 1_000, 10_000, MOST_USERS)
LIMITS = {"first": 50, "later": 20}
"""How many users a page has. A later one of 50 would reach the end of 100, and read less."""

_MILLISECONDS = 1_000
_WARM_UP = 5


def main(store: str, turns: str) -> None:
    """Ask, and print. `store` is an address on this machine."""
    logging.disable(logging.INFO)
    wanted = {0} | {size * 3 // 4 for size in SIZES}
    some = {number: user for number, user in enumerate(users(MOST_USERS)) if number in wanted}
    token = _token(some[0])
    cursors = {size: _cursor_after(some[size * 3 // 4]) for size in SIZES}
    measured: dict[str, dict[str, Any]] = {
        f"{page} {size}": {"milliseconds": []} for size in SIZES for page in LIMITS
    }
    for turn in range(-_WARM_UP, int(turns)):
        for size in SIZES:
            for page, limit in LIMITS.items():
                _use(store, size)
                query = {"limit": str(limit)}
                if page == "later":
                    query["cursor"] = cursors[size]
                used = _ask(token, query)
                row = measured[f"{page} {size}"]
                row["asked"] = _use(store, size)
                if turn >= 0:
                    row["milliseconds"].append(used)
    print(json.dumps(measured))


def _token(admin: User) -> str:
    settings = container().settings
    issuer = TokenIssuer(
        issuer=settings.issuer,
        audience=settings.audience,
        client_id=settings.client_id,
        lifetime_seconds=settings.access_token_seconds,
        clock=system_clock,
        new_id=lambda: str(uuid4()),
    )
    ends_at = system_clock() + timedelta(days=1)
    return issuer.issue(admin, str(uuid4()), ends_at, container().keys.signing_key()).text


def _cursor_after(user: User) -> str:
    position = f"{user.registered_on:%Y-%m-%dT%H:%M:%S.%fZ}#{user.public_id}"
    return CursorSigner(container().settings.cursor_secret).sign(position)


def _use(store: str, size: int) -> list[tuple[str, int, int]]:
    """Have so many users in the table; what was asked since the last time."""
    body, headers = json.dumps({"users": size}), {"X-Amz-Target": "Bench.Use"}
    connection = http.client.HTTPConnection(store.removeprefix("http://"))
    try:
        connection.request("POST", "/", body, headers)
        asked: list[tuple[str, int, int]] = json.load(connection.getresponse())
    finally:
        connection.close()
    return asked


def _ask(token: str, query: Mapping[str, str]) -> float:
    """Ask for a page by both functions; the milliseconds of CPU."""
    from app import app

    asked = token_event(token)
    before = time.process_time()
    decision = authorize(asked, Context())
    request = proxy_event("GET", "/user", context=decision["context"], query=query)
    answer = app(request, Context())
    used = time.process_time() - before
    shown = len(json.loads(answer["body"])["data"])
    if shown != int(query["limit"]):
        raise AssertionError(f"a page of {shown} users, where {query['limit']} were expected")
    return used * _MILLISECONDS


if __name__ == "__main__":
    main(*sys.argv[1:])
