import logging
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.retries import quota, standard

from chalicelib import container as composition
from chalicelib import settings
from chalicelib.container import Container, use
from chalicelib.keys.parameters import Parameter
from chalicelib.store.transactions import Transactions
from tests import aws
from tests.api.client import Client
from tests.api.lines import Lines
from tests.faults.line import line
from tests.faults.matrix import Functions, Matrix
from tests.faults.scenarios import DAYS, SESSIONS_PER_USER, Stage
from tests.faults.world import World

_STAGE = {
    "ACCOUNTS_STAGE": aws.STAGE,
    "ACCOUNTS_BCRYPT_COST": "4",
    "ACCOUNTS_SESSIONS_PER_USER": str(SESSIONS_PER_USER),
    "ACCOUNTS_KEY_ROTATION_DAYS": str(DAYS),
}


@pytest.fixture(scope="package")
def _patience() -> Iterator[None]:
    """Nobody waits, every pause is the longest that it could be, and retries never run out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.sleep", line.sleep)
        longest = property(lambda _: lambda: 1.0, lambda *_: None)
        patch.setattr(standard.ExponentialBackoff, "_random", longest, raising=False)
        patch.setattr(quota.RetryQuota, "acquire", lambda *_: True)
        yield


@pytest.fixture(scope="package")
def matrix(key_parameters: tuple[Parameter, Parameter], _patience: None) -> Iterator[Matrix]:
    functions, lines, world = Functions(), Lines(), World()
    with aws.started(key_parameters) as cloud, pytest.MonkeyPatch.context() as patch:
        patch.setattr(composition, "_current", None)
        container = use(
            Container(
                settings.load(_STAGE),
                world.clock,
                world.ids,
                world.random.octets,
                world.random.below,
            )
        )
        connection = container._connection  # noqa: SLF001 - the wiring is what is changed here
        transactions = Transactions(connection, line.sleep, lambda: 1.0)
        container._transactions = transactions  # noqa: SLF001 - likewise: they wait in virtual time
        sender = container.settings.mail_sender
        assert sender is not None
        mails: Any = boto3.client("sesv2")
        mails.create_email_identity(EmailIdentity=sender.rpartition("<")[2].rstrip(">"))
        client = Client(cloud)
        patch.setattr(client.gateway, "start", functions.start)
        stage = Stage(client, container, cloud, world, functions.start)
        root = logging.getLogger()
        root.addHandler(lines)
        yield Matrix(stage, functions, lines)
        root.removeHandler(lines)
        line.reset()
