"""The data stack: the tables of a stage, made and changed by CloudFormation alone.

The same steps run against AWS, the local cloud and moto: a change set is made, read, and only
then executed. What would take a table away is refused here, whatever CloudFormation would do.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from botocore.exceptions import ClientError, WaiterError

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.literals import ChangeSetTypeType
    from types_boto3_cloudformation.type_defs import (
        CreateChangeSetInputTypeDef,
        ResourceToImportTypeDef,
        WaiterConfigTypeDef,
    )
    from types_boto3_dynamodb import DynamoDBClient

DATA_TEMPLATE = Path(__file__).with_name("data.yaml")
TABLES = {
    "UsersTable": "users",
    "RevokedTokensTable": "revoked-tokens",
    "SessionsTable": "sessions",
    "AttemptsTable": "attempts",
    "ActivityTable": "activity",
    "OutboxTable": "outbox",
}
"""The template's tables, and what each is called after `accounts-<stage>-`."""

_PATIENCE: "WaiterConfigTypeDef" = {"Delay": 1, "MaxAttempts": 900}
_NO_CHANGES = ("didn't contain changes", "no updates are to be performed")


class StackError(Exception):
    """The stack cannot become what its template says. The tables are as they were."""


def deploy_data_stack(
    cloudformation: "CloudFormationClient",
    dynamodb: "DynamoDBClient",
    stage: str,
    show: Callable[[str], None] = lambda _line: None,
) -> None:
    """Make the tables of a stage, or bring them up to date; doing so again changes nothing.

    `show` is told, line by line, what is about to change.

    Tables that are there without their stack (its record was lost, or it was deleted, which
    retains them) are taken into a new one. Merely creating that stack fails on AWS, and on the
    local cloud it empties the tables.

    Raises:
        StackError: a change would replace or remove a table, or CloudFormation refused it.
    """
    stack = _DataStack(cloudformation, stage, show)
    if stack.exists():
        stack.change("UPDATE")
    elif present := _present_tables(dynamodb, stage):
        stack.adopt(present)
        stack.change("UPDATE")
    else:
        stack.change("CREATE")


def _present_tables(dynamodb: "DynamoDBClient", stage: str) -> dict[str, str]:
    present = {}
    for resource, suffix in TABLES.items():
        name = f"accounts-{stage}-{suffix}"
        try:
            dynamodb.describe_table(TableName=name)
        except dynamodb.exceptions.ResourceNotFoundException:
            continue
        present[resource] = name
    return present


class _DataStack:
    def __init__(
        self, cloudformation: "CloudFormationClient", stage: str, show: Callable[[str], None]
    ) -> None:
        self._cloudformation = cloudformation
        self._show = show
        self._stage = stage
        self._name = f"accounts-{stage}-data"
        self._template = DATA_TEMPLATE.read_text(encoding="utf-8")

    def exists(self) -> bool:
        """Whether it was ever made. One whose first change set was never executed was not."""
        try:
            (stack,) = self._cloudformation.describe_stacks(StackName=self._name)["Stacks"]
        except ClientError as error:
            # CloudFormation has no error code of its own for this.
            if "does not exist" in str(error):
                return False
            raise
        status = stack["StackStatus"]
        if (advice := _advice(self._name, status)) is not None:
            raise StackError(f"the stack {self._name} is in {status}: {advice}")
        return status != "REVIEW_IN_PROGRESS"

    def change(self, kind: "ChangeSetTypeType") -> None:
        """Create or update it from the template."""
        change_set = self._propose(kind, self._template, [])
        if change_set is None:
            self._show("nothing to change")
            return
        self._refuse_losses(change_set)
        self._execute(change_set, kind)

    def adopt(self, tables: dict[str, str]) -> None:
        """Make it around tables that exist already, all of them or none."""
        if missing := TABLES.keys() - tables.keys():
            raise StackError(
                f"{self._name}: some tables exist without their stack, but not {sorted(missing)}"
            )
        # An import may not bring outputs: the update that follows adds them.
        template, _, _ = self._template.partition("\nOutputs:\n")
        found: list[ResourceToImportTypeDef] = [
            {
                "ResourceType": "AWS::DynamoDB::Table",
                "LogicalResourceId": resource,
                "ResourceIdentifier": {"TableName": name},
            }
            for resource, name in tables.items()
        ]
        change_set = self._propose("IMPORT", template, found)
        if change_set is not None:
            self._execute(change_set, "IMPORT")

    def _propose(
        self, kind: "ChangeSetTypeType", template: str, found: "list[ResourceToImportTypeDef]"
    ) -> str | None:
        """Make a change set; its identifier, or None if there is nothing to change."""
        request: CreateChangeSetInputTypeDef = {
            "StackName": self._name,
            "ChangeSetName": f"deploy-{uuid4()}",
            "ChangeSetType": kind,
            "TemplateBody": template,
            "Parameters": [{"ParameterKey": "Stage", "ParameterValue": self._stage}],
        }
        if found:
            request["ResourcesToImport"] = found
        try:
            change_set = self._cloudformation.create_change_set(**request)["Id"]
        except ClientError as error:
            self._accept_nothing_to_do(str(error), error)
            return None
        try:
            self._cloudformation.get_waiter("change_set_create_complete").wait(
                ChangeSetName=change_set, WaiterConfig=_PATIENCE
            )
        except WaiterError as error:
            self._cloudformation.delete_change_set(ChangeSetName=change_set)
            reason = error.last_response.get("StatusReason", error)
            self._accept_nothing_to_do(str(reason), error)
            return None
        return change_set

    def _accept_nothing_to_do(self, reason: str, error: Exception) -> None:
        """Raise, unless the failure is only that the template changes nothing."""
        if not any(phrase in reason.lower() for phrase in _NO_CHANGES):
            raise StackError(f"{self._name}: {reason}") from error

    def _refuse_losses(self, change_set: str) -> None:
        pages = self._cloudformation.get_paginator("describe_change_set")
        for page in pages.paginate(ChangeSetName=change_set):
            for change in page.get("Changes", []):
                resource = change.get("ResourceChange", {})
                self._show(f"{resource.get('Action')}: {resource.get('LogicalResourceId')}")
                if (
                    resource.get("Action") == "Remove"
                    or resource.get("Replacement", "False") != "False"
                ):
                    raise StackError(
                        f"{self._name}: this would remove or replace"
                        f" {resource.get('LogicalResourceId')}: leave it in infra/data.yaml as it"
                        f" is, and add another table beside it (change set {change_set})"
                    )

    def _execute(self, change_set: str, kind: "ChangeSetTypeType") -> None:
        self._cloudformation.execute_change_set(ChangeSetName=change_set)
        try:
            match kind:
                case "CREATE":
                    self._cloudformation.get_waiter("stack_create_complete").wait(
                        StackName=self._name, WaiterConfig=_PATIENCE
                    )
                case "UPDATE":
                    self._cloudformation.get_waiter("stack_update_complete").wait(
                        StackName=self._name, WaiterConfig=_PATIENCE
                    )
                case _:
                    self._cloudformation.get_waiter("stack_import_complete").wait(
                        StackName=self._name, WaiterConfig=_PATIENCE
                    )
        except WaiterError as error:
            raise StackError(f"{self._name}: {error}") from error


def _advice(name: str, status: str) -> str | None:
    """What to do about a stack that takes no change now, or None if it takes one.

    See https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
    """
    if status == "REVIEW_IN_PROGRESS":
        return None
    if status.endswith("_IN_PROGRESS"):
        return "somebody is changing it; run this again when that is done"
    if status in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}:
        return (
            f"it was never made in full; aws cloudformation delete-stack --stack-name {name}"
            " keeps every table, then run this again"
        )
    if status == "UPDATE_ROLLBACK_FAILED":
        return (
            f"aws cloudformation continue-update-rollback --stack-name {name}, then run this again"
        )
    return None
