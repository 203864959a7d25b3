"""What became of the mutants, by module: `make mutants` shows it of what mutmut tells.

mutmut results --all true | python -m tests.mutants
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable

_RESULT = re.compile(r"\s*chalicelib\.([\w.]+)\.x[_ǁ]\S*__mutmut_\d+: ([a-z ]+)")
_COLUMNS = ("killed", "timeout", "caught by type check", "survived", "no tests")
_GONE = _COLUMNS[:3]
"""Neither the tests nor `make lint` would have let them through."""
_NOT_RUN = "not checked"


def scores(results: Iterable[str]) -> list[str]:
    """A line for each module that was run, and one for all of them."""
    modules: dict[str, Counter[str]] = {}
    for line in results:
        if result := _RESULT.match(line):
            module, outcome = result.groups()
            modules.setdefault(module, Counter())[outcome] += 1
    told = {module: found for module, found in modules.items() if found.keys() != {_NOT_RUN}}
    lines = [f"{'module':26}{'mutants':>8}{'tests':>8}{'mypy':>8}{'survived':>9}{'score':>8}"]
    lines += [_line(module, told[module]) for module in sorted(told)]
    lines.append(_line("all that was run", sum(told.values(), Counter())))
    if left := len(modules) - len(told):
        lines.append(f"{left} modules were not run")
    return lines


def _line(name: str, found: Counter[str]) -> str:
    run = found.total() - found[_NOT_RUN]
    gone = sum(found[outcome] for outcome in _GONE)
    score = f"{100 * gone / run:.1f} %" if run else ""
    by_tests, by_types = found["killed"] + found["timeout"], found["caught by type check"]
    return f"{name:26}{run:8}{by_tests:8}{by_types:8}{run - gone:9}{score:>8}"


if __name__ == "__main__":
    print(*scores(sys.stdin), sep="\n")  # noqa: T201 - it is a command
