"""What is started cold: folders as Lambda has them, each with nothing but what is in its zip."""

import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path

from chalice.deploy.packager import DependencyBuilder, LambdaDeploymentPackager
from chalice.utils import UI, OSUtils
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bench.stages import BenchError
from infra.deployment.packages import RUNTIME, build_package, copy_sources
from infra.local.children import CHECKOUT

INTERPRETER = CHECKOUT / ".venv-bench" / "bin" / "python"
PEERS = Path(__file__).parent / "peers"

_ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def our_package(folder: Path) -> Path:
    """Build what `make deploy` uploads, for this machine, and unpack it.

    Raises:
        DeploymentError: it cannot be built.
    """
    archive = folder / "ours.zip"
    archive.write_bytes(_built())
    return _unpacked(archive, folder / "ours")


@cache
def _built() -> bytes:
    """The package: parts that run one after the other measure the same one."""
    with tempfile.TemporaryDirectory() as folder:
        return build_package(CHECKOUT, _architecture(), Path(folder, "ours.zip")).path.read_bytes()


def package_of_chalice(folder: Path) -> Path:
    """Build the same with Chalice's packager alone, and unpack it."""
    project = folder / "project"
    project.mkdir()
    copy_sources(CHECKOUT, project)
    architecture, osutils = _architecture(), OSUtils()
    builder = DependencyBuilder(osutils, architecture=architecture)
    packager = LambdaDeploymentPackager(osutils, builder, UI(), architecture)
    made = packager.create_deployment_package(str(project), RUNTIME)
    return _unpacked(Path(made), folder / "chalice")


def peer_package(folder: Path, peer: str, *requirements: str) -> Path:
    """Put a peer's own file, and what it requires, into a folder; nothing is compiled.

    Raises:
        BenchError: `.venv-bench` lacks a requirement.
    """
    contents = folder / peer
    contents.mkdir()
    if peer_file := next(PEERS.glob(f"{peer}.py"), None):
        shutil.copyfile(peer_file, contents / peer_file.name)
    for distribution in _closure(requirements):
        _copy(distribution, contents)
    return contents


def compiled(contents: Path) -> Path:
    """Copy a folder, and compile every module in the copy, as our package is compiled."""
    copy = contents.with_name(f"{contents.name}-compiled")
    shutil.copytree(contents, copy)
    command = [str(INTERPRETER), "-I", "-S", "-m", "compileall", "-q"]
    done = subprocess.run(
        [*command, "--invalidation-mode", "unchecked-hash", str(copy)], check=False
    )
    if done.returncode:
        raise BenchError(f"{contents.name} does not compile")
    return copy


def _architecture() -> str:
    try:
        return _ARCHITECTURES[platform.machine()]
    except KeyError:
        raise BenchError(f"Lambda has no {platform.machine()}") from None


def _unpacked(archive: Path, contents: Path) -> Path:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(contents)
    return contents


def _closure(requirements: Iterable[str]) -> Iterator[Distribution]:
    """Find what these need, and what that needs in turn, in `.venv-bench`."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = INTERPRETER.parents[1] / "lib" / version / "site-packages"
    installed = {canonicalize_name(found.name): found for found in distributions(path=[str(site)])}
    wanted = [Requirement(text) for text in requirements]
    seen: set[tuple[str, str]] = set()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        extras = requirement.extras or {""}
        if new := {(name, extra) for extra in extras} - seen:
            if name not in installed:
                raise BenchError(f".venv-bench lacks {name}")
            if name not in {known for known, _ in seen}:
                yield installed[name]
            seen |= new
            for line in installed[name].requires or []:
                needed = Requirement(line)
                if needed.marker is None or any(
                    needed.marker.evaluate({"extra": extra}) for extra in extras
                ):
                    wanted.append(needed)


def _copy(distribution: Distribution, contents: Path) -> None:
    for file in distribution.files or []:
        # Commands lie outside; what is compiled was compiled for another folder.
        if ".." in file.parts or file.suffix == ".pyc":
            continue
        target = contents / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(file.locate()), target)
