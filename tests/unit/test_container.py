import pytest

from chalicelib import container as composition
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
