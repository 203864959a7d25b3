import base64
import gzip
import hashlib
import io
import json
import marshal
import platform
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from chalicelib.breaches.common import COMMON_PASSWORDS
from chalicelib.mail.writing import TEMPLATES
from infra.deployment import packages
from infra.deployment.errors import DeploymentError
from infra.deployment.packages import build_package
from infra.deployment.trimming import BOTOCORE_OPERATIONS

HERE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
ELSEWHERE = {"arm64": "x86_64", "x86_64": "arm64"}[HERE]
MACHINES = {"x86_64": 62, "arm64": 183}


def botocore_data(
    *without: str, calls: frozenset[str] = BOTOCORE_OPERATIONS["dynamodb"]
) -> dict[str, bytes]:
    """What botocore knows: of one service that is called, by these operations, and of another."""
    reference = {"shape": "Row", "documentation": "A row."}
    shape = {"type": "structure", "members": {"documentation": reference}, "documentation": "R"}
    row = {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}}
    text = {"type": "string", "documentation": "Letters."}
    operation = {"input": {"shape": "Wish"}, "errors": [{"shape": "Fault"}], "documentation": "O"}
    fault = {"type": "structure", "members": {}, "exception": True}
    names = sorted({*calls, "DeleteTable"} - set(without))
    model = {
        "metadata": {"endpointPrefix": "dynamodb"},
        "documentation": "D",
        "operations": {name: {"name": name, **operation} for name in names},
        "shapes": {"Wish": shape, "Row": row, "Text": text, "Fault": fault, "Other": text},
    }
    pages = {"pagination": {"Query": {"input_token": "from"}, "ListTables": {}}}
    places: dict[str, Any] = {
        "partitions": [{"services": {"dynamodb": {"endpoints": {}}, "ec2": {}}}]
    }
    latest = "botocore/data/dynamodb/2012-08-10"
    files = {
        f"{latest}/service-2.json.gz": gzip.compress(json.dumps(model).encode()),
        f"{latest}/endpoint-rule-set-1.json": b"{}",
        f"{latest}/paginators-1.json": json.dumps(pages).encode(),
        f"{latest}/waiters-2.json": b"{}",
        "botocore/data/dynamodb/2011-12-05/service-2.json": b"{}",
        "botocore/data/endpoints.json": json.dumps(places).encode(),
        "botocore/data/ec2/2016-11-15/service-2.json": b"{}",
    }
    return {name: content for name, content in files.items() if name not in without}


class Checkout:
    """A small service, and an index of its own with the packages that it needs."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "checkout"
        self.index = folder / "index"
        self.index.mkdir()
        (self.path / "chalicelib").mkdir(parents=True)
        (self.path / "chalicelib" / "__init__.py").write_text("import json\n")
        (self.path / "app.py").write_text("import botocore\nimport chalicelib\n")
        self.require(self.wheel("botocore", botocore_data()))

    def wheel(self, name: str, files: dict[str, bytes], tag: str = "py3-none-any") -> Path:
        path = self.index / f"{name}-1.0-{tag}.whl"
        about = f"{name}-1.0.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        kind = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n"
        contents = {
            f"{name}/__init__.py": b"",
            **files,
            f"{about}/METADATA": metadata.encode(),
            f"{about}/WHEEL": kind.encode(),
        }
        with zipfile.ZipFile(path, "w") as archive:
            for file_name, content in contents.items():
                archive.writestr(file_name, content)
            record = "".join(f"{file_name},,\n" for file_name in contents)
            archive.writestr(f"{about}/RECORD", f"{record}{about}/RECORD,,\n")
        return path

    def require(self, *wheels: Path) -> None:
        lines = (
            f"{wheel.name.split('-')[0]}==1.0"
            f" --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
            for wheel in wheels
        )
        (self.path / "requirements.txt").write_text("".join(lines))

    def build(self, architecture: str = HERE) -> zipfile.ZipFile:
        target = self.path / "build" / "package.zip"
        build_package(self.path, architecture, target)
        return zipfile.ZipFile(target)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    checkout = Checkout(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(checkout.index))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return checkout


def library(architecture: str) -> bytes:
    """The beginning of a shared library: as much of it as tells its machine."""
    return (
        b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\0" + MACHINES[architecture].to_bytes(2, "little")
    )


def test_the_package_is_the_same_whenever_and_wherever_it_is_built(checkout: Checkout) -> None:
    target = checkout.path / "build" / "package.zip"
    checkout.build()
    first = target.read_bytes()
    (checkout.path / "app.py").touch()
    (checkout.path / "app.py").chmod(0o600)
    checkout.build()
    assert target.read_bytes() == first


def test_the_package_holds_what_starts_and_nothing_that_lies_beside_it(checkout: Checkout) -> None:
    (checkout.path / ".env").write_text("SECRET=1")
    (checkout.path / "chalicelib" / ".secret").write_text("1")
    (checkout.path / "chalicelib" / "secret.py~").write_text("1")
    (checkout.path / "chalicelib" / "__pycache__").mkdir()
    (checkout.path / "chalicelib" / "__pycache__" / "stale.pyc").write_bytes(b"")
    with checkout.build() as package:
        names = set(package.namelist())
        assert {"app.py", "chalice/app.pyc", "chalicelib/__init__.py"} <= names
        assert not {name for name in names if "secret" in name or ".env" in name or "stale" in name}
        assert any(name.startswith("__pycache__/app.cpython-") for name in names)
        assert {(entry.external_attr >> 16, entry.date_time[0]) for entry in package.filelist} == {
            (0o100644, 1980)
        }


def test_the_most_common_passwords_are_in_the_package(checkout: Checkout) -> None:
    shutil.copytree(COMMON_PASSWORDS.parent, checkout.path / "chalicelib" / "breaches")
    with checkout.build() as package:
        shipped = f"chalicelib/breaches/{COMMON_PASSWORDS.name}"
        assert package.read(shipped) == COMMON_PASSWORDS.read_bytes()
        assert "chalicelib/breaches/NOTICE" in package.namelist()


def test_the_mails_templates_are_in_the_package(checkout: Checkout) -> None:
    shutil.copytree(TEMPLATES, checkout.path / "chalicelib" / "mail" / TEMPLATES.name)
    with checkout.build() as package:
        for path in TEMPLATES.iterdir():
            assert (
                package.read(f"chalicelib/mail/{TEMPLATES.name}/{path.name}") == path.read_bytes()
            )


def test_services_and_operations_that_are_not_called_are_left_out(checkout: Checkout) -> None:
    with checkout.build() as package:
        data = {
            name.removeprefix("botocore/data/"): json.loads(package.read(name))
            for name in package.namelist()
            if name.startswith("botocore/data/")
        }
    latest = "dynamodb/2012-08-10"
    model = data[f"{latest}/service-2.json"]
    assert data.keys() == {
        "endpoints.json",
        f"{latest}/service-2.json",
        f"{latest}/endpoint-rule-set-1.json",
        f"{latest}/paginators-1.json",
    }
    assert model["operations"].keys() == BOTOCORE_OPERATIONS["dynamodb"]
    assert model["shapes"] == {
        "Fault": {"type": "structure", "members": {}, "exception": True},
        "Row": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}},
        "Text": {"type": "string"},
        "Wish": {"type": "structure", "members": {"documentation": {"shape": "Row"}}},
    }
    assert "documentation" not in {*model, *model["operations"]["Query"]}
    assert data[f"{latest}/paginators-1.json"]["pagination"].keys() == {"Query"}
    assert data["endpoints.json"]["partitions"][0]["services"].keys() == {"dynamodb"}


def test_an_operation_that_botocore_does_not_know_is_an_error(checkout: Checkout) -> None:
    checkout.require(checkout.wheel("botocore", botocore_data("Query")))
    with pytest.raises(DeploymentError, match=r"botocore does not describe Query any more"):
        checkout.build()


def test_data_that_botocore_does_not_have_any_more_is_an_error(checkout: Checkout) -> None:
    gone = "botocore/data/dynamodb/2012-08-10/endpoint-rule-set-1.json"
    checkout.require(checkout.wheel("botocore", botocore_data(gone)))
    with pytest.raises(DeploymentError, match=r"no data dynamodb/2012-08-10/endpoint-rule-set-1"):
        checkout.build()


def test_the_libraries_sources_are_left_out_and_ours_are_not(checkout: Checkout) -> None:
    botocore = checkout.index / "botocore-1.0-py3-none-any.whl"
    files = {"six.py": b"x = 1\n", "one/two.pyi": b"", "one/two.py": b"x = 1\n", "one/x.sql": b""}
    checkout.require(botocore, checkout.wheel("one", files))
    with checkout.build() as package:
        names = {name for name in package.namelist() if "chalice" not in name}
        assert {"one/__init__.pyc", "one/two.pyc", "six.pyc", "one/x.sql", "app.py"} <= names
        assert not names & {"one/__init__.py", "one/two.py", "one/two.pyi", "six.py"}
        assert "one-1.0.dist-info/METADATA" in names
        assert "one-1.0.dist-info/RECORD" not in names
        code = marshal.loads(package.read("one/two.pyc")[16:])  # noqa: S302 - written just now
        assert code.co_filename == "/var/task/one/two.py"


@pytest.mark.parametrize(
    ("line", "docstrings"),
    [
        ("x = 1", (None, None)),
        ("assert __name__", ("A library.", "Do it.")),
        ("if __debug__: x = 1", ("A library.", "Do it.")),
        ("x = f.__doc__.upper()", ("A library.", "Do it.")),
    ],
)
def test_a_librarys_docstrings_stay_only_where_it_would_do_something_else_without_them(
    checkout: Checkout, line: str, docstrings: tuple[str | None, str | None]
) -> None:
    botocore = checkout.index / "botocore-1.0-py3-none-any.whl"
    source = f'"""A library."""\ndef f():\n    """Do it."""\n{line}\n'
    checkout.require(botocore, checkout.wheel("one", {"one/two.py": source.encode()}))
    ours = '"""A service."""\nx = 1\n'
    (checkout.path / "chalicelib" / "__init__.py").write_text(ours)
    with checkout.build() as package:
        (written,) = (name for name in package.namelist() if "chalicelib/__pycache__/" in name)
        own = marshal.loads(package.read(written)[16:])  # noqa: S302 - written just now
        code = marshal.loads(package.read("one/two.pyc")[16:])  # noqa: S302 - likewise
    of_module: dict[str, Any] = {"__name__": "one.two"}
    exec(code, of_module)  # noqa: S102 - a few lines of this test's own
    assert (of_module.get("__doc__"), of_module["f"].__doc__) == docstrings
    assert "A service." in own.co_consts


def test_a_stale_package_of_chalices_is_not_taken(checkout: Checkout) -> None:
    stale = checkout.path / ".chalice" / "deployments"
    stale.mkdir(parents=True)
    for name in ("x.zip", "package.zip"):
        (stale / name).write_bytes(base64.b64decode("UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="))
    with checkout.build() as package:
        assert "app.py" in package.namelist()


def test_a_missing_module_is_an_error(checkout: Checkout) -> None:
    (checkout.path / "chalicelib" / "late.py").write_text("def f():\n    import stripe.errors\n")
    with pytest.raises(DeploymentError, match=r"the package lacks stripe: put it into requirement"):
        checkout.build()


def test_a_dependency_without_a_wheel_for_lambda_is_an_error(checkout: Checkout) -> None:
    # Chalice says "Could not install dependencies", and goes on without it.
    botocore = checkout.index / "botocore-1.0-py3-none-any.whl"
    newer = checkout.wheel("newer", {}, f"py3-none-manylinux_2_27_{platform.machine()}")
    checkout.require(botocore, newer)
    with pytest.raises(
        DeploymentError, match=r"could not install dependencies: newer==1\.0 has no"
    ):
        checkout.build()


def test_a_dependency_that_is_not_to_be_had_is_an_error(checkout: Checkout) -> None:
    with (checkout.path / "requirements.txt").open("a") as requirements:
        requirements.write(f"absent==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(DeploymentError) as refusal:
        checkout.build()
    assert str(refusal.value).startswith("the dependencies could not be downloaded: ")
    assert "absent" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_wheel_that_is_not_the_locked_one_is_an_error(checkout: Checkout) -> None:
    checkout.wheel("botocore", {"botocore/__init__.py": b"tampered = True"})
    with pytest.raises(DeploymentError, match=r"the dependencies could not be downloaded"):
        checkout.build()


def test_nothing_of_a_dependency_runs_here(checkout: Checkout, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    source = checkout.index / "odd-1.0.tar.gz"
    files = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n",
        "pyproject.toml": (
            "[build-system]\nrequires = []\nbuild-backend = 'it'\nbackend-path = ['.']\n"
        ),
        "it.py": f"open({str(ran)!r}, 'w').close()\n",
    }
    with tarfile.open(source, "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"odd-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    with (checkout.path / "requirements.txt").open("a") as requirements:
        requirements.write(f"odd==1.0 --hash=sha256:{digest}\n")
    with pytest.raises(DeploymentError, match=r"could not be downloaded: .*odd==1\.0"):
        checkout.build()
    assert not ran.exists()


def test_a_lock_without_hashes_is_an_error(checkout: Checkout) -> None:
    (checkout.path / "requirements.txt").write_text("botocore==1.0\n")
    with pytest.raises(DeploymentError, match=r"the dependencies could not be downloaded"):
        checkout.build()


def test_a_wheel_for_the_other_architecture_that_is_not_the_locked_one_is_an_error(
    checkout: Checkout,
) -> None:
    # Chalice asks for these by name and version alone.
    machine = {"arm64": "aarch64"}.get(ELSEWHERE, ELSEWHERE)
    botocore = checkout.index / "botocore-1.0-py3-none-any.whl"
    here = checkout.wheel("native", {}, f"py3-none-manylinux_2_17_{platform.machine()}")
    checkout.wheel("native", {}, f"py3-none-manylinux_2_17_{machine}")
    checkout.require(botocore, here)
    with pytest.raises(DeploymentError, match=r"could not install dependencies: native==1\.0"):
        checkout.build(ELSEWHERE)


def test_a_library_for_the_other_architecture_is_an_error(checkout: Checkout) -> None:
    botocore = checkout.index / "botocore-1.0-py3-none-any.whl"
    native = checkout.wheel("native", {"native/fast.so": library(ELSEWHERE)})
    checkout.require(botocore, native)
    with pytest.raises(DeploymentError, match=rf"is for {HERE}, and native/fast\.so is not"):
        checkout.build()


def test_a_library_of_a_version_is_looked_at_too(checkout: Checkout) -> None:
    botocore = checkout.index / "botocore-1.0-py3-none-any.whl"
    native = checkout.wheel("native", {"native/libfast.so.1": library(ELSEWHERE)})
    checkout.require(botocore, native)
    with pytest.raises(DeploymentError, match=r"and native/libfast\.so\.1 is not"):
        checkout.build()


def test_a_package_that_lambda_would_not_take_is_an_error(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "LARGEST_ZIP", 100)
    with pytest.raises(DeploymentError, match=r"octets: Lambda takes 100$"):
        checkout.build()


def test_a_package_that_cannot_be_finished_leaves_the_one_before(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = checkout.path / "build" / "package.zip"
    checkout.build()
    before = target.read_bytes()

    def break_off(_contents: Path, unfinished: Path) -> None:
        unfinished.write_bytes(b"half of it")
        raise OSError("no space is left")

    monkeypatch.setattr(packages, "_write_zip", break_off)
    with pytest.raises(OSError, match="no space"):
        checkout.build()
    assert target.read_bytes() == before


def test_a_file_that_does_not_compile_is_an_error(checkout: Checkout) -> None:
    botocore = checkout.index / "botocore-1.0-py3-none-any.whl"
    checkout.require(botocore, checkout.wheel("odd", {"odd/bad.py": b"def :\n"}))
    with pytest.raises(DeploymentError, match=r"the package does not compile"):
        checkout.build()
