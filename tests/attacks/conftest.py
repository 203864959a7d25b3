"""The whole API on moto, as `tests/api` has it."""

from tests.api.conftest import (
    _aws,
    _clock,
    _container,
    client,
    clock,
    cloud,
    lines,
    stage,
    wire,
)

__all__ = ["_aws", "_clock", "_container", "client", "clock", "cloud", "lines", "stage", "wire"]
