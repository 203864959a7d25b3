import logging
from collections.abc import Iterator

import pytest

from chalicelib import container as composition
from chalicelib import settings
from chalicelib.container import Container, use
from chalicelib.keys.parameters import Parameter
from chalicelib.settings import Settings
from tests import aws
from tests.api.client import Client
from tests.api.lines import Lines
from tests.aws import STAGE, Cloud, Wire
from tests.fakes import FakeClock


@pytest.fixture(scope="package")
def stage() -> Settings:
    return settings.load({"ACCOUNTS_STAGE": STAGE, "ACCOUNTS_BCRYPT_COST": "4"})


@pytest.fixture(scope="package")
def _aws(key_parameters: tuple[Parameter, Parameter]) -> Iterator[Cloud]:
    with aws.started(key_parameters) as cloud:
        yield cloud


@pytest.fixture(scope="package")
def _clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="package")
def _container(_aws: Cloud, stage: Settings, _clock: FakeClock) -> Container:
    """One for all tests: a client costs more than a test does."""
    return Container(stage, _clock)


@pytest.fixture
def clock(_clock: FakeClock) -> FakeClock:
    """The service's clock, back at its start."""
    _clock.reset()
    return _clock


@pytest.fixture
def wire() -> Iterator[Wire]:
    aws.wire.reset()
    yield aws.wire
    aws.wire.reset()


@pytest.fixture
def cloud(_aws: Cloud, wire: Wire) -> Cloud:
    """AWS, its tables empty and nothing on the wire."""
    wire.reset()
    _aws.clear()
    wire.reset()
    return _aws


@pytest.fixture
def client(
    cloud: Cloud, clock: FakeClock, _container: Container, monkeypatch: pytest.MonkeyPatch
) -> Client:
    """A client of a service that has no users yet, and has read its keys."""
    del clock
    monkeypatch.setattr(composition, "_current", None)
    use(_container)
    _container.keys.signing_key()
    aws.wire.reset()
    return Client(cloud)


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What the service writes to its log during the test."""
    handler = Lines()
    logger = logging.getLogger("chalicelib")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
