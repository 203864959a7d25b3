"""The verifiers in Node: `make test-node` installs what they need, and has this run."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from chalicelib.keys.parameters import Parameter
from infra.local.children import CHECKOUT
from tests.examples.issuers import Issuer, another_key, make_certificate, publishing
from tests.samples import claims_of

FOLDER = CHECKOUT / "examples" / "verify" / "node"
DRIVER = Path(__file__).with_name("verify_lines.mjs")
JWKS = "/.well-known/jwks.json"


@pytest.fixture(scope="module", autouse=True)
def node() -> str:
    """Node itself. Without it the tests are skipped, unless ACCOUNTS_REQUIRE_NODE is set."""
    found = shutil.which("node")
    if found is None or not (FOLDER / "node_modules").is_dir():
        reason = "the verifiers in Node are not installed: make test-node"
        if os.environ.get("ACCOUNTS_REQUIRE_NODE"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """aws-jwt-verify fetches keys over HTTPS or not at all."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def issuer(
    key_parameters: tuple[Parameter, Parameter], foreign_pem: str, certificate: Path
) -> Iterator[Issuer]:
    with publishing(key_parameters, foreign_pem, certificate) as issuer:
        yield issuer


class Verifier:
    """A verifier in a process of its own."""

    def __init__(self, questions: IO[str], answers: IO[str]) -> None:
        self._questions = questions
        self._answers = answers

    def verify(self, token: str) -> Any:
        return self._ask({"token": token})

    def step(self, seconds: float) -> None:
        assert self._ask({"step": seconds}) == {}

    def _ask(self, question: dict[str, object]) -> Any:
        self._questions.write(json.dumps(question) + "\n")
        self._questions.flush()
        return json.loads(self._answers.readline())


@pytest.fixture(params=["aws-jwt-verify", "jose"])
def verifier(
    request: pytest.FixtureRequest, node: str, issuer: Issuer, certificate: Path
) -> Iterator[Verifier]:
    with subprocess.Popen(
        [node, str(DRIVER), str(FOLDER / f"{request.param}.mjs")],
        env=os.environ
        | {
            "ACCOUNTS_ISSUER": issuer.url,
            "NODE_EXTRA_CA_CERTS": str(certificate.with_name("authority.pem")),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        yield Verifier(process.stdin, process.stdout)
        process.stdin.close()
        assert process.wait(10) == 0


def test_every_good_token_is_taken(issuer: Issuer, verifier: Verifier) -> None:
    for token in issuer.good_tokens().values():
        assert verifier.verify(token) == {"claims": claims_of(token)}
    assert issuer.fetched == [JWKS]


def test_every_bad_token_is_refused(issuer: Issuer, verifier: Verifier) -> None:
    for name, token in (issuer.bad_tokens() | issuer.mistakable_tokens()).items():
        assert verifier.verify(token).keys() == {"refused"}, name


def test_made_up_keys_do_not_make_it_fetch_without_bound(
    issuer: Issuer, verifier: Verifier
) -> None:
    verifier.verify(issuer.issue())
    unknown = issuer.bad_tokens()["one of an unknown key"]
    for _ in range(20):
        assert verifier.verify(unknown).keys() == {"refused"}
    assert len(issuer.fetched) <= 2


def test_a_new_key_is_found_after_half_a_minute(issuer: Issuer, verifier: Verifier) -> None:
    verifier.verify(issuer.issue())
    issuer.publish(another_key())
    verifier.step(31)
    assert verifier.verify(issuer.issue()).keys() == {"claims"}


def test_a_key_that_was_withdrawn_is_good_for_five_minutes_more(
    issuer: Issuer, verifier: Verifier, key_parameters: tuple[Parameter, Parameter]
) -> None:
    token = issuer.issue()
    verifier.verify(token)
    issuer.publish(another_key())
    issuer.withdraw(key_parameters)
    verifier.step(299)
    assert verifier.verify(token).keys() == {"claims"}
    verifier.step(2)
    assert verifier.verify(token).keys() == {"refused"}
