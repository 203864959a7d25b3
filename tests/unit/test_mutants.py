"""The count of mutants, and what is explained of those that survive."""

import re
from functools import reduce
from importlib import import_module
from pathlib import Path

import pytest

from tests.mutants import scores

PAGE = (Path(__file__).parents[2] / "docs" / "security" / "mutants.md").read_text("utf-8")
_SCORE = re.compile(r"^([a-z][\w.]+) +(\d+) +(\d+) +(\d+) +(\d+) +([\d.]+) %$", re.MULTILINE)
_SURVIVORS = re.compile(r"^\| `([\w.]+)::([\w.]+)` \| (\d+) \| .{10,} \|$", re.MULTILINE)

RESULTS = """\
    chalicelib.services.tokens.x__key_id__mutmut_1: killed
    chalicelib.services.tokens.x__key_id__mutmut_2: survived
    chalicelib.services.tokens.xǁTokenIssuerǁissue__mutmut_1: timeout
    chalicelib.services.tokens.xǁTokenIssuerǁissue__mutmut_2: caught by type check
    chalicelib.domain.names.x_fold__mutmut_1: no tests
    chalicelib.domain.names.x_fold__mutmut_2: not checked
    chalicelib.domain.users.x_is_public_id__mutmut_1: not checked
"""


def test_what_neither_a_test_nor_mypy_noticed_has_survived() -> None:
    _, *lines = scores(RESULTS.splitlines())
    assert [line.split() for line in lines] == [
        ["domain.names", "1", "0", "0", "1", "0.0", "%"],
        ["services.tokens", "4", "2", "1", "1", "75.0", "%"],
        ["all", "that", "was", "run", "5", "2", "1", "2", "60.0", "%"],
        ["1", "modules", "were", "not", "run"],
    ]


def test_the_scores_that_are_told_add_up() -> None:
    rows = _SCORE.findall(PAGE)
    assert rows
    for _, mutants, by_tests, by_types, survived, score in rows:
        gone = int(by_tests) + int(by_types)
        assert gone + int(survived) == int(mutants)
        assert score == f"{100 * gone / int(mutants):.1f}"


def test_every_survivor_is_explained() -> None:
    told = {module: int(survived) for module, *_, survived, _ in _SCORE.findall(PAGE)}
    explained: dict[str, int] = {}
    for module, _, count in _SURVIVORS.findall(PAGE):
        explained[module] = explained.get(module, 0) + int(count)
    assert explained == {module: survived for module, survived in told.items() if survived}


@pytest.mark.parametrize("survivor", _SURVIVORS.findall(PAGE), ids="::".join)
def test_what_is_explained_is_there(survivor: tuple[str, str, str]) -> None:
    module, name, _ = survivor
    assert callable(reduce(getattr, name.split("."), import_module(f"chalicelib.{module}")))
