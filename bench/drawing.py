"""Draws what was measured last: `python -m bench.drawing RESULTS FOLDER`, in `.venv-bench`.

Nothing has a background, and what is not coloured is a grey that reads on white and on black.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

_GREY = "#7d8590"
_BLUE, _ORANGE = "#2f81f7", "#db6d28"
_STYLE = {
    "font.size": 11,
    "font.family": "sans-serif",
    "axes.edgecolor": _GREY,
    "axes.labelcolor": _GREY,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": _GREY,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.labelcolor": _GREY,
    "text.color": _GREY,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    # The same picture has the same bytes, and text is text.
    "svg.fonttype": "none",
    "svg.hashsalt": "accounts",
}
_TARGET = 1.1
_USERS = (100, 1_000, 10_000, 100_000)

Kept = Mapping[str, Any]


def draw_growth(axes: Axes, first: Kept, later: Kept) -> None:
    """The cost of a page against the number of users: ratios, so 1 is that of 100 users."""
    for kept, label, colour, marker in (
        (first, "first page, of 50", _BLUE, "o"),
        (later, "later page, of 20", _ORANGE, "s"),
    ):
        rows = kept["rows"]
        reference = rows[0]["median"]
        ratios = [row["median"] / reference for row in rows]
        axes.plot(_USERS, ratios, marker=marker, color=colour, label=label, linewidth=2)
    axes.axhline(_TARGET, color=_GREY, linestyle="--", linewidth=1)
    axes.annotate(
        "target", (_USERS[0], _TARGET), xytext=(0, 4), textcoords="offset points", fontsize=10
    )
    axes.set_xscale("log")
    axes.set_xticks(_USERS, [f"{users:,}" for users in _USERS])
    axes.minorticks_off()
    axes.set_ylim(0, 1.35)
    axes.set_xlabel("users in the table")
    axes.set_ylabel("CPU, against 100 users")
    axes.set_title("A page of users costs the same, however many there are", fontsize=12)
    axes.grid(axis="y")
    axes.legend(loc="lower right")


def draw_bars(axes: Axes, kept: Kept) -> None:
    """A bar for each row, as multiples of the first, and its quartiles."""
    rows = kept["rows"]
    reference = rows[0]["median"]
    names = [row["name"] for row in rows]
    widths = [row["median"] / reference for row in rows]
    spread = [
        [(row["median"] - row["low"]) / reference for row in rows],
        [(row["high"] - row["median"]) / reference for row in rows],
    ]
    colours = [_BLUE if _is_ours(name) else _GREY for name in names]
    bars = axes.barh(names, widths, xerr=spread, color=colours, ecolor=_GREY, height=0.6)
    axes.bar_label(bars, [f"{width:.1f} times" for width in widths], padding=6, color=_GREY)
    axes.invert_yaxis()
    axes.set_xlim(0, max(widths) * 1.4)
    axes.set_xlabel(f"against {names[0]}")
    axes.set_title(kept["title"], fontsize=12, loc="left")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_axisbelow(True)


def _is_ours(name: str) -> bool:
    """Tell whether a row is of our functions as they are deployed."""
    return name.startswith(("authorizer", "API")) and "Chalice" not in name


def main(results: str, folder: str) -> None:
    """Draw what there are results of."""
    kept = {path.stem: json.loads(path.read_bytes()) for path in Path(results).glob("*.json")}
    plt.rcParams.update(_STYLE)
    if {"growth-first", "growth-later"} <= kept.keys():
        first, later = kept["growth-first"], kept["growth-later"]
        _save(Path(folder, "growth.svg"), 3.4, lambda axes: draw_growth(axes, first, later))
    if (cold := kept.get("cold")) is not None:
        height = 1.2 + 0.45 * len(cold["rows"])
        _save(Path(folder, "cold.svg"), height, lambda axes: draw_bars(axes, cold))


def _save(path: Path, height: float, draw: Callable[[Axes], None]) -> None:
    figure, axes = plt.subplots(figsize=(7.2, height), layout="constrained")
    draw(axes)
    figure.savefig(path, transparent=True, metadata={"Date": None})
    plt.close(figure)
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
