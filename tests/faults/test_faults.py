"""Whatever fails on the way to AWS, nobody is left with half of anything.

What is tried, and what comes of it, docs/security/faults.md tells. `make faults` tries all of it.
"""

import os
from collections.abc import Iterator

import pytest

from app import app
from infra.openapi import document
from tests.faults import page
from tests.faults.matrix import Matrix
from tests.faults.scenarios import SCENARIOS, Scenario

WHOLE = os.environ.get("FAULTS") == "all"
WRITING = os.environ.get("FAULTS") == "table"


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """The rows of the page, if it is not to be written anew."""
    found: list[str] = [] if WRITING else page.rows()
    yield found
    if WRITING:
        page.write(found)


@pytest.mark.timeout(600)  # some have all of their cases tried
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_no_fault_leaves_anything_half_done(
    matrix: Matrix, table: list[str], scenario: Scenario
) -> None:
    result = matrix.run(scenario, whole=WHOLE)
    assert not result.problems, "\n".join(result.problems)
    if WRITING:
        table.append(result.row)
    elif not WHOLE:
        assert result.row in table, "see `make faults-table`"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_it_ends_in_time_though_every_call_hangs(matrix: Matrix, scenario: Scenario) -> None:
    assert matrix.hang(scenario) == []


def test_every_operation_and_every_other_function_is_tried() -> None:
    operations = {
        f"{method.upper()} {path}"
        for path, methods in document()["paths"].items()
        for method in methods
    }
    others = {source.name for source in app.event_sources}
    assert {scenario.operation for scenario in SCENARIOS} == operations | others
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)


def test_the_page_tells_of_nothing_else() -> None:
    assert WRITING or len(page.rows()) == len(SCENARIOS)
