"""docs/security/faults.md, whose table is written from what was tried."""

from collections.abc import Iterable

from tests.faults.matrix import ENDS, ROOT

PAGE = ROOT / "docs" / "security" / "faults.md"
_BEGIN = "<!-- The table is written by `make faults-table`. -->\n"
_HEAD = ("operation", "outcome", "its calls", "cases", "tried", *ENDS)


def rows() -> list[str]:
    """The table's rows, without its heading."""
    _, _, table = PAGE.read_text("utf-8").partition(_BEGIN)
    return [row for row in table.splitlines() if row.startswith("|")][2:]


def write(table: Iterable[str]) -> None:
    """Write the table anew, in the place of what is below the mark."""
    prose, mark, _ = PAGE.read_text("utf-8").partition(_BEGIN)
    assert mark, "the page has no place for the table"
    heading = (f"| {' | '.join(_HEAD)} |", "|" + "---|" * len(_HEAD))
    PAGE.write_text(prose + mark + "\n" + "\n".join((*heading, *table)) + "\n", "utf-8")
