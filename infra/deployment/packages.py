"""The package: one zip for all functions, the same bytes however often it is built.

Chalice's own packager gathers what goes in. Around it is done what Chalice leaves undone: hashes
are checked for every architecture, a missing wheel is an error, and what a cold start does not
need is left out while what it does need, compiled modules, is put in.
"""

import ast
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalice.constants import MISSING_DEPENDENCIES_TEMPLATE
from chalice.deploy.packager import (
    DependencyBuilder,
    LambdaDeploymentPackager,
    NoSuchPackageError,
    PackageDownloadError,
    PipRunner,
    SubprocessPip,
)
from chalice.utils import OSUtils

from infra.deployment.errors import DeploymentError
from infra.deployment.trimming import trim

RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
"""Chalice deploys to the runtime of the interpreter that runs it."""

LARGEST_ZIP = 50 * 1024 * 1024
"""In octets: what Lambda takes in one call."""

_SOURCES = ("app.py", "chalicelib", "requirements.txt")
_NOT_SHIPPED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "*~")
_MINDS_OPTIMIZATION = re.compile(rb"\b(?:assert|__debug__|__doc__)\b")
"""What a source has, be it in a comment, if it might do something else when compiled by `-OO`."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can tell."""
_MISSING = MISSING_DEPENDENCIES_TEMPLATE.split(":", 1)[0].strip()
_MACHINES = {"x86_64": 62, "arm64": 183}
"""As ELF numbers them (e_machine)."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package that was built and checked."""

    path: Path
    sha256: str
    size: int


def copy_sources(checkout: Path, project: Path) -> None:
    """Copy what Chalice packages, and nothing that lies beside it, into an empty project."""
    for name in _SOURCES:
        source = checkout / name
        if source.is_dir():
            shutil.copytree(source, project / name, ignore=_NOT_SHIPPED)
        else:
            shutil.copyfile(source, project / name)


def build_package(checkout: Path, architecture: str, target: Path) -> Package:
    """Build the package of a checkout for an architecture, and put it at `target`.

    It is built in a folder of its own, so nothing stale can be reused and nothing that is not
    shipped can get in.

    Raises:
        DeploymentError: a dependency is not to be had, or the package would not start.
    """
    with tempfile.TemporaryDirectory(prefix="accounts-package-") as folder:
        project, contents = Path(folder, "project"), Path(folder, "contents")
        project.mkdir()
        copy_sources(checkout, project)
        with zipfile.ZipFile(_as_chalice_makes_it(project, architecture)) as made:
            made.extractall(contents)
        trim(contents)
        _compile(contents)
        _check(contents, architecture)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Whoever reads the target meanwhile sees the old package or the new one.
        unfinished = target.with_suffix(".unfinished")
        _write_zip(contents, unfinished)
        unfinished.replace(target)
    octets = target.read_bytes()
    if len(octets) > LARGEST_ZIP:
        raise DeploymentError(f"{target} has {len(octets):,} octets: Lambda takes {LARGEST_ZIP:,}")
    return Package(target, hashlib.sha256(octets).hexdigest(), len(octets))


class _Chalice:
    """Chalice's UI: its packager says "Could not install dependencies" there, and goes on."""

    def write(self, text: str) -> None:
        if _MISSING in text:
            _, _, rest = text.partition(":\n")
            missing, _, _ = rest.partition("\nYou will")
            raise DeploymentError(
                f"could not install dependencies: {', '.join(missing.split())} has no wheel for"
                f" {RUNTIME} on Lambda; pin a version that has one in requirements.in"
            )


class _CheckingPip(PipRunner):  # type: ignore[misc] # Chalice's own
    """pip, which downloads wheels with their hashes, for another machine than this one too.

    Chalice has pip check hashes where a lock has some, and asks for a wheel for another machine by
    its name and version alone. What is no wheel, pip would build, if only to learn what it needs:
    that would run here, and is not locked.
    """

    def __init__(self, osutils: Any, requirements: Path) -> None:
        super().__init__(SubprocessPip(osutils), osutils)
        self._requirements = requirements

    def _execute(self, command: str, args: list[str], **options: Any) -> Any:
        if command == "download":
            args = [*args, "--require-hashes", "--only-binary=:all:"]
        return super()._execute(command, args, **options)

    def download_manylinux_wheels(
        self, abi: str, packages: list[str], directory: str, platforms: Iterable[str] = ()
    ) -> None:
        """Download all wheels for Lambda in one go; what has none stays missing."""
        if not packages:
            return
        arguments = ["--no-deps"]
        for platform in platforms:
            arguments += ["--platform", platform]
        for accepted in (abi, "abi3", "none"):
            arguments += ["--abi", accepted]
        arguments += ["--implementation", "cp", "--dest", directory, "-r", str(self._requirements)]
        self._execute("download", arguments)


def _as_chalice_makes_it(project: Path, architecture: str) -> Path:
    osutils = OSUtils()
    pip = _CheckingPip(osutils, project / "requirements.txt")
    packager = LambdaDeploymentPackager(
        osutils, DependencyBuilder(osutils, pip, architecture), _Chalice(), architecture
    )
    try:
        return Path(packager.create_deployment_package(str(project), RUNTIME))
    except (NoSuchPackageError, PackageDownloadError) as error:
        reason = str(error).strip().splitlines() or ["pip said nothing"]
        raise DeploymentError(
            f"the dependencies could not be downloaded: {reason[-1]}"
            " (is there a network, and is requirements.txt as `make lock` wrote it?)"
        ) from error


def cached_package(project: Path, architecture: str) -> Path:
    """Where `chalice deploy` looks for a package that was made before."""
    packager = LambdaDeploymentPackager(OSUtils(), None, _Chalice(), architecture)
    return Path(packager.deployment_package_filename(str(project), RUNTIME))


def _check(contents: Path, architecture: str) -> None:
    """See that every import is answered, and that every library is for this architecture.

    Raises:
        DeploymentError: a function would not start.
    """
    held = {path.name.split(".", 1)[0] for path in contents.iterdir()} | sys.stdlib_module_names
    own = [contents / "app.py", *sorted((contents / "chalicelib").rglob("*.py"))]
    if missing := {module for path in own for module in _imports(path)} - held:
        raise DeploymentError(
            f"the package lacks {', '.join(sorted(missing))}: put it into requirements.in,"
            " then `make lock`"
        )
    for library in sorted(contents.rglob("*.so*")):
        with library.open("rb") as file:
            header = file.read(20)
        if int.from_bytes(header[18:20], "little") != _MACHINES[architecture]:
            raise DeploymentError(
                f"the package is for {architecture}, and {library.relative_to(contents)} is not"
            )


def _imports(path: Path) -> Iterator[str]:
    """The top-level modules that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _compile(contents: Path) -> None:
    """Compile every module: Lambda's folder is read-only, so each cold start would do it anew.

    The libraries' modules go in the place of their sources, ours beside them. Theirs lose their
    docstrings, unless that would change what they do: the compiler leaves out assertions with them.
    An interpreter of its own, started the same way every time, writes the same bytes; they are
    found valid unchecked, whatever time an unpacked source has.
    """
    ours = [contents / name for name in _SOURCES if (contents / name).exists()]
    theirs = [path for path in sorted(contents.rglob("*.py")) if not _is_within(path, ours)]
    whole = [path for path in theirs if _MINDS_OPTIMIZATION.search(path.read_bytes())]
    _compile_all(contents, ours)
    _compile_all(contents, whole, "-b")
    _compile_all(contents, sorted({*theirs} - {*whole}), "-b", "-o", "2")
    for source in theirs:
        source.unlink()


def _is_within(path: Path, places: Iterable[Path]) -> bool:
    return any(path.is_relative_to(place) for place in places)


def _compile_all(contents: Path, paths: Collection[Path], *options: str) -> None:
    if not paths:  # it would compile the standard library
        return
    command = [sys.executable, "-I", "-S", "-X", "no_debug_ranges", "-m", "compileall"]
    command += ["-q", "-j", "1", "--invalidation-mode", "unchecked-hash", *options]
    # Absolute names would be those of this machine's temporary folder.
    command += ["-s", str(contents), "-p", "/var/task", *map(str, paths)]
    done = subprocess.run(
        command, env={"PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DeploymentError(f"the package does not compile: {' '.join(done.stdout.split())}")


def _write_zip(contents: Path, target: Path) -> None:
    """Zip in one order, at one time, with one set of permissions, whatever they were here."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(path for path in contents.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(contents).as_posix(), _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, so that the permissions are read
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, path.read_bytes())
