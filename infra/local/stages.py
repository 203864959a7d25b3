"""What a stage needs of the local cloud before anything of ours can use it."""

import os

from infra.local.cloud import LocalCloud, LocalError, client_environment


def enter_stage(endpoint: str) -> None:
    """Make this process, and what it starts from now on, a client of the local cloud's stage."""
    environment = client_environment(endpoint)
    os.environ.clear()
    os.environ.update(environment)


def prepare_stage(cloud: LocalCloud, stage: str) -> None:
    """Wait for the cloud, then make the stage's tables and its key, or find them made.

    Raises:
        LocalError: the cloud did not start, or refused.
    """
    # boto3 takes as long to import as the cloud takes to start: both at once.
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from infra.keys import ensure_signing_key
    from infra.stacks import StackError, deploy_data_stack

    cloud.wait_until_ready()
    try:
        deploy_data_stack(boto3.client("cloudformation"), boto3.client("dynamodb"), stage)
        ensure_signing_key(boto3.client("ssm"), stage)
    except (BotoCoreError, ClientError, StackError) as error:
        raise LocalError(f"the local cloud refused: {error}") from error
    cloud.announce()
