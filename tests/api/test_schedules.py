"""The scheduled function, called as Lambda calls it."""

import dataclasses
from collections.abc import Iterator
from datetime import timedelta

import pytest

from app import app
from chalicelib import container as composition
from chalicelib.container import Container, use
from chalicelib.domain.tokens import KeyState, PublicKey
from chalicelib.keys.store import SsmKeyStore
from chalicelib.schedules import ScheduleError, rotate_keys
from chalicelib.services.key_rotation import KEPT, NOTICE
from chalicelib.settings import Settings
from tests.api.lines import Lines
from tests.aws import Cloud, Wire
from tests.fakes import START, FakeClock
from tests.samples import AN_HOUR_PASSED, LambdaContext

DAYS = 90


@pytest.fixture
def keys(cloud: Cloud) -> Iterator[SsmKeyStore]:
    """A key set of a stage that no other test uses, with a key that signs since `START`."""
    del cloud
    store = SsmKeyStore("/accounts/scheduled")
    store.add(KeyState.SIGNING, START)
    yield store
    for key in store.public_keys():
        store.delete(key.key_id)


@pytest.fixture
def _on(stage: Settings, clock: FakeClock, keys: SsmKeyStore, wire: Wire) -> None:
    _start(dataclasses.replace(stage, stage="scheduled", key_rotation_days=DAYS), clock)
    del keys
    wire.reset()


@pytest.fixture
def _off(stage: Settings, clock: FakeClock, keys: SsmKeyStore, wire: Wire) -> None:
    _start(dataclasses.replace(stage, stage="scheduled"), clock)
    del keys
    wire.reset()


@pytest.fixture(autouse=True)
def _own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composition, "_current", None)


def _start(settings: Settings, clock: FakeClock) -> None:
    use(Container(settings, clock))


def _run() -> None:
    rotate_keys(AN_HOUR_PASSED, LambdaContext())


def _signing(keys: SsmKeyStore) -> PublicKey:
    told = [key for key in keys.public_keys() if key.signing_since is not None]
    return max(told, key=lambda key: key.signing_since or START)


@pytest.mark.usefixtures("_off")
def test_it_does_nothing_at_all_unless_a_setting_says_so(
    wire: Wire, lines: Lines, clock: FakeClock
) -> None:
    clock.step(days=4_000)
    _run()
    assert wire.calls == []
    (line,) = lines.of("key_rotation")
    assert (line["stage"], line["outcome"], line["action"]) == ("scheduled", "ok", "off")
    assert "Failures" not in line


@pytest.mark.usefixtures("_on")
def test_it_rotates_from_end_to_end_and_tells_of_each_run(
    keys: SsmKeyStore, lines: Lines, clock: FakeClock
) -> None:
    first = _signing(keys).key_id
    told = []
    for _ in range(DAYS * 24 + 60):
        _run()
        clock.step(minutes=60)
    second = _signing(keys).key_id
    assert first != second
    assert [key.key_id for key in keys.public_keys()] == [second]
    assert all(line["outcome"] == "ok" for line in lines.of("key_rotation"))
    told = [
        (line["action"], line.get("key"))
        for line in lines.of("key_rotation")
        if line["action"] != "wait"
    ]
    assert told == [("publish", second), ("sign", second), ("retire", first)]
    assert lines.of("key_rotation")[0]["next"] == "publish"
    assert lines.of("key_rotation")[0]["not_before"] == (START + timedelta(days=DAYS)).isoformat()
    assert "PRIVATE" not in lines.text


@pytest.mark.usefixtures("_on")
def test_it_takes_the_due_steps_of_a_rotation_that_was_begun_by_hand(
    keys: SsmKeyStore, clock: FakeClock
) -> None:
    published = keys.add(KeyState.PUBLISHED, START)
    _run()
    assert _signing(keys).key_id != published.key_id
    clock.now = START + NOTICE
    _run()
    assert _signing(keys).key_id == published.key_id
    clock.now += KEPT
    _run()
    assert [key.key_id for key in keys.public_keys()] == [published.key_id]


@pytest.mark.usefixtures("_on")
@pytest.mark.parametrize("operation", ["ssm.GetParametersByPath", "ssm.PutParameter"])
def test_a_run_that_fails_says_so_and_nothing_that_was_sent(
    keys: SsmKeyStore, wire: Wire, lines: Lines, clock: FakeClock, operation: str
) -> None:
    clock.step(days=DAYS)
    wire.refuse(operation, "AccessDeniedException")
    with pytest.raises(ScheduleError) as failure:
        _run()
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__
    (line,) = lines.of("key_rotation")
    assert (line["outcome"], line["Failures"]) == ("unavailable", 1)
    assert "quote" not in lines.text + str(failure.value)
    assert "PRIVATE" not in lines.text
    wire.reset()
    _run()
    assert len(keys.public_keys()) == 2


def test_a_run_without_settings_fails_by_its_kind_alone(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCOUNTS_STAGE", "s3cret!")
    with pytest.raises(ScheduleError):
        _run()
    (line,) = lines.of("key_rotation")
    assert (line["stage"], line["outcome"]) == ("unknown", "internal_error")
    assert "no rotation: SettingsError" in lines.text
    assert "s3cret" not in lines.text


def test_every_scheduled_function_is_known_to_the_deployment() -> None:
    (source,) = (source for source in app.event_sources if source.name == "rotate_keys")
    assert source.handler_string == "chalicelib.schedules.rotate_keys"
    assert source.schedule_expression.to_string() == "rate(1 hour)"
