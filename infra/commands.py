"""What the commands that work on a stage share: how they get at it, and how they end.

They work through the API's own services, on the local cloud unless `STAGE=…` names a deployed
stage. With `make run` they share the cloud that runs; otherwise they start one on the same state,
and stop it afterwards.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chalicelib import settings
from chalicelib.domain.errors import AccountsError
from infra.deployment.errors import DeploymentError
from infra.local.children import CHECKOUT
from infra.local.cloud import LocalCloud, LocalError, home, running_endpoint
from infra.local.stages import enter_stage, prepare_stage

if TYPE_CHECKING:
    from chalicelib.container import Container

_INTERRUPTED = 130
"""What a shell makes of a command that Ctrl-C ended."""


class RefusedError(Exception):
    """Something that was given will not do. The message is one line, for a terminal."""


def run_command(work: Callable[[], None]) -> int:
    """Do the work; the exit status. Whatever is foreseen to go wrong is one line."""
    try:
        work()
    except (RefusedError, DeploymentError, LocalError, settings.SettingsError) as error:
        print(f"accounts: {error}", file=sys.stderr)
        return 1
    except AccountsError as error:
        print(f"accounts: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return _INTERRUPTED
    return 0


@contextmanager
def open_stage(name: str) -> "Iterator[Container]":
    """The services of a deployed stage or, if the name is empty, of the local one.

    Raises:
        DeploymentError: there is no such stage, or AWS does not let whoever runs this at it.
        LocalError: the local cloud does not start, or does not answer.
        SettingsError: the local stage's settings do not hold.
    """
    with _deployed(name) if name else _local() as stage:
        # The container makes its clients from the environment, which has only just been set.
        from chalicelib.container import Container

        yield Container(stage)


@contextmanager
def _local() -> Iterator[settings.Settings]:
    """The stage on the local cloud that runs, or on one that runs for this."""
    folder = home()
    endpoint = running_endpoint(folder)
    if endpoint is not None:
        enter_stage(endpoint)
        yield settings.load()
        return
    with LocalCloud(folder) as cloud:
        enter_stage(cloud.endpoint)
        prepare_stage(cloud, settings.load().stage)
        yield settings.load()


@contextmanager
def _deployed(name: str) -> Iterator[settings.Settings]:
    """A deployed stage, with the rights of whoever runs this."""
    # Only this needs boto3, which takes its time.
    from infra.deployment.aws import open_account, plain_faults
    from infra.deployment.stages import read_stage, settings_of

    stage = settings_of(read_stage(CHECKOUT, name))
    account = open_account()
    with plain_faults():
        try:
            account.dynamodb.describe_table(TableName=stage.users_table)
        except account.dynamodb.exceptions.ResourceNotFoundException as error:
            raise DeploymentError(
                f"stage {name} has no tables in {account.region}: make deploy STAGE={name}"
            ) from error
    os.environ["AWS_DEFAULT_REGION"] = account.region  # botocore reads no other
    yield stage
