"""A request to an ASGI application, without a server."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

Prepared = Callable[[], tuple[int, str]]


class Caller:
    """Calls an application in one event loop, one request after another."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()

    def run(self, work: Any) -> Any:
        """Wait for a coroutine."""
        return self._loop.run_until_complete(work)

    def prepare(
        self,
        method: str,
        path: str,
        *,
        form: Mapping[str, str] | None = None,
        content: Any = None,
        token: str = "",
    ) -> Prepared:
        """Make ready all that a server would hand on."""
        headers = [(b"host", b"example.com"), (b"user-agent", b"bench")]
        body = b""
        if form is not None:
            body = urlencode(form).encode()
            headers.append((b"content-type", b"application/x-www-form-urlencoded"))
        elif content is not None:
            body = json.dumps(content).encode()
            headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", str(len(body)).encode()))
        if token:
            headers.append((b"authorization", f"Bearer {token}".encode()))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("192.0.2.1", 50000),
            "server": ("example.com", 443),
        }
        return lambda: self.run(self._answer(scope, body))

    async def _answer(self, scope: dict[str, Any], body: bytes) -> tuple[int, str]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        return sent[0]["status"], b"".join(part.get("body", b"") for part in sent[1:]).decode()
