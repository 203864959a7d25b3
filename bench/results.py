"""What was measured last, kept for whoever draws it: in `build/bench`, which is not committed."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.stages import BenchError
from bench.tables import Row, Spread
from infra.local.children import CHECKOUT

RESULTS = CHECKOUT / "build" / "bench"

_PYTHON = CHECKOUT / ".venv-bench" / "bin" / "python"
"""Only its environment has what draws."""


def keep(name: str, title: str, rows: Sequence[Row], folder: Path = RESULTS) -> None:
    """Keep a table, its medians and quartiles, under a name."""
    folder.mkdir(parents=True, exist_ok=True)
    spreads = [(row.name, Spread.of(row.figures)) for row in rows]
    kept = {
        "title": title,
        "rows": [
            {"name": name, "median": spread.median, "low": spread.low, "high": spread.high}
            for name, spread in spreads
        ],
    }
    (folder / f"{name}.json").write_text(json.dumps(kept, indent=2), encoding="utf-8")


def draw(folder: Path, results: Path = RESULTS) -> None:
    """Draw what was kept into a folder that is there.

    Raises:
        BenchError: it cannot be drawn.
    """
    command = [str(_PYTHON), "-m", "bench.drawing", str(results), str(folder.resolve())]
    if subprocess.run(command, cwd=CHECKOUT, check=False).returncode:
        raise BenchError("what was measured cannot be drawn")
