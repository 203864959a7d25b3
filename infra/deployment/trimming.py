"""What of the libraries is left out of the package, and why.

Everything that is not named here is shipped: a library's new part may be needed, and whether an old
one was is seen by tests/package, which runs every operation on what is left.
"""

import gzip
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.deployment.errors import DeploymentError

BOTOCORE_OPERATIONS: Mapping[str, frozenset[str]] = {
    "dynamodb": frozenset(
        {
            "BatchGetItem",
            "BatchWriteItem",
            "DeleteItem",
            "GetItem",
            "PutItem",
            "Query",
            "Scan",
            "TransactWriteItems",
            "UpdateItem",
        }
    ),
    "sesv2": frozenset({"SendEmail"}),
    "ssm": frozenset({"DeleteParameter", "GetParameter", "GetParametersByPath", "PutParameter"}),
}
"""What the functions call. botocore knows 400 services more and describes each in full, in JSON
that is read whenever a client is made. tests/api/test_policies.py holds this to what is called."""

_SERVICE = "service-2"
_RULES = "endpoint-rule-set-1"
_PAGINATORS = "paginators-1"

LEFT_OUT = {
    "cffi": "builds bindings; those that are built load _cffi_backend, which stays",
    "pycparser": "reads C for cffi",
    "pycparser-*.dist-info": "goes with it",
    "dateutil/rrule.py": "recurring dates; botocore parses dates and knows UTC",
    "dateutil/zoneinfo": "a copy of the zones' tables, likewise",
    "urllib3/contrib/emscripten": "HTTP in a browser",
    "urllib3/contrib/pyopenssl.py": "needs pyOpenSSL, which is not here",
    "urllib3/contrib/socks.py": "needs PySocks, which is not here",
    "*.data": "commands for a terminal",
    "*.dist-info/RECORD": "a list of files that is no longer true",
    "*.dist-info/sboms": "of the other lists there are",
    "**/*.pyi": "for type checkers",
    "**/py.typed": "likewise",
    "**/*.h": "for C compilers",
    "**/*.pxd": "likewise",
}
"""Patterns below the package's root. Names, versions and licences stay, for whoever asks."""


def trim(contents: Path) -> None:
    """Leave out what no function needs.

    Raises:
        DeploymentError: botocore describes something otherwise than it did.
    """
    for pattern in LEFT_OUT:
        for path in list(contents.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    _trim_botocore(contents / "botocore" / "data")


def _trim_botocore(data: Path) -> None:
    prefixes = set()
    for service in [path for path in data.iterdir() if path.is_dir()]:
        operations = BOTOCORE_OPERATIONS.get(service.name)
        if operations is None:
            shutil.rmtree(service)
            continue
        *older, latest = sorted(service.iterdir())
        for version in older:
            shutil.rmtree(version)
        model = _read(latest / _SERVICE)
        kept = {
            _SERVICE: trim_model(model, operations),
            _RULES: _read(latest / _RULES),
            _PAGINATORS: _only(_read(latest / _PAGINATORS), "pagination", operations),
        }
        prefixes.add(model["metadata"]["endpointPrefix"])
        shutil.rmtree(latest)
        latest.mkdir()
        for name, content in kept.items():
            _write(latest / name, content)
    endpoints = _read(data / "endpoints")
    partitions = [_only(partition, "services", prefixes) for partition in endpoints["partitions"]]
    _write(data / "endpoints", {**endpoints, "partitions": partitions})


def trim_model(model: Mapping[str, Any], operations: Iterable[str]) -> dict[str, Any]:
    """A service's description with these operations alone, and with no word of documentation.

    A client has no method for any other, and says so before anything is sent.

    Raises:
        DeploymentError: an operation is not described.
    """
    kept = {}
    for name in sorted(operations):
        if name not in model["operations"]:
            raise DeploymentError(f"botocore does not describe {name} any more")
        kept[name] = _undocumented(model["operations"][name])
    shapes: dict[str, Any] = {}
    wanted = [name for operation in kept.values() for name in _shapes_of(operation)]
    while wanted:
        name = wanted.pop()
        if name not in shapes:
            shapes[name] = shape = _undocumented(model["shapes"][name])
            if "members" in shape:
                members = shape["members"].items()
                shape["members"] = {member: _undocumented(about) for member, about in members}
            wanted += _shapes_of(shape)
    return {**_undocumented(model), "operations": kept, "shapes": dict(sorted(shapes.items()))}


def _shapes_of(described: Mapping[str, Any]) -> Iterator[str]:
    """The names of the shapes that an operation or a shape refers to."""
    for part in ("input", "output", "member", "key", "value"):
        if part in described:
            yield described[part]["shape"]
    for reference in (*described.get("errors", ()), *described.get("members", {}).values()):
        yield reference["shape"]


def _undocumented(described: Mapping[str, Any]) -> dict[str, Any]:
    return {name: about for name, about in described.items() if name != "documentation"}


def _only(described: Mapping[str, Any], part: str, names: Iterable[str]) -> dict[str, Any]:
    held = {name: about for name, about in described[part].items() if name in names}
    return {**described, part: held}


def _read(path: Path) -> Any:
    """Read JSON as botocore does, from a file that may be compressed.

    Raises:
        DeploymentError: there is none.
    """
    for suffix, opened in ((".json", open), (".json.gz", gzip.open)):
        try:
            with opened(f"{path}{suffix}", "rb") as file:
                return json.load(file)
        except FileNotFoundError:
            continue
    raise DeploymentError(f"botocore has no data {'/'.join(path.parts[-3:])} any more")


def _write(path: Path, content: Any) -> None:
    """Write JSON that is not compressed: the zip is, and reading it is the sooner done."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    path.with_name(f"{path.name}.json").write_text(text, encoding="utf-8")
