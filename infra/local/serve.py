"""`chalice local` behind the local gateway: `python -m infra.local.serve PORT`.

It is Chalice's own command, with its reloader. Three of its parts are exchanged: the server, for
what API Gateway does; the watcher, which would walk the virtual environments every second and
take the cloud's state for code; and the command with which the reloader starts its worker.
"""

import contextlib
import logging
import sys
import threading
import time
from pathlib import Path
from typing import Any

from chalice import cli
from chalice.cli import reloader
from chalice.cli.factory import CLIFactory
from chalice.cli.filewatch import WorkerProcess

from infra.local.cloud import STAGE
from infra.local.loopback import HOST

_POLL_SECONDS = 0.5
_WATCHED = (
    ".chalice/config.json",
    "app.py",
    "chalicelib/**/*",
    "infra/gateway_responses.py",
    "infra/local/deliveries.py",
    "infra/local/gateway.py",
    "infra/local/server.py",
)
_SUFFIXES = frozenset({".html", ".json", ".py", ".toml", ".txt"})


class _GatewayFactory(CLIFactory):  # type: ignore[misc] # Chalice is not typed strictly
    def create_local_server(self, app_obj: Any, config: Any, host: str, port: int) -> Any:
        del config  # what it says of the stage is in the environment by now
        # Imported by the worker's server thread: a mistake in these files, as in the app's, ends
        # the thread, and the next change brings it back.
        from infra.local.deliveries import start_delivering
        from infra.local.server import serving

        server = serving(app_obj, host, port)
        start_delivering()
        return server


class _SourceWatcher(WorkerProcess):  # type: ignore[misc] # likewise
    def _start_file_watcher(self, project_dir: str) -> None:
        sources = _modification_times(Path(project_dir))
        threading.Thread(target=self._watch, args=(project_dir, sources), daemon=True).start()

    def _watch(self, project_dir: str, sources: dict[Path, int]) -> None:
        while _modification_times(Path(project_dir)) == sources:
            time.sleep(_POLL_SECONDS)
        self._restart_event.set()


def _modification_times(checkout: Path) -> dict[Path, int]:
    times = {}
    for pattern in _WATCHED:
        for path in checkout.glob(pattern):
            if path.suffix in _SUFFIXES:
                # An editor may just be putting a new file in this one's place.
                with contextlib.suppress(FileNotFoundError):
                    times[path] = path.stat().st_mtime_ns
    return times


def _log_plainly() -> None:
    """Print what concerns a person as it is, and nothing of what libraries do while all is well."""
    plainly = logging.StreamHandler(sys.stdout)
    for told in ("infra.local", "chalice.cli.reloader"):
        logger = logging.getLogger(told)
        logger.addHandler(plainly)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    # The functions' own lines are for CloudWatch: here the gateway's line says what a person needs.
    for quiet in ("botocore", "pynamodb", "chalicelib.telemetry"):
        logging.getLogger(quiet).setLevel(logging.WARNING)
    # It warns of each connection that it does not keep: here there may be more requests at once
    # than it keeps any for, in a function there is one.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


def main(port: str) -> None:
    """Serve until this process is told to end."""
    # The reloader starts its worker by running `sys.argv`, so that has to be all of what was run:
    # the worker is tethered as well, and does not stay when this process is killed.
    sys.argv = list(sys.orig_argv)
    _log_plainly()
    cli.CLIFactory = _GatewayFactory
    reloader.get_best_worker_process = lambda: _SourceWatcher
    cli.cli(args=["local", "--host", HOST, "--port", port, "--stage", STAGE], obj={})


if __name__ == "__main__":
    main(sys.argv[1])
