"""Known vulnerabilities of what is pinned, asked of PyPI's advisory database by pip-audit."""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from infra.supply_chain.explanations import left_over
from infra.supply_chain.findings import Findings

_LONGEST_SECONDS = 300
_MOST_NAMES = 5


def find_vulnerabilities(locks: Iterable[Path], explained: Mapping[str, str]) -> Findings:
    """Ask for every package of every lock. Without an answer, nothing counts as checked."""
    reports, silent = {}, []
    for lock in locks:
        try:
            reports[lock.name] = _ask(lock)
        except _NoAnswerError as error:
            silent.append(f"{lock.name}: {error}")
    return judge(reports, explained, tuple(silent))


def judge(
    reports: Mapping[str, Any], explained: Mapping[str, str], silent: tuple[str, ...] = ()
) -> Findings:
    """Read pip-audit's reports, by the lock that each is about."""
    found, met, skipped, looked_at = [], set(), set(), set()
    for lock, report in reports.items():
        for package in report["dependencies"]:
            if "skip_reason" in package:
                skipped.add(package["name"])
                continue
            looked_at.add(package["name"])
            for vulnerability in package["vulns"]:
                names = {vulnerability["id"], *vulnerability["aliases"]}
                met |= names
                if not names & explained.keys():
                    mended = ", ".join(vulnerability["fix_versions"]) or "no release yet"
                    found.append(
                        f"{lock}: {package['name']} {package['version']} has"
                        f" {vulnerability['id']}, mended in {mended}"
                    )
    not_checked = list(silent)
    if skipped:
        named = sorted(skipped)[:_MOST_NAMES]
        more = f" and {len(skipped) - len(named)} more" if len(skipped) > len(named) else ""
        not_checked.append(
            f"the advisory database that answered does not know {', '.join(named)}{more}"
        )
    # What nobody could be asked about may be explained all the same.
    stale = () if not_checked else left_over("vulnerabilities", explained, met)
    return Findings(f"{len(looked_at)} packages", (*found, *stale), tuple(not_checked))


class _NoAnswerError(Exception):
    """pip-audit has reported nothing. The message is its last line."""


def _ask(lock: Path) -> Any:
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--format", "json"]
    # The lock pins everything: there is nothing to resolve, and nothing is installed.
    command += ["--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_LONGEST_SECONDS, check=False
        )
        return json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise _NoAnswerError(f"no answer in {_LONGEST_SECONDS} s") from error
    except ValueError as error:
        said = done.stderr.strip().splitlines() or ["pip-audit said nothing"]
        raise _NoAnswerError(said[-1]) from error
