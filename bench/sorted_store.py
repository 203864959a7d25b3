"""A DynamoDB of 100,000 users that is no slower for them: `python -m bench.sorted_store PORT`.

The local cloud sorts what it has at each query, and takes seconds for what takes DynamoDB
milliseconds. This one has the index in order beforehand. It speaks the real protocol, of which it
knows the two calls that a page of users makes: `Query` of the index, and the authorizer's
`BatchGetItem`. The rows are as the store writes them.
"""

import json
import re
import sys
import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, ClassVar
from uuid import UUID

from chalicelib.domain.users import FIRST_VERSION, User
from chalicelib.store.users import item_of
from infra.local.loopback import HOST

MOST_USERS = 100_000

# As infra/data.yaml projects them, and the keys of table and index; a test compares.
PROJECTED = frozenset(
    {
        "admin",
        "disabled",
        "email",
        "email_verified",
        "listed_at",
        "listed_in",
        "metadata",
        "pk",
        "public_id",
        "registered_on",
        "token_version",
        "username",
    }
)

_HASH = "$2b$12$" + "x" * 53
_FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)
_APART = timedelta(minutes=5)
_TERM = re.compile(r"(#\d+) (=|<) (:\d+)")


def users(count: int) -> Iterator[User]:
    """Users as they might have registered, one after the other; the first is an admin.

    Always the same ones, of one length each, so that a page is as long wherever it begins.
    """
    random = Random(1)  # noqa: S311 - always the same identifiers, of nobody
    for number in range(count):
        yield User(
            public_id=str(UUID(int=random.getrandbits(128), version=4)),
            email=f"user-{number:06}@example.com",
            username=f"User {number:06}",
            registered_on=_FIRST_DAY + number * _APART,
            token_version=FIRST_VERSION,
            admin=number == 0,
            disabled=False,
            email_verified=True,
            pending_email=None,
            metadata={},
            former_emails=(),
            password_change_required=False,
        )


@dataclass(frozen=True, slots=True)
class _Row:
    listed_at: str
    registered: int
    """How many there were before."""
    octets: bytes
    """The projection, as JSON."""


class SortedStore:
    """The rows of as many users as were there, and what was asked of them."""

    def __init__(self, count: int) -> None:
        self.present = count
        """How many of them are in the table."""
        self.asked: list[tuple[str, int, int]] = []
        """Each call: its name, and the octets of its body and of the answer's."""
        self._rows: dict[str, list[_Row]] = {}
        self._admin: dict[str, Any] = {}
        for number, user in enumerate(users(count)):
            row = item_of(user, _HASH).to_dynamodb_dict()
            self._admin = self._admin or row
            projection = {name: value for name, value in row.items() if name in PROJECTED}
            octets = json.dumps(projection, separators=(",", ":")).encode()
            partition = self._rows.setdefault(row["listed_in"]["S"], [])
            partition.append(_Row(row["listed_at"]["S"], number, octets))

    def answer(self, operation: str, body: bytes) -> bytes:
        """Answer a call, and remember it.

        Raises:
            ValueError: it is none of the two, or is not asked as the store asks it.
        """
        request = json.loads(body)
        if operation == "Query":
            answer = self._query(request)
        elif operation == "BatchGetItem":
            answer = self._get(request)
        else:
            raise ValueError(operation)
        self.asked.append((operation, len(body), len(answer)))
        return answer

    def _query(self, request: Mapping[str, Any]) -> bytes:
        """A page of one partition, newest first."""
        if request["IndexName"] != "newest-first" or request["ScanIndexForward"] is not False:
            raise ValueError(request)
        names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
        terms = {
            (names[name], operator): values[value]["S"]
            for name, operator, value in _TERM.findall(request["KeyConditionExpression"])
        }
        rows = self._rows.get(terms.pop(("listed_in", "=")), [])
        before = [terms.pop(("listed_at", "<"))] if terms else []
        if "ExclusiveStartKey" in request:
            before.append(request["ExclusiveStartKey"]["listed_at"]["S"])
        end = bisect_left(rows, self.present, key=lambda row: row.registered)
        if before:
            end = min(end, bisect_left(rows, min(before), key=lambda row: row.listed_at))
        begin = max(end - request["Limit"], 0)
        found = rows[begin:end][::-1]
        answer = b'{"Items":[' + b",".join(row.octets for row in found)
        answer += b'],"Count":%d,"ScannedCount":%d' % (len(found), len(found))
        if len(found) == request["Limit"]:
            last = json.loads(found[-1].octets)
            key = {name: last[name] for name in ("listed_at", "listed_in", "pk")}
            answer += b',"LastEvaluatedKey":' + json.dumps(key, separators=(",", ":")).encode()
        return answer + b"}"

    def _get(self, request: Mapping[str, Any]) -> bytes:
        """The admin, and no revocation."""
        found = {
            table: [self._admin] if {"pk": self._admin["pk"]} in wanted["Keys"] else []
            for table, wanted in request["RequestItems"].items()
        }
        return json.dumps({"Responses": found, "UnprocessedKeys": {}}).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    store: ClassVar[SortedStore]
    lock: ClassVar[threading.Lock] = threading.Lock()

    def do_GET(self) -> None:
        """Say that it is there."""
        self._send(b"{}")

    def do_POST(self) -> None:
        """Answer DynamoDB's calls, and whoever counts them."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        service, _, operation = self.headers["X-Amz-Target"].partition(".")
        with self.lock:
            if service == "Bench":
                self.store.present = json.loads(body)["users"]
                asked, self.store.asked = self.store.asked, []
                self._send(json.dumps(asked).encode())
            else:
                self._send(self.store.answer(operation, body))

    def _send(self, octets: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(octets)))
        self.send_header("x-amzn-requestid", "bench")
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def server(store: SortedStore, port: int) -> ThreadingHTTPServer:
    """What answers at a port, of this machine alone; not started yet."""
    handler = type("_StoreHandler", (_Handler,), {"store": store})
    return ThreadingHTTPServer((HOST, port), handler)


if __name__ == "__main__":
    server(SortedStore(MOST_USERS), int(sys.argv[1])).serve_forever()
