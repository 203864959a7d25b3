"""What the package weighs, and that it is the same each time."""

from pathlib import Path

from infra.deployment.packages import Package, build_package
from infra.local.children import CHECKOUT
from tests.package.conftest import HERE

_MOST_OCTETS = 8_000_000


def test_the_package_is_small(package: Package) -> None:
    assert package.size <= _MOST_OCTETS


def test_the_package_is_the_same_when_it_is_built_again(package: Package, tmp_path: Path) -> None:
    again = build_package(CHECKOUT, HERE, tmp_path / "again.zip")
    assert again.sha256 == package.sha256


def test_licences_are_in_the_package(unpacked: Path) -> None:
    about = list(unpacked.glob("*.dist-info"))
    assert about
    for folder in about:
        assert (folder / "METADATA").exists()
        files = [path for path in folder.rglob("*") if path.name.upper().startswith("LICEN")]
        assert files or "License" in (folder / "METADATA").read_text("utf-8"), folder.name
