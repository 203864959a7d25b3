"""A local cloud and an API of a benchmark's own, in a temporary folder and on free ports."""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL

from infra.local.children import Child
from infra.local.cloud import LocalCloud
from infra.local.loopback import HOST, free_port, is_healthy
from infra.local.stages import enter_stage, prepare_stage

STAGE = "test"

_START_SECONDS = 60.0
_PAUSE_SECONDS = 0.05


class BenchError(Exception):
    """Something could not be measured. The message is one line, for a terminal."""


@contextmanager
def local_stage(folder: Path, variables: Mapping[str, str]) -> Iterator[str]:
    """Run a local cloud with a stage's tables, key and sender; its address.

    Meanwhile this process's environment, and that of what it starts, is the stage's, with
    `variables` of its own.

    Raises:
        LocalError: the cloud does not start.
    """
    before = dict(os.environ)
    try:
        with LocalCloud(folder) as cloud:
            enter_stage(cloud.endpoint)
            os.environ.update(variables, ACCOUNTS_STAGE=STAGE)
            prepare_stage(cloud, STAGE)
            yield cloud.endpoint
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def api(*, courier: bool) -> Iterator[int]:
    """Run the API of this process's stage; its port.

    Raises:
        BenchError: it does not start.
    """
    with serving("bench.serving", "/health", "courier" if courier else "none") as port:
        yield port


@contextmanager
def serving(module: str, health: str, *arguments: str) -> Iterator[int]:
    """Run a server by a module's `main`, which is told its port and these arguments; its port.

    Raises:
        BenchError: `health`, a path of it, does not answer in time.
    """
    port = free_port()
    child = Child(
        Path(sys.executable),
        module,
        str(port),
        *arguments,
        environment=os.environ,
        output=DEVNULL,
    )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not is_healthy(f"http://{HOST}:{port}{health}"):
            if child.ended or time.monotonic() > deadline:
                raise BenchError(f"{module} did not start")
            time.sleep(_PAUSE_SECONDS)
        yield port
    finally:
        child.stop()
