"""The cost tables are arithmetic on the calls that are counted elsewhere."""

from pathlib import Path

from infra import costs

PAGE = Path(__file__).parents[2] / "docs" / "costs.md"


def test_the_page_has_the_tables_that_the_command_prints() -> None:
    assert costs.tables() in PAGE.read_text("utf-8")


def test_the_page_adds_up_a_million_logins_and_a_million_authorized_requests() -> None:
    sums = {
        operation.name: sum(operation.cost().values()) * costs.MILLION
        for operation in costs.OPERATIONS
    }
    sentence = f"cost {sums['a login']:.2f} + {sums['an authorized request']:.2f} dollars"
    assert sentence in PAGE.read_text("utf-8")
