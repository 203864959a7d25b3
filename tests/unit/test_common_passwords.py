"""The file of the most common passwords, and the command that makes it."""

import gzip
import hashlib
import io
import json
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from chalicelib.breaches.common import (
    COMMON_PASSWORDS,
    MAGIC,
    ROW_OCTETS,
    CommonPasswords,
    pack,
    read_rows,
)
from chalicelib.domain.passwords import SHORTEST_PASSWORD, Password
from chalicelib.services.password_policy import PasswordList
from infra import common_passwords
from infra.commands import RefusedError
from infra.common_passwords import SOURCES, Source, build, folds_of
from tests.fakes import FakePasswordList

ROWS = 21_648
SHA_256 = "919041739b61a0360590ff51de926ecbe1c0b3a873cb3908fd084efe81606e57"
LISTED = ("password123", "iloveyou", "STRASSENBAHN")


@pytest.fixture(params=["fake", "file"])
def listed(request: pytest.FixtureRequest, tmp_path: Path) -> PasswordList:
    if request.param == "fake":
        return FakePasswordList(*LISTED)
    path = tmp_path / "list.bin"
    path.write_bytes(pack(folds_of(LISTED)))
    return CommonPasswords(path)


@pytest.mark.parametrize("text", [*LISTED, "PassWord123", "\uff29loveyou", "Straßenbahn"])
def test_what_is_listed_is_found_in_any_case_and_form(listed: PasswordList, text: str) -> None:
    assert Password(text) in listed


@pytest.mark.parametrize("text", ["", "password", "password1234", " iloveyou", "\U0010ffff" * 8])
def test_what_is_not_listed_is_not_found(listed: PasswordList, text: str) -> None:
    assert Password(text) not in listed


def test_an_empty_list_has_nothing_in_it(tmp_path: Path) -> None:
    path = tmp_path / "list.bin"
    path.write_bytes(pack([]))
    assert Password("password") not in CommonPasswords(path)


def test_every_row_is_found(tmp_path: Path) -> None:
    path = tmp_path / "list.bin"
    path.write_bytes(pack(f"password{number}" for number in range(1_000)))
    known = CommonPasswords(path)
    assert all(Password(f"password{number}") in known for number in range(1_000))


def test_the_file_is_read_once_when_the_first_password_is_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "list.bin"
    known = CommonPasswords(path)
    path.write_bytes(pack(["password"]))
    assert Password("password") in known
    path.unlink()
    assert Password("password") in known


def test_the_shipped_file_is_whole_and_the_one_that_is_described() -> None:
    octets = COMMON_PASSWORDS.read_bytes()
    rows = read_rows(octets)
    assert octets.startswith(MAGIC + ROWS.to_bytes(4, "big") + hashlib.sha256(rows).digest())
    assert len(rows) == ROWS * ROW_OCTETS
    in_order = [rows[at : at + ROW_OCTETS] for at in range(0, len(rows), ROW_OCTETS)]
    assert in_order == sorted(set(in_order))
    assert hashlib.sha256(octets).hexdigest() == SHA_256


@pytest.mark.parametrize(
    "text", ["12345678", "password", "Password1!", "QWERTYUIOP", "1q2w3e4r", "trustno1"]
)
def test_the_shipped_file_knows_what_many_people_have(text: str) -> None:
    assert Password(text) in CommonPasswords(COMMON_PASSWORDS)


def test_the_shipped_file_takes_hardly_any_other_password_for_a_common_one() -> None:
    known = CommonPasswords(COMMON_PASSWORDS)
    dice = random.Random(1)  # noqa: S311 - the same ones each time
    taken = sum(Password(f"{dice.getrandbits(96):024x}") in known for _ in range(20_000))
    assert taken <= 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda octets: octets[:0],
        lambda octets: octets[:-1],
        lambda octets: octets[: -2 * ROW_OCTETS],
        lambda octets: octets + b"\0",
        lambda octets: b"X" + octets[1:],
        lambda octets: octets[:-1] + bytes([octets[-1] ^ 1]),
    ],
)
def test_a_file_that_is_not_whole_is_refused(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ValueError, match="not a whole file of common passwords"):
        read_rows(damage(pack(["password", "iloveyou"])))


def test_the_licences_of_the_lists_are_beside_the_file() -> None:
    notice = COMMON_PASSWORDS.with_name("NOTICE").read_text("utf-8")
    for words in ("Django Software Foundation", "Dan Wheeler", "Django 5.2.19", "4.1.3"):
        assert words in notice


def test_the_same_list_makes_the_same_octets_in_any_order() -> None:
    assert pack(["b", "a", "c", "a"]) == pack({"c", "a", "b"})
    row = bytes.fromhex("ca978112")
    assert pack(["a"]) == MAGIC + b"\0\0\0\1" + hashlib.sha256(row).digest() + row


def test_a_list_keeps_what_may_be_chosen_once_in_each_form() -> None:
    full_width = "\uff49\uff4c\uff4f\uff56\uff45\uff59\uff4f\uff55"
    given = ["Password", "PASSWORD ", "short", "", "Straßenb", full_width]
    assert folds_of(given) == {"password", "strassenb", "iloveyou"}
    assert all(len(folded) >= SHORTEST_PASSWORD for folded in folds_of(given))


def _django(passwords: list[str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        lines = gzip.compress("\n".join(passwords).encode())
        wheel.writestr("django/contrib/auth/common-passwords.txt.gz", lines)
    return buffer.getvalue()


def _zxcvbn(passwords: list[str], kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    content = json.dumps(passwords).encode()
    entry = tarfile.TarInfo("package/src/passwords.json")
    entry.type = kind
    entry.size = len(content) if kind == tarfile.REGTYPE else 0
    with tarfile.open(fileobj=buffer, mode="w:gz") as package:
        package.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Source, ...]:
    """The two packages, with three passwords between them."""
    archives = _django(["iloveyou", "short"]), _zxcvbn(["ILOVEYOU", "password"])
    made = []
    for source, archive in zip(SOURCES, archives, strict=True):
        (tmp_path / source.archive).write_bytes(archive)
        digest = hashlib.sha256(archive).hexdigest()
        made.append(Source(source.archive, digest, source.read))
    return tuple(made)


def test_a_file_is_made_of_both_packages(tmp_path: Path, sources: tuple[Source, ...]) -> None:
    assert build(tmp_path, sources) == pack(["iloveyou", "password"])


def test_another_package_than_the_named_one_is_refused(
    tmp_path: Path, sources: tuple[Source, ...]
) -> None:
    (tmp_path / sources[1].archive).write_bytes(_zxcvbn(["another list"]))
    with pytest.raises(RefusedError, match="is not the one"):
        build(tmp_path, sources)
    (tmp_path / sources[1].archive).unlink()
    with pytest.raises(RefusedError, match="is not in"):
        build(tmp_path, sources)


def test_a_package_without_a_list_is_refused() -> None:
    with pytest.raises(RefusedError, match="is not a file"):
        SOURCES[1].read(_zxcvbn([], tarfile.DIRTYPE))


def test_the_command_writes_the_file_and_says_which(
    tmp_path: Path,
    sources: tuple[Source, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    written = tmp_path / "written.bin"
    monkeypatch.setattr(common_passwords, "COMMON_PASSWORDS", written)
    monkeypatch.setattr(common_passwords, "SOURCES", sources)
    assert common_passwords.main([str(tmp_path)]) == 0
    octets = written.read_bytes()
    assert octets == pack(["iloveyou", "password"])
    digest = hashlib.sha256(octets).hexdigest()
    assert capsys.readouterr().out == f"written.bin: {len(octets)} octets, SHA-256 {digest}\n"


@pytest.mark.parametrize("arguments", [[], ["one", "two"], ["/nowhere"]])
def test_the_command_refuses_in_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert common_passwords.main(arguments) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
