"""The API on a local cloud of its own: `python -m tests.browser.server FOLDER`.

It is what `make run` serves, but for the reloader: an edit while the tests run must not take the
server from under them. It prints its address; then, for each line that it is given of an email, a
page and an address, the token of a link to that page. It ends when its standard input does, which
is when whoever started it is gone.
"""

import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from app import app
from chalicelib.container import container
from chalicelib.domain.names import fold
from chalicelib.services.courier import PATHS
from chalicelib.store.mailed_tokens import DynamoMailedTokenStore
from infra.local.cloud import LocalCloud
from infra.local.loopback import HOST
from infra.local.server import serving
from infra.local.stages import enter_stage, prepare_stage
from tests.mailed import mailed


def main(folder: Path) -> None:
    with LocalCloud(folder) as cloud:
        enter_stage(cloud.endpoint)
        os.environ |= {"ACCOUNTS_STAGE": "test", "ACCOUNTS_BCRYPT_COST": "4"}
        prepare_stage(cloud, "test")
        with serving(app, HOST, 0) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            print(f"http://{HOST}:{server.server_address[1]}", flush=True)  # noqa: T201 - to whoever waits
            for line in sys.stdin:
                print(_mailed(*line.split()), flush=True)  # noqa: T201 - likewise
            server.shutdown()


def _mailed(email: str, page: str, address: str) -> str:
    owner = container()._users.find_by_email(fold(email))  # noqa: SLF001 - behind the API's back
    assert owner
    purpose = next(purpose for purpose, path in PATHS.items() if path == page)
    text, record = mailed(owner.public_id, purpose, address, at=datetime.now(UTC))
    DynamoMailedTokenStore().add(record)
    return text


if __name__ == "__main__":
    main(Path(sys.argv[1]))
