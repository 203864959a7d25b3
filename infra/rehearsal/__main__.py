"""`make rehearse`: the real deployment on a local cloud, held to the contract, and then broken.

One suite, tests/contract, is run against the deployed API and against `make run`. Another one,
with SUITE=…, is run in its place; it finds the API in ACCOUNTS_API_URL and, where the address
alone does not tell which one is meant, the Host to ask for in ACCOUNTS_API_HOST. The mails that
were sent are told by the local cloud in ACCOUNTS_MAILS_AT, as `infra.local.mails` reads them.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from infra.local.children import CHECKOUT
from infra.rehearsal.checkouts import copy_checkout
from infra.rehearsal.cloud import rehearsal_cloud
from infra.rehearsal.deployments import Deployer, Target
from infra.rehearsal.errors import RehearsalError
from infra.rehearsal.local_runs import running_locally

_STAGE = "dev"
"""The stage that `make run` runs, so that answers are equal to the last octet."""


def main() -> int:
    """Rehearse; the exit status."""
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="accounts-rehearsal-") as folder:
            _rehearse(Path(folder), os.environ.get("SUITE") or "tests/contract")
    except RehearsalError as error:
        print(f"accounts: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\naccounts: interrupted; nothing is left behind", file=sys.stderr)
        return 130
    print(f"\nThe rehearsal went well, in {time.monotonic() - started:.0f} s.")
    return 0


def _rehearse(folder: Path, suite: str) -> None:
    cloud_folder = folder / "cloud"
    cloud_folder.mkdir()
    with rehearsal_cloud(cloud_folder) as endpoint:
        _title(f"make deploy STAGE={_STAGE}")
        first = Deployer(copy_checkout(folder / "first"), endpoint)
        _deploy(first)
        target = first.target(_STAGE)

        _title("the contract, deployed")
        _hold_to_contract(suite, target)

        _title("make deploy from a second clean checkout, with changed settings")
        second = Deployer(copy_checkout(folder / "second"), endpoint)
        changes = {"throttling": {"rate": 900, "burst": 1800}, "xray": True}
        second.change_stage(_STAGE, changes)
        _deploy(second)
        if second.target(_STAGE) != target:
            raise RehearsalError(f"the URL changed: {target.host}, {second.target(_STAGE).host}")
        _say("the same URL")
        _status(second)

        _title("many users, and more than there is room for")
        _soak(second, cloud_folder)

    _title("the contract, with make run")
    with running_locally(folder / "local") as local:
        _hold_to_contract(suite, local)

    _title("deployments that break off half-way, and are run again")
    _pytest("tests/rehearsal", {"ACCOUNTS_REHEARSAL": "full"})


def _deploy(deployer: Deployer) -> None:
    if deployer.make("deploy", _STAGE, show=True).status:
        raise RehearsalError(f"make deploy STAGE={_STAGE} failed, see above")


def _status(deployer: Deployer) -> None:
    if deployer.make("status", _STAGE, show=True).status:
        raise RehearsalError(f"make status STAGE={_STAGE} failed, see above")


def _hold_to_contract(suite: str, target: Target) -> None:
    _pytest(suite, target.environment)


def _soak(deployer: Deployer, cloud_folder: Path) -> None:
    deployed = ["--deployed", str(deployer.checkout), deployer.endpoint, str(cloud_folder)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--minutes", "0.1", "--users", "8", *deployed],
        cwd=CHECKOUT,
        check=False,
    )
    if done.returncode:
        raise RehearsalError("tests.soak failed, see above")


def _pytest(suite: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", suite],
        cwd=CHECKOUT,
        env=os.environ | environment,
        check=False,
    )
    if done.returncode:
        raise RehearsalError(f"{suite} failed, see above")


def _title(text: str) -> None:
    print(f"\n== {text}", flush=True)


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
