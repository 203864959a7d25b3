"""The API that the contract's suite looks at.

`make rehearse` names one in the environment, and the local cloud that has its mails. Otherwise both
are started and the same tests run against each: the deployed API on the rehearsal's cloud, and
`make run`.
"""

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.local.mails import SentMail, sent_mails
from infra.rehearsal.checkouts import copy_checkout
from infra.rehearsal.cloud import rehearsal_cloud
from infra.rehearsal.deployments import Deployer, Target
from infra.rehearsal.local_runs import running_locally
from tests.contract.client import Client, Person

_MAIL_SECONDS = 30.0

# Read before the suite's own fixtures make the environment nobody's.
_GIVEN = (
    Target(
        os.environ["ACCOUNTS_API_URL"],
        os.environ.get("ACCOUNTS_API_HOST"),
        os.environ.get("ACCOUNTS_MAILS_AT"),
    )
    if "ACCOUNTS_API_URL" in os.environ
    else None
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Whichever test is first waits for a whole deployment. Real mails cannot be read from here."""
    ours = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    for item in ours:
        item.add_marker(pytest.mark.timeout(400))
    if _GIVEN is not None and _GIVEN.mails_at is None:
        left = [item for item in ours if "mailbox" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Everybody's, on the local cloud."""

    endpoint: str

    def wait_for(self, address: str) -> SentMail:
        """The first mail to an address, as soon as there is one."""
        deadline = time.monotonic() + _MAIL_SECONDS
        while True:
            for mail in sent_mails(self.endpoint):
                if mail.to == (address,):
                    return mail
            assert time.monotonic() < deadline, f"no mail to {address}"
            time.sleep(0.1)


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
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    if _GIVEN is not None:
        yield _GIVEN
        return
    with _start(request.param, tmp_path_factory.mktemp("contract")) as target:
        yield target


@pytest.fixture(scope="session")
def api(target: Target) -> Client:
    return Client(target.url, target.host)


@pytest.fixture(scope="session")
def mailbox(target: Target) -> Mailbox:
    assert target.mails_at is not None
    return Mailbox(target.mails_at)


@pytest.fixture(scope="session")
def person(api: Client) -> Person:
    """Somebody who stays logged in."""
    return api.register()
