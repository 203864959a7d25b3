"""The locks: whatever a locked package asks of another, extras included, the lock pins."""

from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def locked(lock: str) -> dict[str, Requirement]:
    """What a lock pins for the machine and the Python that run this, by name."""
    lines = (ROOT / lock).read_text("utf-8").splitlines()
    pins = (Requirement(line.removesuffix("\\")) for line in lines if line[:1].isalnum())
    return {
        canonicalize_name(pin.name): pin
        for pin in pins
        if pin.marker is None or pin.marker.evaluate()
    }


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_an_extra_that_a_package_asks_for_is_pinned_with_it(lock: str) -> None:
    # pip takes the newest release for an extra that is pinned nowhere, and then refuses it for
    # having no hash: the installation breaks on the day of that release.
    pins = locked(lock)
    asked = [
        wanted
        for pin in pins.values()
        for wanted in map(Requirement, requires(pin.name) or [])
        if wanted.extras
        and (
            wanted.marker is None
            or any(wanted.marker.evaluate({"extra": extra}) for extra in pin.extras or {""})
        )
    ]
    assert [
        str(wanted)
        for wanted in asked
        if not wanted.extras <= pins[canonicalize_name(wanted.name)].extras
    ] == []
    assert lock == "requirements.txt" or asked
