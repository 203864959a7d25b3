"""The API alone, as `make run` has it but for the reloader: `python -m bench.serving PORT COURIER`.

With a courier (`courier`), mails are sent meanwhile, from this process; with `none` they are not.
"""

import logging
import sys

from infra.local.deliveries import start_delivering
from infra.local.loopback import HOST
from infra.local.server import serving


def main(port: str, courier: str) -> None:
    """Serve until this process is told to end."""
    from app import app

    logging.disable(logging.INFO)
    server = serving(app, HOST, int(port))
    if courier == "courier":
        start_delivering()
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
