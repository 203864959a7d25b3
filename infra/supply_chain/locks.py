"""The locks, as `make lock` writes them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

_MADE = re.compile(r"^# +make lock, on (\d{4}-\d\d-\d\d)$", re.MULTILINE)
_PIN = re.compile(r"([A-Za-z0-9._-]+)(?:\[[a-z0-9, _-]+\])?==([^ ;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Pin:
    """A package at the one version that is installed, whatever archive of it that is."""

    name: str
    version: str
    sha256: tuple[str, ...]


def locked_on(path: Path) -> date:
    """The day on which a lock was made, in UTC.

    Raises:
        ValueError: it does not say so.
    """
    made = _MADE.search(path.read_text("utf-8"))
    if made is None:
        raise ValueError(f"{path.name} does not say when it was made")
    return date.fromisoformat(made[1])


def read_lock(path: Path) -> tuple[Pin, ...]:
    """The pins of a lock.

    Raises:
        ValueError: a line pins something without a hash, or is not understood.
    """
    return tuple(_pins(path))


def _pins(path: Path) -> Iterator[Pin]:
    for line in path.read_text("utf-8").replace("\\\n", "").splitlines():
        if not line or line.startswith("#"):
            continue
        pin, hashes = _PIN.match(line), tuple(_HASH.findall(line))
        if pin is None or not hashes:
            raise ValueError(f"{path.name}: {line[:60]} is not a pin with hashes")
        yield Pin(pin[1], pin[2], hashes)
