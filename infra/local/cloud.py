"""The local cloud: ministack, a local AWS in one process, with its state in a folder."""

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.local.children import CHECKOUT, Child
from infra.local.loopback import HOST, free_port, is_healthy

STAGE = "dev"

_INTERPRETER = CHECKOUT / ".venv-cloud" / "bin" / "python"
_HEALTH = "/_ministack/health"
_START_SECONDS = 30.0
# A cloud whose `make run` was killed writes its state before it goes, holding the lock meanwhile.
_LOCK_SECONDS = 2.0
_PAUSE_SECONDS = 0.02

Pause = Callable[[float], None]
"""Sleeps for so many seconds, or raises to say that it is no use waiting on."""


class LocalError(Exception):
    """Something local is not as it should be. The message is one line, for a terminal."""


class StateInUseError(LocalError):
    """Another local cloud has this state."""


def home() -> Path:
    """Where the local cloud keeps its state: ignored by git, kept by `make clean`."""
    return Path(os.environ.get("ACCOUNTS_LOCAL_DIR") or CHECKOUT / ".local").resolve()


def client_environment(endpoint: str) -> dict[str, str]:
    """This process's environment, changed so that the stage finds the local cloud and no other.

    Whatever of AWS the developer is signed in to, by variables, by files or by a proxy, is out of
    reach from it.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return (
        kept
        | stage_variables()
        | {
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint,
            "NO_PROXY": HOST,
            "no_proxy": HOST,
        }
    )


def stage_variables(stage: str = STAGE) -> dict[str, str]:
    """What .chalice/config.json sets for a stage, as Chalice itself reads it."""
    configuration = json.loads((CHECKOUT / ".chalice" / "config.json").read_bytes())
    variables: dict[str, str] = {
        **configuration.get("environment_variables", {}),
        **configuration["stages"][stage].get("environment_variables", {}),
    }
    return variables


def running_endpoint(folder: Path, pause: Pause = time.sleep) -> str | None:
    """The address of the local cloud that has this state now, or None if there is none.

    Raises:
        LocalError: the state is locked, and yet nobody answers.
    """
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            os.close(_lock(folder))
        except StateInUseError:
            with contextlib.suppress(OSError):
                endpoint = (folder / "endpoint").read_text()
                if is_healthy(endpoint + _HEALTH):
                    return endpoint
        else:
            return None
        pause(_PAUSE_SECONDS)
    raise LocalError(f"the local cloud of {folder} does not answer")


class LocalCloud:
    """One ministack, running for as long as the context is entered.

    The state is written when it stops, and by nothing else: whoever enters must leave. A lock on
    the folder is held by the child itself, so that it lasts until the state is written, even if
    this process is killed.
    """

    def __init__(self, folder: Path, pause: Pause = time.sleep) -> None:
        self._folder = folder
        self._pause = pause
        self._endpoint_file = folder / "endpoint"
        self.log = folder / "cloud.log"
        port = free_port()
        self.endpoint = f"http://{HOST}:{port}"
        self._environment = _cloud_environment(folder, port)

    def __enter__(self) -> Self:
        """Start the child; `wait_until_ready` before the first call.

        Raises:
            StateInUseError: another local cloud has this folder.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = self._patient_lock()
        try:
            self._endpoint_file.unlink(missing_ok=True)
            # What ministack leaves in its folder for temporary files is nobody else's to clear.
            shutil.rmtree(self._folder / "tmp", ignore_errors=True)
            (self._folder / "tmp").mkdir()
            with self.log.open("wb") as log:
                self.child = Child(
                    _INTERPRETER,
                    "ministack",
                    environment=self._environment,
                    output=log,
                    inherited=(lock,),
                )
        finally:
            os.close(lock)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._endpoint_file.unlink(missing_ok=True)
        self.child.stop()

    def wait_until_ready(self) -> None:
        """Wait until it answers.

        Raises:
            LocalError: it did not start.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not is_healthy(self.endpoint + _HEALTH):
            if self.child.ended or time.monotonic() > deadline:
                raise LocalError(f"the local cloud did not start: see {self.log}")
            self._pause(_PAUSE_SECONDS)

    def announce(self) -> None:
        """Tell other commands where it is, now that it has what a stage needs."""
        self._endpoint_file.write_text(self.endpoint)

    def _patient_lock(self) -> int:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                return _lock(self._folder)
            except StateInUseError:
                if time.monotonic() > deadline:
                    raise
            self._pause(_PAUSE_SECONDS)


def _lock(folder: Path) -> int:
    """Lock the folder for as long as the descriptor, or one inherited from it, stays open."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StateInUseError(f"another `make run` has the local cloud of {folder}") from error
    return lock


def _cloud_environment(folder: Path, port: int) -> Mapping[str, str]:
    """All that ministack is told. It reads many variables; the developer's own are kept from it."""
    state = folder / "state"
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.environ.get("HOME", os.sep),
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "SERVICES": "cloudformation,dynamodb,ses,ssm",
        "IOT_MTLS_ENABLED": "0",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state),
        "TMPDIR": str(folder / "tmp"),
        # At start and stop ministack removes containers that carry its label. Ours has none, and
        # another one's are none of our business: there is no Docker where it looks.
        "DOCKER_HOST": f"unix://{state / 'no-docker.sock'}",
    }
