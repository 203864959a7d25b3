"""`make destroy STAGE=…` takes down everything but the data; `make destroy-data` the data."""

import sys
from collections.abc import Mapping
from contextlib import suppress

from infra.deployment.apis import tagged_apis
from infra.deployment.aws import AwsAccount, open_account, plain_faults
from infra.deployment.chalice_runs import chalice_project
from infra.deployment.cursor_secrets import cursor_secret_name
from infra.deployment.errors import DeploymentError
from infra.deployment.logs import delete_log_groups
from infra.deployment.mappings import delete_mappings, mapping_exists
from infra.deployment.progress import Progress
from infra.deployment.regions import refuse_second_region
from infra.deployment.releases import role_name
from infra.deployment.rules import SCHEDULED, delete_rule, rule_name
from infra.deployment.stages import Stage
from infra.deployment.states import State, api_id_of, forget_state, load_state
from infra.stacks import TABLES

_MOST_NAMES = 10
"""What DeleteParameters takes in one call."""


def destroy(stage: Stage) -> None:
    """Take down the API, its functions, their schedule, roles and logs; the data stay.

    Raises:
        DeploymentError: something is still there; running it again goes on from there.
    """
    progress = Progress(3)
    with plain_faults():
        progress.step("Account")
        account = open_account()
        refuse_second_region(account, stage)
        progress.say(f"stage {stage.name} of account {account.id}, in {account.region}")
        progress.step("chalice delete")
        state = _of_what_is_there(account, load_state(account, stage))
        if state["resources"]:
            with chalice_project(stage, account, state, stage.environment, progress) as project:
                project.delete()
        else:
            progress.say("Chalice knows of nothing")
        progress.step("What Chalice does not know of")
        _sweep(account, stage, progress)
        delete_log_groups(account, stage)
        forget_state(account, stage)
        progress.say("gone; the tables, the keys and the cursor secret are kept")


def _of_what_is_there(account: AwsAccount, state: State) -> State:
    """The state without what is gone already: `chalice delete` would stop there."""
    there = [resource for resource in state["resources"] if _is_there(account, resource)]
    return {**state, "resources": there}


def _is_there(account: AwsAccount, resource: Mapping[str, str]) -> bool:
    try:
        match resource["resource_type"]:
            case "rest_api":
                account.gateway.get_rest_api(restApiId=resource["rest_api_id"])
            case "cloudwatch_event":
                account.events.describe_rule(Name=resource["rule_name"])
            case "dynamodb_event":
                return mapping_exists(account, resource["event_uuid"])
            case "lambda_function":
                account.functions.get_function(FunctionName=resource["lambda_arn"])
            case "iam_role":
                account.iam.get_role(RoleName=resource["role_name"])
    except (
        account.gateway.exceptions.NotFoundException,
        account.events.exceptions.ResourceNotFoundException,
        account.functions.exceptions.ResourceNotFoundException,
        account.iam.exceptions.NoSuchEntityException,
    ):
        return False
    return True


def _sweep(account: AwsAccount, stage: Stage, progress: Progress) -> None:
    """Delete by its name what a deployment that broke off left, and no state tells of."""
    for api_id in tagged_apis(account, stage):
        account.gateway.delete_rest_api(restApiId=api_id)
        progress.say(f"API {api_id}")
    delete_mappings(account, stage, progress.say)
    for function in SCHEDULED:
        rule = rule_name(stage, function)
        if delete_rule(account, rule):
            progress.say(f"rule {rule}")
    for function in stage.functions:
        name, role = stage.function_name(function), role_name(stage, function)
        with suppress(account.functions.exceptions.ResourceNotFoundException):
            account.functions.delete_function(FunctionName=name)
            progress.say(f"function {name}")
        with suppress(account.iam.exceptions.NoSuchEntityException):
            for policy in account.iam.list_role_policies(RoleName=role)["PolicyNames"]:
                account.iam.delete_role_policy(RoleName=role, PolicyName=policy)
            account.iam.delete_role(RoleName=role)
            progress.say(f"role {role}")


def destroy_data(stage: Stage) -> None:
    """Delete a stage's users, tokens and keys, once its name has been typed.

    Raises:
        DeploymentError: the name was not typed, or the stage is still deployed.
    """
    with plain_faults():
        account = open_account()
        if api_id_of(load_state(account, stage)) is not None:
            raise DeploymentError(
                f"stage {stage.name} is still deployed: make destroy STAGE={stage.name} first"
            )
        tables = [f"{stage.resource_prefix}-{suffix}" for suffix in TABLES.values()]
        print(f"This deletes, for good, from account {account.id} in {account.region}:")
        print(f"  {', '.join(tables)}, and all keys of stage {stage.name}.")
        print("Type the stage's name to go on:", flush=True)
        if sys.stdin.readline().strip() != stage.name:
            raise DeploymentError("that is not the stage's name: nothing is deleted")
        for table in tables:
            _delete_table(account, table)
        # The tables are gone, so the stack that retains them has nothing left to keep.
        name = f"{stage.resource_prefix}-data"
        account.cloudformation.delete_stack(StackName=name)
        account.cloudformation.get_waiter("stack_delete_complete").wait(StackName=name)
        _delete_parameters(account, stage)
        print(f"The data of stage {stage.name} is deleted.")


def _delete_table(account: AwsAccount, table: str) -> None:
    try:
        account.dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
        account.dynamodb.get_waiter("table_exists").wait(TableName=table)
        account.dynamodb.delete_table(TableName=table)
    except account.dynamodb.exceptions.ResourceNotFoundException:
        return
    account.dynamodb.get_waiter("table_not_exists").wait(TableName=table)


def _delete_parameters(account: AwsAccount, stage: Stage) -> None:
    root = f"/{stage.app_name}/{stage.name}"
    names = [cursor_secret_name(stage)]
    for folder in ("public-keys", "private-keys"):
        pages = account.ssm.get_paginator("get_parameters_by_path")
        for page in pages.paginate(Path=f"{root}/{folder}"):
            names += [parameter["Name"] for parameter in page["Parameters"]]
    for first in range(0, len(names), _MOST_NAMES):
        account.ssm.delete_parameters(Names=names[first : first + _MOST_NAMES])
