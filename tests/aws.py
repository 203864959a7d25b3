"""AWS, as moto plays it, with a wire between it and the service that can be watched and cut.

moto is not thread-safe: whatever uses this runs in one thread. Races are run on the local cloud.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore import handlers
from botocore.awsrequest import AWSPreparedRequest
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from types_boto3_dynamodb import DynamoDBClient
from types_boto3_ssm import SSMClient

from chalicelib.keys.parameters import Parameter
from chalicelib.store.revocations import COPIES, key_copy
from infra.stacks import deploy_data_stack

STAGE = "test"
USERS = f"accounts-{STAGE}-users"
REVOKED_TOKENS = f"accounts-{STAGE}-revoked-tokens"
SESSIONS = f"accounts-{STAGE}-sessions"
ATTEMPTS = f"accounts-{STAGE}-attempts"
ACTIVITY = f"accounts-{STAGE}-activity"
OUTBOX = f"accounts-{STAGE}-outbox"


@dataclass(slots=True)
class Call:
    """A request as it went over the wire, and how many octets its body and the answer's had."""

    operation: str
    body: dict[str, Any]
    sent: int = 0
    received: int = 0


@dataclass(frozen=True, slots=True)
class _Status:
    status_code: int


Cut = Callable[[str], dict[str, Any] | None]


@dataclass
class Wire:
    """Sees every request that botocore sends, and answers in the place of AWS when told to."""

    calls: list[Call] = field(default_factory=list)
    _cuts: list[Cut] = field(default_factory=list)

    def reset(self) -> None:
        self.calls.clear()
        self._cuts.clear()

    @property
    def operations(self) -> list[str]:
        return [call.operation for call in self.calls]

    def raise_for(self, what: str, fault: Exception) -> None:
        """Fail a service (`dynamodb.`) or an operation (`ssm.GetParameter`) before it is sent."""

        def cut(operation: str) -> None:
            if _is(operation, what):
                raise fault

        self._cuts.append(cut)

    def answer_for(
        self, what: str, answer: dict[str, Any], *, status: int = 200, times: int = 1_000
    ) -> None:
        """Answer for a service or an operation, so many times."""
        left = times

        def cut(operation: str) -> dict[str, Any] | None:
            nonlocal left
            if left == 0 or not _is(operation, what):
                return None
            left -= 1
            return {**answer, "ResponseMetadata": {"HTTPStatusCode": status}}

        self._cuts.append(cut)

    def refuse(self, what: str, code: str, *, times: int = 1_000, **more: Any) -> None:
        """Refuse a service or an operation with an error code of AWS, so many times."""
        error = {"Error": {"Code": code, "Message": "a message that may quote what was sent"}}
        self.answer_for(what, {**error, **more}, status=400, times=times)

    def before_call(self, event_name: str, **_: Any) -> tuple[_Status, dict[str, Any]] | None:
        """botocore's hook before a request: an answer ends it, and is not retried."""
        operation = _operation(event_name)
        for cut in self._cuts:
            answer = cut(operation)
            if answer is not None:
                self.calls.append(Call(operation, {}))
                return _Status(answer["ResponseMetadata"]["HTTPStatusCode"]), answer
        return None

    def before_send(self, event_name: str, request: AWSPreparedRequest, **_: Any) -> None:
        """botocore's hook at each request, retries included."""
        # CloudFormation's requests are forms; those of DynamoDB and SSM are JSON.
        body = request.body if isinstance(request.body, str | bytes) else ""
        is_json = body[:1] in ("{", b"{")
        text = json.loads(body) if is_json else {}
        self.calls.append(Call(_operation(event_name), text, sent=len(body)))

    def before_parse(self, response_dict: dict[str, Any], **_: Any) -> None:
        """botocore's hook at each answer."""
        if self.calls and isinstance(response_dict["body"], bytes):  # Lambda's is a stream
            self.calls[-1].received = len(response_dict["body"])


def _operation(event_name: str) -> str:
    _, service, operation = event_name.split(".")
    return f"{service}.{operation}"


def _is(operation: str, what: str) -> bool:
    return operation.startswith(what) if what.endswith(".") else operation == what


wire = Wire()

# Clients take these when they are made, as they take moto's: this is to be imported before any.
handlers.BUILTIN_HANDLERS += [
    ("before-call", wire.before_call),
    ("before-send", wire.before_send),
    ("before-parse", wire.before_parse),
]


@dataclass(frozen=True, slots=True)
class Cloud:
    """The stage `test` on AWS."""

    dynamodb: DynamoDBClient
    ssm: SSMClient

    def put(self, parameter: Parameter) -> None:
        self.ssm.put_parameter(
            Name=f"/accounts/{STAGE}/{parameter.name}",
            Value=parameter.value,
            Type="SecureString" if parameter.secret else "String",
            Overwrite=True,
        )

    def withdraw(self, key_id: str) -> None:
        self.ssm.delete_parameter(Name=f"/accounts/{STAGE}/public-keys/{key_id}")

    def revoke_key(self, key_id: str) -> None:
        """Put every row that says so, as an operator does."""
        for copy in range(COPIES):
            row = {"token_id": {"S": key_copy(key_id, copy)}, "expires_at": {"N": "99999999999"}}
            self.dynamodb.put_item(TableName=REVOKED_TOKENS, Item=row)

    def rows(self, table: str = USERS) -> list[dict[str, Any]]:
        return [dict(row) for row in self.dynamodb.scan(TableName=table)["Items"]]

    def clear(self, *names: str) -> None:
        """Empty tables, or all, behind moto's back: through the front door that takes 30 ms."""
        tables = dynamodb_backends[DEFAULT_ACCOUNT_ID][self.dynamodb.meta.region_name].tables
        for name in names or (USERS, REVOKED_TOKENS, SESSIONS, ATTEMPTS, ACTIVITY, OUTBOX):
            tables[name].items.clear()

    def copy(self, row: dict[str, Any], **values: Any) -> None:
        """Put a row that is like another one but for some attributes."""
        self.dynamodb.put_item(TableName=USERS, Item={**row, **values})

    def change(self, public_id: str, **values: Any) -> None:
        """Set attributes of a user's row, as DynamoDB writes them; None takes one away."""
        key = {"pk": {"S": f"user#{public_id}"}}
        row = dict(self.dynamodb.get_item(TableName=USERS, Key=key)["Item"]) | values
        kept = {name: value for name, value in row.items() if value is not None}
        self.dynamodb.put_item(TableName=USERS, Item=kept)


@contextmanager
def started(key_parameters: tuple[Parameter, ...]) -> Iterator[Cloud]:
    """Start moto, with the tables and the keys of the stage."""
    with mock_aws():
        cloud = Cloud(boto3.client("dynamodb"), boto3.client("ssm"))
        deploy_data_stack(boto3.client("cloudformation"), cloud.dynamodb, STAGE)
        for parameter in key_parameters:
            cloud.put(parameter)
        wire.reset()
        yield cloud
