"""`make run`, for as long as the contract's suite looks at it."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.children import Child
from infra.local.loopback import HOST, free_port, is_healthy
from infra.rehearsal.deployments import Target
from infra.rehearsal.errors import RehearsalError

_START_SECONDS = 60.0
_PAUSE_SECONDS = 0.1


@contextmanager
def running_locally(folder: Path) -> Iterator[Target]:
    """Run what `make run` runs, on a port and with data of its own.

    Raises:
        RehearsalError: it does not start.
    """
    port = free_port()
    url = f"http://{HOST}:{port}"
    log_file = folder / "run.log"
    folder.mkdir(parents=True, exist_ok=True)
    with log_file.open("wb") as log:
        child = Child(
            Path(sys.executable),
            "infra.local.run",
            "--port",
            str(port),
            environment=os.environ | {"ACCOUNTS_LOCAL_DIR": str(folder)},
            output=log,
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not is_healthy(f"{url}/health"):
            if child.ended or time.monotonic() > deadline:
                raise RehearsalError(f"make run did not start: see {log_file}")
            time.sleep(_PAUSE_SECONDS)
        yield Target(url, mails_at=(folder / "endpoint").read_text("utf-8"))
    finally:
        child.stop()
