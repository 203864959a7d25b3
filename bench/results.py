"""What was measured last, kept for whoever draws it: in `build/bench`, which is not committed."""

import json
from collections.abc import Sequence
from pathlib import Path

from bench.tables import Row, Spread
from infra.local.children import CHECKOUT

RESULTS = CHECKOUT / "build" / "bench"


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
