"""Modules of libraries that are imported for something that is never done here.

What is named here is found as ever, and is loaded when something in it is first asked for, if
ever: `importlib.util.LazyLoader`. That is possible with a module that is imported whole and whose
names are not looked at meanwhile.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

POSTPONED = frozenset({"botocore.waiter", "configparser", "cryptography.x509", "zipfile"})
"""Waiting for AWS, its configuration files, and PyJWT's keys in certificates: a tenth of the
authorizer's start. The last is what reads a library's version out of a zip."""


class _Postponing(MetaPathFinder):
    """Finds what is named above; what it is asked for besides, others find."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in POSTPONED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def postpone() -> None:
    """Have these loaded when they are used, if they were not loaded yet."""
    sys.meta_path.insert(0, _Postponing())
