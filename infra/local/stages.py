"""What a stage needs of the local cloud before anything of ours can use it."""

import contextlib
import os
from typing import Any

from chalicelib import settings
from infra.local.cloud import LocalCloud, LocalError, client_environment


def enter_stage(endpoint: str) -> None:
    """Make this process, and what it starts from now on, a client of the local cloud's stage."""
    environment = client_environment(endpoint)
    os.environ.clear()
    os.environ.update(environment)


def prepare_stage(cloud: LocalCloud, stage: str) -> None:
    """Wait for the cloud, then make the stage's tables, its key and its sender, or find them.

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
        if (sender := settings.load().mail_sender) is not None:
            ensure_sender(boto3.client("sesv2"), sender)
    except (BotoCoreError, ClientError, StackError) as error:
        raise LocalError(f"the local cloud refused: {error}") from error
    cloud.announce()


def ensure_sender(mails: Any, sender: str) -> None:
    """Have a cloud that sends nothing anywhere accept mails from a sender.

    On AWS, a mail that SES sends has to the address confirms first that it may.
    """
    address = sender.rpartition("<")[2].rstrip(">")
    with contextlib.suppress(mails.exceptions.AlreadyExistsException):
        mails.create_email_identity(EmailIdentity=address)
