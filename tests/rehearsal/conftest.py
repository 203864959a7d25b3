"""A cloud and a checkout for deployments that go wrong. `make rehearse` runs all of it."""

import os
from collections.abc import Iterator

import boto3
import pytest

from chalicelib import settings
from infra.local.cloud import stage_variables
from infra.rehearsal.checkouts import copy_checkout
from infra.rehearsal.cloud import deployer_environment, rehearsal_cloud
from infra.rehearsal.deployments import Deployer
from tests.rehearsal.proxies import Network, failing_network

STAGE = "staging"

# Read before the suite's own fixtures make the environment nobody's.
_FULL = os.environ.get("ACCOUNTS_REHEARSAL") == "full"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "full: run by make rehearse, and not by make test")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the rest of the rehearsal to `make rehearse`: it takes minutes."""
    left = [item for item in items if not _FULL and item.get_closest_marker("full")]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="package")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    folder = tmp_path_factory.mktemp("cloud")
    with rehearsal_cloud(folder) as endpoint, failing_network(endpoint) as network:
        yield network


@pytest.fixture(scope="package")
def deployer(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Deployer:
    checkout = copy_checkout(tmp_path_factory.mktemp("checkouts") / "accounts")
    deployer = Deployer(checkout, network.endpoint)
    # The cloud has verified this one for the stage `dev`, which has it unless told otherwise.
    sender = settings.load(stage_variables()).mail_sender
    variables = stage_variables(STAGE) | {"ACCOUNTS_MAIL_SENDER": sender}
    deployer.change_stage(STAGE, {"environment_variables": variables})
    return deployer


@pytest.fixture
def aws(network: Network, monkeypatch: pytest.MonkeyPatch) -> boto3.Session:
    """What somebody with the account's console sees."""
    for name, value in deployer_environment(network.endpoint).items():
        monkeypatch.setenv(name, value)
    return boto3.Session()
