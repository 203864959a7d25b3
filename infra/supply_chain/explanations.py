"""What is accepted although a check finds it, each with the reason: explained.toml."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

EXPLAINED = Path(__file__).with_name("explained.toml")


@dataclass(frozen=True, slots=True)
class Explanations:
    """The reasons, by what they are about."""

    quiet: Mapping[str, str]
    """By package: why one is kept that has had no release for long."""
    licences: Mapping[str, str]
    """By package: the licence, where its metadata do not say it in SPDX's words."""
    vulnerabilities: Mapping[str, str]
    """By identifier: why it does not reach us."""
    secrets: Mapping[str, str]
    """By the SHA-256 of the text: why it is none."""


def load_explanations(path: Path = EXPLAINED) -> Explanations:
    """Read them."""
    with path.open("rb") as file:
        document = tomllib.load(file)
    return Explanations(
        quiet=document["quiet"],
        licences=document["licences"],
        vulnerabilities=document["vulnerabilities"],
        secrets=document["secrets"],
    )


def left_over(kind: str, explained: Mapping[str, str], met: set[str]) -> tuple[str, ...]:
    """A line for each explanation that explains nothing any more."""
    return tuple(
        f"explained.toml: [{kind}] {name} explains nothing any more: take it out"
        for name in sorted(explained.keys() - met)
    )
