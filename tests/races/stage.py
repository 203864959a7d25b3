"""The stage that races run on: its tables as they are, and two processes that serve its API."""

from dataclasses import dataclass, field
from typing import Any

import boto3
import requests

_ANSWER_SECONDS = 30
_AT_ONCE = 25
"""How many rows one `BatchWriteItem` takes."""

Row = dict[str, Any]

TABLES = ("users", "revoked-tokens", "sessions", "attempts", "activity", "outbox")
_KEYS = {
    "users": ("pk",),
    "revoked-tokens": ("token_id",),
    "sessions": ("public_id", "slot"),
    "attempts": ("attempt_id",),
    "activity": ("public_id", "place"),
    "outbox": ("message_id",),
}


@dataclass(frozen=True, slots=True)
class Sending:
    """A request, as it is sent to either process."""

    method: str
    path: str
    json: Any = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    sending: Sending
    status: int
    body: Any

    @property
    def ok(self) -> bool:
        """It was done."""
        return self.status < 300

    @property
    def code(self) -> str | None:
        """Why it was not, if it was refused."""
        return self.body.get("code") if isinstance(self.body, dict) else None


@dataclass(frozen=True, slots=True)
class Stage:
    """Two processes on the same tables."""

    ports: tuple[int, int]
    dynamodb: Any = field(default_factory=lambda: boto3.client("dynamodb"))
    _sessions: tuple[requests.Session, ...] = field(
        default_factory=lambda: (requests.Session(), requests.Session())
    )

    def send(self, sending: Sending, process: int = 0) -> Answer:
        """Send a request to one of them."""
        answer = self._sessions[process].request(
            sending.method,
            f"http://127.0.0.1:{self.ports[process]}{sending.path}",
            json=sending.json,
            headers={"Authorization": f"Bearer {sending.token}"} if sending.token else {},
            timeout=_ANSWER_SECONDS,
            allow_redirects=False,
        )
        return Answer(sending, answer.status_code, answer.json() if answer.content else None)

    def rows(self, table: str) -> list[Row]:
        """Every row of a table, as DynamoDB has it."""
        pages = self.dynamodb.get_paginator("scan").paginate(
            TableName=_name(table), ConsistentRead=True
        )
        return [row for page in pages for row in page["Items"]]

    def change(self, public_id: str, **attributes: Any) -> None:
        """Change a user's row behind the API's back."""
        self.dynamodb.update_item(
            TableName=_name("users"),
            Key={"pk": {"S": f"user#{public_id}"}},
            AttributeUpdates={
                name: {"Value": value, "Action": "PUT"} for name, value in attributes.items()
            },
        )

    def user_row(self, public_id: str) -> Row | None:
        """A user's row, if there is one."""
        found = self.dynamodb.get_item(
            TableName=_name("users"), Key={"pk": {"S": f"user#{public_id}"}}, ConsistentRead=True
        )
        row: Row | None = found.get("Item")
        return row

    def restore(self, before: dict[str, list[Row]]) -> None:
        """Put every table back to the rows that it had."""
        for table, rows in before.items():
            keys = _KEYS[table]
            kept = {_key(row, keys): row for row in rows}
            now = {_key(row, keys): row for row in self.rows(table)}
            requests_ = [
                {"DeleteRequest": {"Key": {name: row[name] for name in keys}}}
                for key, row in now.items()
                if key not in kept
            ]
            requests_ += [
                {"PutRequest": {"Item": row}} for key, row in kept.items() if now.get(key) != row
            ]
            for first in range(0, len(requests_), _AT_ONCE):
                some = requests_[first : first + _AT_ONCE]
                answer = self.dynamodb.batch_write_item(RequestItems={_name(table): some})
                assert not answer.get("UnprocessedItems")

    def snapshot(self) -> dict[str, list[Row]]:
        """Every row of every table."""
        return {table: self.rows(table) for table in TABLES}


def _name(table: str) -> str:
    return f"accounts-test-{table}"


def _key(row: Row, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in names)
