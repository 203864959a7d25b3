"""The rules of EventBridge that call a stage's scheduled functions. Chalice makes them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.deployment.aws import AwsAccount
from infra.deployment.stages import Stage

if TYPE_CHECKING:
    from types_boto3_events.literals import RuleStateType

SCHEDULED = ("rotate_keys", "redeliver_mail")
"""The functions that are called by schedule."""
_TARGET = "1"
"""What Chalice calls a rule's one target, the function."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When a function is called."""

    name: str
    expression: str
    description: str
    state: "RuleStateType"


def rule_name(stage: Stage, function: str) -> str:
    """What Chalice calls the rule of a scheduled function."""
    return f"{stage.resource_prefix}-{function}-event"


def find_rule(account: AwsAccount, name: str) -> Rule | None:
    """A rule, or None if there is none."""
    try:
        found = account.events.describe_rule(Name=name)
    except account.events.exceptions.ResourceNotFoundException:
        return None
    return Rule(
        name,
        found["ScheduleExpression"],
        found.get("Description", ""),
        found.get("State", "ENABLED"),
    )


def delete_rule(account: AwsAccount, name: str) -> bool:
    """Delete a rule and its target; whether there was one."""
    try:
        account.events.remove_targets(Rule=name, Ids=[_TARGET])
        account.events.delete_rule(Name=name)
    except account.events.exceptions.ResourceNotFoundException:
        return False
    return True
