"""How alive what we depend on is: whether there was a release in the year before it was locked.

The day of the lock counts and not the present one, so that a build does not fail of its age:
whoever takes other releases, by `make lock`, looks at how alive they are.
"""

import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from infra.supply_chain.explanations import left_over
from infra.supply_chain.findings import Findings

LONG = timedelta(days=365)

_DIRECT = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_LONGEST_SECONDS = 300
_AT_ONCE = 4


def check_releases(
    uv: Path,
    shipped: Iterable[str],
    inputs: Iterable[Path],
    explained: Mapping[str, str],
    locked: date,
) -> Findings:
    """Look for a year's release of all that is shipped and all that is asked for by name.

    The newest release of each is looked up as of the day of the lock and as of a year before.
    """
    moment = datetime.combine(locked, time.max, UTC)
    names = sorted({*shipped, *(name for path in inputs for name in direct(path))})
    try:
        now = _newest(uv, names, moment)
    except _NoAnswerError as error:
        return Findings("no package", not_checked=(str(error),))
    return judge(now, _newest_then(uv, names, moment - LONG), explained)


def direct(path: Path) -> set[str]:
    """The packages that an input of `make lock` names."""
    found = map(_DIRECT.match, path.read_text("utf-8").splitlines())
    return {match[0].lower() for match in found if match}


def judge(
    now: Mapping[str, str], before: Mapping[str, str], explained: Mapping[str, str]
) -> Findings:
    """Compare the newest version of each package with what it was a year before, if it was."""
    quiet = {name for name, version in now.items() if before.get(name) == version}
    found = (
        f"{name} {now[name]} was its newest release when it was locked, and older than a year: look"
        " for another, or say in explained.toml why it is kept"
        for name in sorted(quiet - explained.keys())
    )
    return Findings(f"{len(now)} packages", (*found, *left_over("quiet", explained, quiet)))


class _NoAnswerError(Exception):
    """The index did not answer. The message is uv's last line."""


def _newest(uv: Path, names: Iterable[str], moment: datetime) -> dict[str, str]:
    """The newest version of each package as of a moment.

    Raises:
        _NoAnswerError: there is none of one of them, or the index does not answer.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".in") as wanted:
        wanted.write("\n".join(names))
        wanted.flush()
        command = [str(uv), "pip", "compile", "--quiet", "--no-deps", "--no-header"]
        command += ["--no-annotate", "--exclude-newer", moment.isoformat(), wanted.name]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_LONGEST_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise _NoAnswerError(f"no answer in {_LONGEST_SECONDS} s") from error
    if done.returncode:
        raise _NoAnswerError((done.stderr.strip().splitlines() or ["uv said nothing"])[-1].strip())
    pins = (line.partition(" ")[0].partition("==") for line in done.stdout.splitlines())
    return {name: version for name, _, version in pins}


def _newest_then(uv: Path, names: Iterable[str], moment: datetime) -> dict[str, str]:
    """The newest version of each package back then, without those that were not there yet."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda name: _newest_if_any(uv, name, moment), names)
    return {name: version for each in found for name, version in each.items()}


def _newest_if_any(uv: Path, name: str, moment: datetime) -> dict[str, str]:
    # The index has just answered for all of them: what fails now was not there then.
    with suppress(_NoAnswerError):
        return _newest(uv, [name], moment)
    return {}
