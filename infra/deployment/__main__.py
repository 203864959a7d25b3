"""`python -m infra.deployment COMMAND STAGE`: what `make deploy` and its neighbours run."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.deployment.deploy import deploy, make_package
from infra.deployment.destroy import destroy, destroy_data
from infra.deployment.errors import DeploymentError
from infra.deployment.progress import Progress
from infra.deployment.stages import Stage, read_stage
from infra.deployment.status import show_status

_CHECKOUT = Path(__file__).resolve().parents[2]
_INTERRUPTED = 130
"""What a shell makes of a command that Ctrl-C ended."""


def main(arguments: Sequence[str]) -> int:
    """Run a command; the exit status."""
    parser = argparse.ArgumentParser(prog="infra.deployment")
    parser.add_argument(
        "command", choices=["deploy", "package", "status", "destroy", "destroy-data"]
    )
    parser.add_argument("stage")
    parser.add_argument("--new-url", default="", help="yes: an API that is gone may be replaced")
    options = parser.parse_args(arguments)
    try:
        stage = read_stage(_CHECKOUT, options.stage)
        _run(options.command, stage, new_url=options.new_url == "yes")
    except DeploymentError as error:
        print(f"accounts: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\naccounts: interrupted; run it again to finish", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _run(command: str, stage: Stage, *, new_url: bool) -> None:
    match command:
        case "deploy":
            deploy(stage, new_url=new_url)
        case "package":
            progress = Progress(1)
            progress.step("Package")
            make_package(stage, progress)
        case "status":
            show_status(stage)
        case "destroy":
            destroy(stage)
        case _:
            destroy_data(stage)


def _end(_signal: int, _frame: object) -> None:
    """As Ctrl-C does, so that no secret is left in a temporary folder."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main(sys.argv[1:]))
