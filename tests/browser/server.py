"""The API on a local cloud of its own: `python -m tests.browser.server FOLDER`.

It is what `make run` serves, but for the reloader: an edit while the tests run must not take the
server from under them. It prints its address, and ends when its standard input does, which is when
whoever started it is gone.
"""

import os
import sys
import threading
from pathlib import Path

from app import app
from infra.local.cloud import LocalCloud
from infra.local.loopback import HOST
from infra.local.server import serving
from infra.local.stages import enter_stage, prepare_stage


def main(folder: Path) -> None:
    with LocalCloud(folder) as cloud:
        enter_stage(cloud.endpoint)
        os.environ |= {"ACCOUNTS_STAGE": "test", "ACCOUNTS_BCRYPT_COST": "4"}
        prepare_stage(cloud, "test")
        with serving(app, HOST, 0) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            print(f"http://{HOST}:{server.server_address[1]}", flush=True)  # noqa: T201 - to whoever waits
            sys.stdin.read()
            server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
