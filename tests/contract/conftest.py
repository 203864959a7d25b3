"""The API that the contract's suite looks at.

`make rehearse` names one in the environment. Otherwise both are started and the same tests run
against each: the deployed API on the rehearsal's cloud, and `make run`.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from infra.rehearsal.checkouts import copy_checkout
from infra.rehearsal.cloud import rehearsal_cloud
from infra.rehearsal.deployments import Deployer, Target
from infra.rehearsal.local_runs import running_locally
from tests.contract.client import Client, Person

# Read before the suite's own fixtures make the environment nobody's.
_GIVEN = (
    Target(os.environ["ACCOUNTS_API_URL"], os.environ.get("ACCOUNTS_API_HOST"))
    if "ACCOUNTS_API_URL" in os.environ
    else None
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test is first waits for a whole deployment."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(400))


@contextmanager
def _deployed(folder: Path) -> Iterator[Target]:
    cloud_folder = folder / "cloud"
    cloud_folder.mkdir()
    with rehearsal_cloud(cloud_folder) as endpoint:
        deployer = Deployer(copy_checkout(folder / "checkout"), endpoint)
        outcome = deployer.make("deploy", "dev")
        assert outcome.status == 0, outcome.output
        yield deployer.target("dev")


def _start(what: str, folder: Path) -> AbstractContextManager[Target]:
    return _deployed(folder) if what == "deployed" else running_locally(folder)


@pytest.fixture(scope="session", params=["given"] if _GIVEN else ["deployed", "make run"])
def api(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    if _GIVEN is not None:
        yield Client(_GIVEN.url, _GIVEN.host)
        return
    with _start(request.param, tmp_path_factory.mktemp("contract")) as target:
        yield Client(target.url, target.host)


@pytest.fixture(scope="session")
def person(api: Client) -> Person:
    """Somebody who stays logged in."""
    return api.register()
