"""The licences of what is shipped: whoever runs the service passes the package on to AWS."""

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageMetadata, metadata

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from infra.supply_chain.explanations import left_over
from infra.supply_chain.findings import Findings
from infra.supply_chain.locks import Pin

ALLOWED = frozenset({"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0"})
"""Each lets anybody use and pass on what is under it, and asks for its notice alone."""

_PART = re.compile(r"[()]|[^\s()]+")


def check_licences(pins: Iterable[Pin], explained: Mapping[str, str]) -> Findings:
    """See that every package that is shipped is under such a licence."""
    found, names = [], []
    for pin in pins:
        names.append(pin.name)
        licence = licence_of(metadata(pin.name), explained)
        if licence is None:
            found.append(f"{pin.name} does not say its licence in SPDX's words")
        elif not is_allowed(licence):
            found.append(f"{pin.name} is under {licence}, which nobody has allowed")
    found += left_over("licences", explained, set(names))
    return Findings(f"{len(names)} packages that are shipped", tuple(found))


def licence_of(about: PackageMetadata, explained: Mapping[str, str]) -> str | None:
    """The SPDX expression of a package's licence, explained or said by itself; None if neither."""
    name = about["Name"]
    if name in explained:
        return explained[name]
    for field in ("License-Expression", "License"):
        try:
            return str(canonicalize_license_expression(about[field] or ""))
        except InvalidLicenseExpression:
            continue
    return None


def is_allowed(expression: str) -> bool:
    """Tell whether one side of every choice is allowed; what is joined by AND, on each side."""
    parts = _PART.findall(expression)
    return bool(parts) and _any_of(iter(parts))


def _any_of(parts: Iterator[str]) -> bool:
    """Read up to the end, or to the bracket that closes. AND binds closer than OR."""
    allowed = [True]
    for part in parts:
        match part:
            case ")":
                break
            case "OR":
                allowed.append(True)
            case "(":
                allowed[-1] &= _any_of(parts)
            case _ if part != "AND":
                allowed[-1] &= part in ALLOWED
    return any(allowed)
