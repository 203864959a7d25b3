"""This machine's own interface: nothing local listens on any other."""

import http.client
import socket
from urllib.parse import urlsplit

HOST = "127.0.0.1"

_ANSWER_SECONDS = 5


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def is_healthy(url: str) -> bool:
    """Whether a GET of this URL is answered with 200, and soon."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
