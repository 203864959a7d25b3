"""The package that is deployed, unpacked, and its functions as processes of their own."""

import json
import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest

from infra.deployment.packages import Package, build_package
from infra.local.children import CHECKOUT
from infra.local.cloud import LocalCloud, client_environment
from infra.local.stages import prepare_stage
from tests.aws import STAGE

HERE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
_FUNCTION = Path(__file__).with_name("function.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test is first waits for the package."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(400))


class Function:
    """One function in one process. Raises `AssertionError` where the function does."""

    def __init__(self, folder: Path, handler: str, environment: Mapping[str, str]) -> None:
        self._log = TemporaryFile()  # noqa: SIM115 - closed by `stop`
        # Isolated, and without the site: nothing but the package and the standard library.
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_FUNCTION), str(folder), handler],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._folder = folder
        self.loaded: dict[str, str | None] = {}

    def __call__(self, event: Any, context: object = None) -> Any:
        del context  # the process makes one of its own
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(event) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self._last_words()
        outcome = json.loads(line)
        self.loaded = outcome["loaded"]
        assert "fault" not in outcome, outcome["fault"]
        return outcome["answer"]

    @property
    def packaged(self) -> set[str]:
        """The modules that were loaded from the package."""
        root = f"{self._folder}{os.sep}"
        return {name for name, file in self.loaded.items() if file and file.startswith(root)}

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()
        self._log.close()

    def _last_words(self) -> str:
        self.process.wait(10)
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")


class Functions:
    """Starts functions of the package, and stops them."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._started = ExitStack()

    def start(self, handler: str, **settings: str) -> Function:
        function = Function(self._folder, handler, {**self._environment, **settings})
        self._started.callback(function.stop)
        return function

    def stop(self) -> None:
        self._started.close()


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return build_package(CHECKOUT, HERE, tmp_path_factory.mktemp("package") / "package.zip")


@pytest.fixture(scope="session")
def unpacked(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(package.path) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="package")
def local_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """One of its own: the keys are rotated here."""
    with LocalCloud(tmp_path_factory.mktemp("cloud")) as cloud, pytest.MonkeyPatch.context() as env:
        _become_client(cloud, env)
        prepare_stage(cloud, STAGE)
        env.undo()
        yield cloud


@pytest.fixture(scope="module")
def stage(local_cloud: LocalCloud) -> Iterator[LocalCloud]:
    """This process as a client of the stage."""
    with pytest.MonkeyPatch.context() as env:
        _become_client(local_cloud, env)
        yield local_cloud


@pytest.fixture(scope="module")
def functions(unpacked: Path, stage: LocalCloud) -> Iterator[Functions]:
    del stage  # its environment is the functions'
    kept = ("ACCOUNTS_", "AWS_", "NO_PROXY", "no_proxy")
    functions = Functions(
        unpacked, {name: value for name, value in os.environ.items() if name.startswith(kept)}
    )
    yield functions
    functions.stop()


def _become_client(cloud: LocalCloud, env: pytest.MonkeyPatch) -> None:
    for name, value in client_environment(cloud.endpoint).items():
        env.setenv(name, value)
    env.setenv("ACCOUNTS_STAGE", STAGE)
    env.setenv("ACCOUNTS_BCRYPT_COST", "4")
