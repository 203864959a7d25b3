"""Clean checkouts to deploy from: what the working tree holds, and nothing that was built in it."""

import shutil
from pathlib import Path

from infra.local.children import CHECKOUT

_ENVIRONMENTS = (".venv", ".venv-cloud")
_BUILT = shutil.ignore_patterns(
    *_ENVIRONMENTS,
    ".git",
    ".local",
    "build",
    "deployed",
    "deployments",
    "node_modules",
    "__pycache__",
    ".*_cache",
)


def copy_checkout(target: Path) -> Path:
    """Copy the working tree to a folder that is not there yet, and share its environments."""
    shutil.copytree(CHECKOUT, target, ignore=_BUILT)
    for name in _ENVIRONMENTS:
        (target / name).symlink_to(CHECKOUT / name)
    return target
