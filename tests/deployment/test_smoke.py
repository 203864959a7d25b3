"""The visit to the deployed API, where decisions are kept for a while."""

from http import HTTPStatus

import pytest
import requests

from infra.deployment import smoke
from infra.deployment.smoke import PublicApi


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
