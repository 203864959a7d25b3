import gc
from collections.abc import Iterator

import pytest

from chalicelib import startup
from chalicelib.telemetry import recording


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    usual = gc.get_threshold()
    yield
    gc.set_threshold(*usual)
    gc.unfreeze()


def test_the_collector_waits_for_the_first_request() -> None:
    startup.end()
    usual = gc.get_threshold()
    startup.begin()
    assert gc.isenabled()
    assert gc.get_threshold()[0] > 100 * usual[0]
    with recording("request"):
        pass
    assert gc.get_threshold() == usual
    assert gc.get_freeze_count() > 0


def test_it_starts_once() -> None:
    startup.begin()
    startup.end()
    gc.unfreeze()
    startup.end()
    assert gc.get_freeze_count() == 0
