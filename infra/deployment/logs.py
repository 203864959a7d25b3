"""The log groups of a stage, made before anything writes to them.

A group that Lambda makes keeps its lines for ever. Made here, they need no right of the functions
to make any.
"""

import contextlib

from infra.deployment.aws import AwsAccount
from infra.deployment.stages import Stage


def function_group(stage: Stage, function: str) -> str:
    """Where Lambda writes what a function says."""
    return f"/aws/lambda/{stage.function_name(function)}"


def access_group(stage: Stage) -> str:
    """Where API Gateway writes its access log."""
    return f"/aws/apigateway/{stage.resource_prefix}"


def log_groups(stage: Stage) -> list[str]:
    """All groups of a stage."""
    return [*(function_group(stage, function) for function in stage.functions), access_group(stage)]


def ensure_log_groups(account: AwsAccount, stage: Stage) -> None:
    """Make the groups that are missing, and keep all for as long as the stage says."""
    for group in log_groups(stage):
        with contextlib.suppress(account.logs.exceptions.ResourceAlreadyExistsException):
            account.logs.create_log_group(logGroupName=group, tags=stage.tags)
        account.logs.put_retention_policy(
            logGroupName=group, retentionInDays=stage.look_up("log_retention_in_days")
        )


def delete_log_groups(account: AwsAccount, stage: Stage) -> None:
    """Delete the groups, and what was logged."""
    for group in log_groups(stage):
        with contextlib.suppress(account.logs.exceptions.ResourceNotFoundException):
            account.logs.delete_log_group(logGroupName=group)
