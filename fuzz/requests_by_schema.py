"""Requests made from the OpenAPI document, and answers held to it, by schemathesis."""

import os
import subprocess
import sys
from pathlib import Path

from fuzz.callers import API, CALLER
from infra.local.children import CHECKOUT
from infra.local.loopback import HOST

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
_SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


def send_requests(port: int, caller: str, seed: int, *options: str) -> int:
    """Send what schemathesis makes up, as this caller; its exit status, which is 0 if all is well.

    Whatever it finds, it prints, with the request as a command of curl and the seed.
    """
    api = f"http://{HOST}:{port}"
    command = (
        *(str(_SCHEMATHESIS), "--config-file", str(CONFIGURATION), "run", f"{api}/openapi.json"),
        *("--no-color", "--seed", str(seed), "--request-timeout", "30", *options),
    )
    environment = {**os.environ, CALLER: caller, API: api, "PYTHONPATH": str(CHECKOUT)}
    return subprocess.run(command, cwd=CHECKOUT, env=environment, check=False).returncode  # noqa: S603 - from a fixed list
