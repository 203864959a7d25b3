"""What each function may do: .chalice/policy-*.json, made out to one account and region."""

import json
import string
from collections.abc import Mapping
from typing import Any

from infra.deployment.aws import AwsAccount
from infra.deployment.errors import DeploymentError
from infra.deployment.stages import Stage

# X-Ray knows no resources: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
_TRACING = {
    "Sid": "Tracing",
    "Effect": "Allow",
    "Action": ["xray:PutTelemetryRecords", "xray:PutTraceSegments"],
    "Resource": "*",
}


def policy_file(function: str) -> str:
    """Where below .chalice a function's policy is."""
    return f"policy-{function}.json"


def read_policy(stage: Stage, account: AwsAccount, function: str) -> dict[str, Any]:
    """A function's policy in an account; with tracing, if the stage asks for X-Ray.

    Raises:
        DeploymentError: there is none, or it names a variable that there is not.
    """
    template = stage.checkout / ".chalice" / policy_file(function)
    names = {
        "Partition": account.partition,
        "Region": account.region,
        "Account": account.id,
        "Stage": stage.name,
    }
    try:
        policy = fill_in(template.read_text("utf-8"), names)
    except (OSError, KeyError, ValueError) as error:
        raise DeploymentError(f".chalice/{template.name} cannot be used: {error!r}") from error
    if stage.configuration.get("xray") or stage.configuration["stages"][stage.name].get("xray"):
        policy["Statement"].append(_TRACING)
    return policy


def fill_in(template: str, names: Mapping[str, str]) -> dict[str, Any]:
    """A policy with its variables replaced.

    Raises:
        KeyError, ValueError: it has others, or is not JSON.
    """
    policy: dict[str, Any] = json.loads(string.Template(template).substitute(names))
    return policy
