"""What the cost page takes a request to use is what the request uses."""

import logging
from collections.abc import Iterator
from itertools import count

import pytest

from chalicelib.container import container
from chalicelib.telemetry import JsonFormatter
from infra.costs import OPERATIONS, Operation
from tests.api.client import Client, a_registration
from tests.aws import Call, Wire
from tests.samples import PASSWORD

_TOLERANCE = 0.1


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.octets = 0
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self.octets += len(self.format(record).encode())


@pytest.fixture
def lines() -> Iterator[_Lines]:
    handler = _Lines()
    logger = logging.getLogger("chalicelib.telemetry")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def _units(calls: list[Call]) -> tuple[int, int]:
    """The read and write units of calls for rows below 1 KB, as DynamoDB counts them.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
    """
    read = write = 0
    for call in calls:
        match call.operation:
            case "dynamodb.GetItem":
                assert call.body["ConsistentRead"]
                read += 1
            case "dynamodb.BatchGetItem":
                tables = call.body["RequestItems"].values()
                assert all(table["ConsistentRead"] for table in tables)
                read += sum(len(table["Keys"]) for table in tables)
            case "dynamodb.PutItem" | "dynamodb.UpdateItem":
                write += 1
            case "dynamodb.TransactWriteItems":
                parts = call.body["TransactItems"]
                rows = [part["Put"]["Item"] for part in parts if "Put" in part]
                write += 2 * len(parts) + sum("listed_in" in row for row in rows)
            case other:
                pytest.fail(f"what does {other} cost?")
    return read, write


def _send(client: Client, name: str, token: str, refresh_token: str) -> None:
    login = {"email": "user-1@example.com", "password": PASSWORD}
    match name:
        case "a login":
            answer = client.post("/auth/login", login)
        case "a registration":
            answer = client.post("/user", a_registration(2))
        case "an authorized request":
            answer = client.get("/user/me", token=token)
        case "a refresh":
            answer = client.post("/auth/refresh", {"refresh_token": refresh_token})
        case _:
            assert name == "a logout"
            answer = client.post("/auth/logout", token=token)
    assert answer.status in (200, 201)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_uses_what_the_page_says(
    client: Client,
    wire: Wire,
    lines: _Lines,
    operation: Operation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # One login in a hundred finds its session's slot taken, and asks the store more often.
    slots = count()
    token_sets = container()._token_sets  # noqa: SLF001 - where slots are picked at random
    monkeypatch.setattr(token_sets, "_pick", lambda bound: next(slots) % bound)
    token_set = client.log_in(1)
    wire.reset()
    lines.octets = 0
    _send(client, operation.name, token_set["Authorization"], token_set["refresh_token"])
    assert _units(wire.calls) == (operation.read_units, operation.write_units)
    assert lines.octets == pytest.approx(operation.log_octets, rel=_TOLERANCE)
