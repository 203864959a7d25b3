import os
import subprocess
import sys

import pytest

from chalicelib import container as composition
from chalicelib.aws import SharedSession
from chalicelib.container import Container, container, use
from chalicelib.settings import SettingsError, load


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composition, "_current", None)


def test_the_environment_is_read_at_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCOUNTS_STAGE", "test")
    first = container()
    monkeypatch.setenv("ACCOUNTS_STAGE", "dev")
    assert container() is first
    assert first.settings.stage == "test"


def test_a_stage_that_may_not_start_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCOUNTS_STAGE", "prod")
    for _ in range(2):
        with pytest.raises(SettingsError):
            container()


def test_a_process_can_be_wired_anew() -> None:
    replacement = Container(load({"ACCOUNTS_STAGE": "test"}))
    use(replacement)
    assert container() is replacement


def test_clients_are_made_one_after_the_other() -> None:
    wired = Container(load({"ACCOUNTS_STAGE": "test"}))
    assert isinstance(wired._session, SharedSession)  # noqa: SLF001 - whatever is made by it


# Run by an interpreter of its own, since others have imported all of it here.
_WIRE = """
import sys

from chalicelib.container import Container
from chalicelib.settings import load

breach_check, service, *watched = sys.argv[1:]
settings = load({"ACCOUNTS_STAGE": "test", "ACCOUNTS_BREACH_CHECK": breach_check})
getattr(Container(settings), service)
watched = watched or ["breaches", "password_policy"]
print(*sorted(name for name in sys.modules if any(part in name for part in watched)))
"""


@pytest.mark.parametrize("service", ["sessions", "authenticator"])
def test_whoever_chooses_no_password_loads_nothing_to_judge_one(service: str) -> None:
    assert _loaded("range", service) == []


def test_whoever_looks_at_themselves_loads_nothing_to_hash_or_sign_with_and_no_store() -> None:
    unused = ("bcrypt", "cryptography", "jwt", "password_policy", "botocore", "pynamodb")
    assert _loaded("range", "directory", *unused) == []


@pytest.mark.parametrize("service", ["accounts", "credentials"])
def test_a_register_is_loaded_only_if_a_stage_asks_for_one(service: str) -> None:
    policy = ["chalicelib.services.password_policy"]
    listed = ["chalicelib.breaches", "chalicelib.breaches.common"]
    assert _loaded("off", service) == listed + policy
    assert _loaded("range", service) == [*listed, "chalicelib.breaches.ranges", *policy]


@pytest.mark.parametrize(
    "service", ["sessions", "accounts", "credentials", "directory", "authenticator"]
)
def test_whoever_answers_requests_loads_nothing_to_mail_with(service: str) -> None:
    assert _loaded("off", service, "chalicelib.mail", "courier", "services.outbox") == []


def test_whoever_delivers_hashes_no_password_and_signs_no_token() -> None:
    assert _loaded("off", "outbox", "bcrypt", "cryptography", "jwt", "boto3") == []
    assert _loaded("off", "outbox", "courier", "mail.ses") == [
        "chalicelib.mail.ses",
        "chalicelib.services.courier",
    ]


def _loaded(breach_check: str, service: str, *watched: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _WIRE, breach_check, service, *watched],
        env=os.environ | {"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.split()
