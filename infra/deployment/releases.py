"""The release that a deployment replaces, remembered so that it can be put back."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
from botocore.exceptions import BotoCoreError, ClientError

from infra.deployment.aws import AwsAccount
from infra.deployment.errors import DeploymentError
from infra.deployment.mappings import Mapping as StreamMapping
from infra.deployment.mappings import find_mappings, put_mapping_back
from infra.deployment.rules import SCHEDULED, Rule, delete_rule, find_rule, rule_name
from infra.deployment.stages import Stage

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import FunctionConfigurationTypeDef

_DOWNLOAD_SECONDS = 60
_KEPT = ("Role", "Handler", "Runtime", "Timeout", "MemorySize")


@dataclass(frozen=True)
class _Function:
    name: str
    configuration: "FunctionConfigurationTypeDef"
    code: bytes
    role: str
    policy: str | None


@dataclass(frozen=True)
class Release:
    """What a stage ran at one time: its functions, what they might do, and its API."""

    functions: tuple[_Function, ...]
    deployment: tuple[str, str] | None
    """The API, and which of its deployments the stage showed."""
    rules: Mapping[str, Rule | None]
    """When the scheduled functions were called; None where there was no such rule."""
    mapping: StreamMapping | None = None
    """How the outbox's stream was handed over, if it was."""

    @property
    def ran(self) -> bool:
        """Whether there was anything: a first deployment replaces nothing."""
        return bool(self.functions) and self.deployment is not None


def remember_release(account: AwsAccount, stage: Stage, api_id: str) -> Release:
    """Read all that `put_back` needs, before anything is changed."""
    functions = (_remember(account, stage, function) for function in stage.functions)
    try:
        shown = account.gateway.get_stage(restApiId=api_id, stageName=stage.gateway_stage)
    except account.gateway.exceptions.NotFoundException:
        deployment = None
    else:
        deployment = (api_id, shown["deploymentId"])
    names = (rule_name(stage, function) for function in SCHEDULED)
    rules = {name: find_rule(account, name) for name in names}
    mapping = next(iter(find_mappings(account, stage)), None)
    return Release(tuple(filter(None, functions)), deployment, rules, mapping)


def _remember(account: AwsAccount, stage: Stage, function: str) -> _Function | None:
    name = stage.function_name(function)
    try:
        found = account.functions.get_function(FunctionName=name)
    except account.functions.exceptions.ResourceNotFoundException:
        return None
    try:
        answer = requests.get(found["Code"]["Location"], timeout=_DOWNLOAD_SECONDS)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise DeploymentError(
            f"the present code of {name} cannot be read, so it could not be put back: run it again"
        ) from error
    role = role_name(stage, function)
    return _Function(name, found["Configuration"], answer.content, role, _policy(account, role))


def _policy(account: AwsAccount, role: str) -> str | None:
    try:
        held = account.iam.get_role_policy(RoleName=role, PolicyName=role)
    except account.iam.exceptions.NoSuchEntityException:
        return None
    return json.dumps(held["PolicyDocument"])


def role_name(stage: Stage, function: str) -> str:
    """What Chalice calls a function's role, and the policy in it."""
    return f"{stage.resource_prefix}-{function}"


def put_back(
    account: AwsAccount, stage: Stage, release: Release, say: Callable[[str], None]
) -> None:
    """Make the stage run a release again: policies first, then code, calls, the API's routes.

    Raises:
        DeploymentError: it could not be done, or not in full.
    """
    try:
        for before in release.functions:
            if before.policy is not None:
                account.iam.put_role_policy(
                    RoleName=before.role, PolicyName=before.role, PolicyDocument=before.policy
                )
            _put_function_back(account, before)
            say(f"{before.name} runs the code of {before.configuration['LastModified']} again")
        for name, rule in release.rules.items():
            _put_rule_back(account, name, rule)
        put_mapping_back(account, stage, release.mapping)
        if release.deployment is not None:
            api_id, deployment = release.deployment
            account.gateway.update_stage(
                restApiId=api_id,
                stageName=stage.gateway_stage,
                patchOperations=[{"op": "replace", "path": "/deploymentId", "value": deployment}],
            )
            say(f"the API shows deployment {deployment} again")
    except (BotoCoreError, ClientError) as error:
        raise DeploymentError(
            f"and the previous code could not be put back in full ({error}):"
            f" deploy the last good commit with make deploy STAGE={stage.name}"
        ) from error


def _put_rule_back(account: AwsAccount, name: str, before: Rule | None) -> None:
    if before is None:
        delete_rule(account, name)
        return
    account.events.put_rule(
        Name=name,
        ScheduleExpression=before.expression,
        Description=before.description,
        State=before.state,
    )


def _put_function_back(account: AwsAccount, before: _Function) -> None:
    updated = account.functions.get_waiter("function_updated_v2")
    updated.wait(FunctionName=before.name)
    configuration: Any = before.configuration
    account.functions.update_function_code(
        FunctionName=before.name,
        ZipFile=before.code,
        Architectures=configuration.get("Architectures", ["x86_64"]),
    )
    updated.wait(FunctionName=before.name)
    account.functions.update_function_configuration(
        FunctionName=before.name,
        Environment={"Variables": configuration.get("Environment", {}).get("Variables", {})},
        TracingConfig={"Mode": configuration.get("TracingConfig", {}).get("Mode", "PassThrough")},
        **{name: configuration[name] for name in _KEPT if name in configuration},
    )
    updated.wait(FunctionName=before.name)
