"""The event source mapping that has Lambda hand the outbox's stream to the function that delivers.

Chalice makes it, and finds it again by its own state alone: it makes a second one if the state was
lost, which Lambda refuses, and keeps to the old stream if the table was made anew. And it cannot
say what becomes of a batch that fails. The rest is done here.
See https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
"""

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.deployment.aws import AwsAccount
from infra.deployment.errors import DeploymentError
from infra.deployment.stages import Stage
from infra.deployment.states import State
from infra.stacks import TABLES

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import EventSourceMappingConfigurationTypeDef

STREAMED = "deliver_mail"
"""The function behind the stream."""
RETRIES = 3
OLDEST_SECONDS = 3_600
"""A record that is older is left to the schedule, which reads the table and not the stream."""

_RESOURCE = f"{STREAMED}-dynamodb-event-source"
"""What Chalice calls it in its state."""
# What is delivered is deleted, and each deletion is a record too: nobody is to be called for it.
_INSERTS = json.dumps({"eventName": ["INSERT"]})
_WAITS = 60
_WAIT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping, and what Lambda does with a batch that fails."""

    uuid: str
    function_arn: str
    stream_arn: str
    state: str
    retries: int
    oldest_seconds: int
    bisects: bool
    filters: tuple[str, ...]


def find_stream(account: AwsAccount, stage: Stage) -> str:
    """The ARN of the outbox's stream: another one, if the table was made anew.

    Raises:
        DeploymentError: the table has none.
    """
    name = f"{stage.resource_prefix}-{TABLES['OutboxTable']}"
    table = account.dynamodb.describe_table(TableName=name)["Table"]
    if "LatestStreamArn" not in table or not table.get("StreamSpecification"):
        raise DeploymentError(f"the table {name} has no stream: somebody has switched it off")
    return table["LatestStreamArn"]


def find_mappings(account: AwsAccount, stage: Stage) -> list[Mapping]:
    """The mappings of the function: one, unless a deployment broke off while it was replaced."""
    pages = account.functions.get_paginator("list_event_source_mappings")
    try:
        found = [
            mapping
            for page in pages.paginate(FunctionName=stage.function_name(STREAMED))
            for mapping in page["EventSourceMappings"]
        ]
    except account.functions.exceptions.ResourceNotFoundException:
        return []
    return [_read(mapping) for mapping in found if mapping.get("State") != "Deleting"]


def adopt_mapping(account: AwsAccount, stage: Stage, state: State, stream_arn: str) -> State:
    """The state with the stream's mapping, if there is one; mappings of other streams are deleted.

    A mapping that is of no stream any more would be updated by Chalice, and deliver nothing.
    """
    others = [resource for resource in state["resources"] if resource["name"] != _RESOURCE]
    kept: list[dict[str, str]] = []
    for mapping in find_mappings(account, stage):
        if mapping.stream_arn != stream_arn or kept:
            _delete(account, mapping.uuid)
            continue
        resource = {
            "name": _RESOURCE,
            "resource_type": "dynamodb_event",
            "stream_arn": stream_arn,
            "event_uuid": mapping.uuid,
            "lambda_arn": mapping.function_arn,
        }
        kept.append(resource)
    return {**state, "resources": [*others, *kept]}


def configure_mapping(account: AwsAccount, stage: Stage) -> Mapping:
    """Have a batch that fails tried a few times, by halves, and then left to the schedule.

    Without this, Lambda would go on with it for a day, and deliver nothing else meanwhile.

    Raises:
        DeploymentError: there is no mapping, or it does not settle.
    """
    mapping = _settled(account, stage)
    _patiently(
        lambda: account.functions.update_event_source_mapping(
            UUID=mapping.uuid,
            Enabled=True,
            FilterCriteria={"Filters": [{"Pattern": _INSERTS}]},
            MaximumRetryAttempts=RETRIES,
            MaximumRecordAgeInSeconds=OLDEST_SECONDS,
            BisectBatchOnFunctionError=True,
        ),
        account,
    )
    return mapping


def put_mapping_back(account: AwsAccount, stage: Stage, before: Mapping | None) -> None:
    """Make the mapping do again what it did; one that there was none of is deleted."""
    for mapping in find_mappings(account, stage):
        if before is None:
            _delete(account, mapping.uuid)
        elif mapping != before:
            _restore(account, mapping.uuid, before)


def _restore(account: AwsAccount, uuid: str, before: Mapping) -> None:
    _patiently(
        lambda: account.functions.update_event_source_mapping(
            UUID=uuid,
            Enabled=before.state not in {"Disabled", "Disabling"},
            FilterCriteria={"Filters": [{"Pattern": pattern} for pattern in before.filters]},
            MaximumRetryAttempts=before.retries,
            MaximumRecordAgeInSeconds=before.oldest_seconds,
            BisectBatchOnFunctionError=before.bisects,
        ),
        account,
    )


def delete_mappings(account: AwsAccount, stage: Stage, say: Callable[[str], None]) -> None:
    """Delete what is left of them: they would outlive the function."""
    for mapping in find_mappings(account, stage):
        _delete(account, mapping.uuid)
        say(f"mapping of {stage.function_name(STREAMED)}")


def mapping_exists(account: AwsAccount, uuid: str) -> bool:
    """Whether a mapping is there, and is not on its way out."""
    try:
        found = account.functions.get_event_source_mapping(UUID=uuid)
    except account.functions.exceptions.ResourceNotFoundException:
        return False
    return found.get("State") != "Deleting"


def _settled(account: AwsAccount, stage: Stage) -> Mapping:
    """The mapping, once it takes a change."""
    for _ in range(_WAITS):
        for mapping in find_mappings(account, stage):
            if not mapping.state.endswith("ing"):  # Creating, Enabling, Updating
                return mapping
        time.sleep(_WAIT_SECONDS)
    raise DeploymentError(
        f"the mapping of {stage.function_name(STREAMED)} is not there, or not ready: run this again"
    )


def _delete(account: AwsAccount, uuid: str) -> None:
    with contextlib.suppress(account.functions.exceptions.ResourceNotFoundException):
        _patiently(lambda: account.functions.delete_event_source_mapping(UUID=uuid), account)


def _patiently(change: Callable[[], object], account: AwsAccount) -> None:
    """Change a mapping as soon as Lambda is done with the change before, which it does not tell.

    Raises:
        DeploymentError: it is not done in time.
    """
    for _ in range(_WAITS):
        try:
            change()
        except account.functions.exceptions.ResourceInUseException:
            time.sleep(_WAIT_SECONDS)
        else:
            return
    raise DeploymentError("Lambda is still changing the outbox's mapping: run this again")


def _read(found: "EventSourceMappingConfigurationTypeDef") -> Mapping:
    filters = found.get("FilterCriteria", {}).get("Filters", [])
    return Mapping(
        uuid=found["UUID"],
        function_arn=found["FunctionArn"],
        stream_arn=found["EventSourceArn"],
        state=found.get("State", "Enabled"),
        # Lambda's -1: as long as the stream keeps the record.
        retries=found.get("MaximumRetryAttempts", -1),
        oldest_seconds=found.get("MaximumRecordAgeInSeconds", -1),
        bisects=found.get("BisectBatchOnFunctionError", False),
        filters=tuple(filter_["Pattern"] for filter_ in filters if "Pattern" in filter_),
    )
