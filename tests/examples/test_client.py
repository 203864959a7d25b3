"""The client that stays logged in, with a stand-in for the API and with `make run`."""

import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from examples.client import Client, LoggedOutError
from infra.local.children import CHECKOUT
from infra.rehearsal.local_runs import running_locally
from tests.examples.stand_in import StandIn, standing_in
from tests.rehearsal.proxies import Network, failing_network
from tests.samples import PASSWORD

LIFE = 2
LEEWAY = 5
"""How long an expired token is still good at an API whose clock may be behind."""
THREADS = 8
SOURCE = CHECKOUT / "examples" / "client.py"


@dataclass(frozen=True, slots=True)
class Api:
    """An API whose access tokens live for `LIFE` seconds, and how to get past those."""

    url: str
    clock: Callable[[], float]
    wait: Callable[[float], None]


@pytest.fixture(scope="module", params=["stand-in", "make run"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    if request.param == "stand-in":
        stand_in = StandIn(LIFE)
        with standing_in(stand_in) as url:
            yield Api(url, stand_in.clock, stand_in.step)
        return
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ACCOUNTS_ACCESS_TOKEN_SECONDS", str(LIFE))
        with running_locally(tmp_path_factory.mktemp("client")) as target:
            yield Api(target.url, time.monotonic, time.sleep)


@pytest.fixture
def network(api: Api) -> Iterator[Network]:
    """What is between the client and the API. It sees all that goes by, and can lose it."""
    with failing_network(api.url) as network:
        yield network


@pytest.fixture
def email(api: Api) -> str:
    """The address of somebody with an account."""
    name = f"zoe-{secrets.token_hex(4)}"
    account = {"email": f"{name}@example.com", "username": name, "password": PASSWORD}
    assert requests.post(f"{api.url}/user", json=account, timeout=30).ok
    return account["email"]


@pytest.fixture
def client(api: Api, network: Network, email: str) -> Client:
    client = Client(network.endpoint, api.clock)
    client.log_in(email, PASSWORD)
    return client


def _asked(network: Network, path: str) -> int:
    return [seen.path for seen in network.seen].count(path)


def _token(network: Network) -> str:
    """The access token that the client sent last."""
    sent = (seen.headers["Authorization"] for seen in network.seen if seen.path == "/user/me")
    return list(sent)[-1]


def _end_session(api: Api, network: Network) -> None:
    """Log the client out behind its back."""
    headers = {"Authorization": _token(network)}
    assert requests.post(f"{api.url}/auth/logout", headers=headers, timeout=30).ok


def test_the_client_logs_in_and_out(client: Client, network: Network, email: str) -> None:
    assert client.request("GET", "/user/me").json()["username"] == email.partition("@")[0]
    client.log_out()
    with pytest.raises(LoggedOutError, match="Log in first"):
        client.request("GET", "/user/me")
    headers = {"Authorization": _token(network)}
    answer = requests.get(f"{network.endpoint}/user/me", headers=headers, timeout=30)
    assert answer.status_code == 401


def test_a_wrong_password_is_told_as_such(network: Network, email: str) -> None:
    client = Client(network.endpoint)
    with pytest.raises(LoggedOutError, match="email or password does not match"):
        client.log_in(email, "another password")


def test_many_threads_stay_logged_in_over_several_lifetimes(
    client: Client, network: Network
) -> None:
    end = time.monotonic() + 3.5 * LIFE

    def ask_on() -> set[int]:
        statuses = set()
        while time.monotonic() < end:
            statuses.add(client.request("GET", "/user/me").status_code)
            time.sleep(0.1)
        return statuses

    with ThreadPoolExecutor(THREADS) as pool:
        asking = [pool.submit(ask_on) for _ in range(THREADS)]
        assert [thread.result() for thread in asking] == [{200}] * THREADS
    # One refresh a lifetime, a fifth of it early, however many threads there are.
    assert 2 <= _asked(network, "/auth/refresh") <= 4
    assert _asked(network, "/auth/login") == 1


def test_a_token_is_refreshed_before_it_expires(api: Api, client: Client, network: Network) -> None:
    client.request("GET", "/user/me")
    first = _token(network)
    api.wait(0.85 * LIFE)
    assert client.request("GET", "/user/me").ok
    assert _token(network) != first
    assert _asked(network, "/user/me") == 2


def test_an_expired_token_is_refreshed_by_one_thread_for_all(
    api: Api, network: Network, email: str
) -> None:
    client = Client(network.endpoint, clock=lambda: 0.0)
    client.log_in(email, PASSWORD)
    api.wait(LIFE + LEEWAY + 1)
    assert _together(client) == [200] * THREADS
    assert _asked(network, "/auth/refresh") == 1
    assert _asked(network, "/auth/login") == 1


def test_an_ended_session_is_followed_by_one_login_for_all_threads(
    api: Api, client: Client, network: Network
) -> None:
    client.request("GET", "/user/me")
    _end_session(api, network)
    assert _together(client) == [200] * THREADS
    assert _asked(network, "/auth/refresh") <= 1
    assert _asked(network, "/auth/login") == 2


def _together(client: Client) -> list[int]:
    """The statuses that threads get which ask at the same moment."""
    start = threading.Barrier(THREADS)

    def ask() -> int:
        start.wait()
        return client.request("GET", "/user/me").status_code

    with ThreadPoolExecutor(THREADS) as pool:
        asking = [pool.submit(ask) for _ in range(THREADS)]
        return [thread.result() for thread in asking]


def test_without_the_password_an_ended_session_is_an_error(
    api: Api, network: Network, email: str
) -> None:
    client = Client(network.endpoint, api.clock)
    client.log_in(email, PASSWORD, remember=False)
    client.request("GET", "/user/me")
    _end_session(api, network)
    with pytest.raises(LoggedOutError, match="log in again"):
        client.request("GET", "/user/me")
    assert _asked(network, "/auth/login") == 1


def test_a_refresh_whose_answer_is_lost_is_asked_for_again(
    api: Api, client: Client, network: Network
) -> None:
    lost: list[str] = []

    def once(_method: str, path: str) -> bool:
        lost.extend([path] if path == "/auth/refresh" else [])
        return lost == [path]

    network.loss = once
    api.wait(LIFE)
    assert client.request("GET", "/user/me").ok
    assert lost == ["/auth/refresh"] * 2
    asked = [seen.body for seen in network.seen if seen.path == "/auth/refresh"]
    assert asked[0] == asked[1]
    # The session goes on: there is no second login, and the next refresh works as well.
    api.wait(LIFE)
    assert client.request("GET", "/user/me").ok
    assert _asked(network, "/auth/login") == 1


def test_an_api_that_is_away_is_not_a_logout(api: Api, client: Client, network: Network) -> None:
    network.fault = lambda _method, _path: True
    api.wait(LIFE)
    with pytest.raises(requests.ConnectionError):
        client.request("GET", "/user/me")
    network.fault = lambda _method, _path: False
    assert client.request("GET", "/user/me").ok
    assert _asked(network, "/auth/login") == 1


def test_what_the_client_holds_is_not_printed(client: Client, network: Network) -> None:
    client.request("GET", "/user/me")
    shown = repr(client) + repr(client._tokens)  # noqa: SLF001 - a debugger shows it, too
    assert "TokenSet" in shown
    assert _token(network).removeprefix("Bearer ") not in shown
    assert PASSWORD not in shown


def test_the_demonstration_shows_who_is_logged_in(network: Network, email: str) -> None:
    shown = subprocess.run(
        [sys.executable, str(SOURCE), network.endpoint, email],
        input=f"{PASSWORD}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == f"Logged in as {email.partition('@')[0]}\n"
    assert _asked(network, "/auth/logout") == 1


def test_the_client_is_short_enough_to_copy() -> None:
    assert len(Path(SOURCE).read_text("utf-8").splitlines()) < 100
