"""`chalice deploy` and `chalice delete`, run for real, on a project that holds exactly one stage.

The project is a private temporary folder: the sources, the stage's configuration with what only
the account knows filled in, the policies, the state, and the package where Chalice looks for one
that it made before. No secret reaches a file of the checkout or the terminal.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.deployment.aws import AwsAccount
from infra.deployment.errors import DeploymentError
from infra.deployment.packages import Package, cached_package, copy_sources
from infra.deployment.policies import policy_file, read_policy
from infra.deployment.progress import Progress
from infra.deployment.stages import Stage
from infra.deployment.states import State

_CHALICE = Path(sys.executable).with_name("chalice")
_REUSED = "Reusing existing deployment package"
_CONNECT_SECONDS = "60"


class ChaliceProject:
    """A project folder that Chalice deploys a stage from."""

    def __init__(self, folder: Path, stage: Stage, progress: Progress) -> None:
        self._folder = folder
        self._stage = stage
        self._progress = progress
        self._state_file = folder / ".chalice" / "deployed" / f"{stage.name}.json"

    def deploy(self, package: Package) -> None:
        """Run `chalice deploy` with this package.

        Raises:
            DeploymentError: it failed, or did not use the package.
        """
        cached = cached_package(self._folder, self._stage.architecture)
        cached.parent.mkdir()
        shutil.copyfile(package.path, cached)
        said = self._run("deploy", "--connection-timeout", _CONNECT_SECONDS)
        if _REUSED not in said:
            raise DeploymentError(
                "chalice deploy made a package of its own, which was not checked: run it again"
            )

    def delete(self) -> None:
        """Run `chalice delete`.

        Raises:
            DeploymentError: it failed.
        """
        self._run("delete")

    @property
    def state(self) -> State | None:
        """The state that Chalice left, or None if it left none."""
        if not self._state_file.exists():
            return None
        state: State = json.loads(self._state_file.read_bytes())
        return state

    def _run(self, command: str, *options: str) -> str:
        process = subprocess.Popen(
            [str(_CHALICE), command, "--stage", self._stage.name, *options],
            cwd=self._folder,
            # The name of a cached package depends on every file of the project.
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        lines = []
        with process:
            for line in process.stdout or ():
                lines.append(line)
                if line.strip():
                    self._progress.say(f"| {line.rstrip()}")
        if process.returncode:
            last = next((line.strip() for line in reversed(lines) if line.strip()), "it is silent")
            raise DeploymentError(
                f"chalice {command} failed: {last.rstrip('.')}; nothing is lost, run it again"
            )
        return "".join(lines)


@contextmanager
def chalice_project(
    stage: Stage,
    account: AwsAccount,
    state: State,
    environment: Mapping[str, str],
    progress: Progress,
) -> Iterator[ChaliceProject]:
    """Lay out a project for one run; it is gone afterwards, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="accounts-chalice-") as name:
        folder = Path(name)
        copy_sources(stage.checkout, folder)
        own = folder / ".chalice"
        own.joinpath("deployed").mkdir(parents=True)
        _write(own / "config.json", _configuration(stage, environment))
        for function in stage.functions:
            _write(own / policy_file(function), read_policy(stage, account, function))
        _write(own / "deployed" / f"{stage.name}.json", state)
        yield ChaliceProject(folder, stage, progress)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _configuration(stage: Stage, environment: Mapping[str, str]) -> dict[str, Any]:
    """The configuration of this stage alone, with its environment complete.

    Log groups are made by `infra.deployment.logs`: Chalice 1.34 would keep the API function's in
    order under a name that Lambda does not write to.
    """
    own = {
        **stage.configuration["stages"][stage.name],
        "lambda_architecture": stage.architecture,
        "environment_variables": dict(environment),
    }
    own.pop("log_retention_in_days", None)
    whole = {**stage.configuration, "stages": {stage.name: own}}
    whole.pop("log_retention_in_days", None)
    return whole
