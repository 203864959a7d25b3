"""The visit to the deployed API: where decisions are kept for a while, and where one fails."""

import json
from http import HTTPStatus

import pytest
import requests

from infra.deployment import smoke
from infra.deployment.errors import DeploymentError
from infra.deployment.smoke import PublicApi
from infra.deployment.stages import read_stage
from tests.deployment.test_stages import CHECKOUT


class Kept(PublicApi):
    """An API whose gateway goes by an old decision a number of times."""

    def __init__(self, times: int) -> None:
        super().__init__("https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/prod")
        self.times = times
        self.asked = 0

    def call(self, *_request: object, **_options: object) -> requests.Response:
        self.asked += 1
        answer = requests.Response()
        let_in = self.asked <= self.times
        answer.status_code = HTTPStatus.OK if let_in else HTTPStatus.UNAUTHORIZED
        return answer


class Odd(PublicApi):
    """An API that registers, and says so otherwise than it should."""

    def __init__(self, _url: str) -> None:
        super().__init__("https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/prod")

    def call(self, method: str, *_request: object, **_options: object) -> requests.Response:
        answer = requests.Response()
        answer.status_code = HTTPStatus.OK
        health = {"status": "ok", "stage": "prod", "version": "1"}
        body = health if method == "GET" else {"Authorization": "a-token"}
        answer._content = json.dumps(body).encode()  # noqa: SLF001 - what it has received
        return answer


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke, "_PAUSE_SECONDS", 0)


def test_a_revoked_token_is_refused_at_once_where_nothing_is_kept() -> None:
    api = Kept(1)
    assert smoke.ask_revoked(api, "t", 0).status_code == HTTPStatus.OK
    assert api.asked == 1


def test_a_decision_that_is_kept_is_waited_out() -> None:
    api = Kept(3)
    assert smoke.ask_revoked(api, "t", 300).status_code == HTTPStatus.UNAUTHORIZED
    assert api.asked == 4


def test_a_refusal_is_not_waited_for() -> None:
    api = Kept(0)
    assert smoke.ask_revoked(api, "t", 300).status_code == HTTPStatus.UNAUTHORIZED
    assert api.asked == 1


def test_what_a_success_holds_is_not_quoted_and_its_account_is_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    removed: list[object] = []
    monkeypatch.setattr(smoke, "PublicApi", Odd)
    monkeypatch.setattr(smoke, "_clean_up", lambda *visit: removed.append(visit))
    stage = read_stage(CHECKOUT, "prod", {})
    with pytest.raises(DeploymentError, match=r"POST /user: 200 \(a success\), where 201") as fault:
        smoke.smoke_test(stage, "https://shop.example", "1", lambda _: None)
    assert "a-token" not in str(fault.value)
    assert len(removed) == 1
