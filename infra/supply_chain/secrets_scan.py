"""Secrets in the repository: in every line that was ever added, on every branch.

What was committed once can be read for ever, so the history is looked at and not the files.
"""

import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.scan import scan_diff
from detect_secrets.settings import transient_settings

from infra.supply_chain.explanations import left_over
from infra.supply_chain.findings import Findings

# It takes each `password = "…"` for one. There are hundreds here, in tests and in examples.
_NOT_USED = "KeywordDetector"
# Left out of the filters: whoever adds a secret does not say whether it is looked for, and files
# that are gone are still in the history.
_NO_FILTERS = (
    "detect_secrets.filters.allowlist.is_line_allowlisted",
    "detect_secrets.filters.common.is_invalid_file",
    "detect_secrets.filters.heuristic.is_lock_file",
    "detect_secrets.filters.heuristic.is_swagger_file",
)
_ENTROPY = frozenset({"Base64 High Entropy String", "Hex High Entropy String"})
# Locks are hashes, and tests are full of made-up tokens. What has a form of its own, such as an
# AWS key or a private key, is looked for there as well.
_LOCKS = ("requirements", "examples/verify/node/package-lock.json")
_TESTS = "tests/"


def scan_history(repository: Path, explained: Mapping[str, str]) -> Findings:
    """Look through all commits that there are."""
    commits = _git(repository, "rev-list", "--all", "--count").strip()
    # A merge is shown as well: how a conflict was resolved is in neither of its parents.
    shown = ("--patch", "--diff-merges=first-parent", "--format=", "--unified=0", "--text")
    changes = _git(repository, "log", "--all", *shown)
    found, met = set(), set()
    kinds = get_mapping_from_secret_type_to_class().values()
    detectors = [{"name": kind.__name__} for kind in kinds if kind.__name__ != _NOT_USED]
    with transient_settings({"plugins_used": detectors}) as settings:
        settings.disable_filters(*_NO_FILTERS)
        for secret in scan_diff(changes):
            digest = hashlib.sha256((secret.secret_value or "").encode()).hexdigest()
            met.add(digest)
            if digest not in explained and not _is_expected(secret.filename, secret.type):
                # The text itself is told to nobody.
                found.add(f"{secret.filename}: {secret.type}, of SHA-256 {digest}")
    shallow = _git(repository, "rev-parse", "--is-shallow-repository").strip() == "true"
    not_checked = ("the clone is shallow: older commits are not here",) if shallow else ()
    stale = () if shallow else left_over("secrets", explained, met)
    return Findings(f"{commits} commits", (*sorted(found), *stale), not_checked)


def _is_expected(filename: str, kind: str) -> bool:
    return kind in _ENTROPY and filename.startswith((*_LOCKS, _TESTS))


def _git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, capture_output=True, check=True).stdout.decode(errors="replace")
