import re
from collections.abc import Callable
from typing import NamedTuple

import bcrypt
import pytest

from chalicelib.domain.passwords import Password
from chalicelib.services.passwords import PasswordHasher
from tests.fakes import salts

# From Passlib's documentation, where the format comes from.
KNOWN_PASSWORD = Password("password")
KNOWN_HASH = "$bcrypt-sha256$v=2,t=2b,r=12$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2"


class Work(NamedTuple):
    cost: str
    octets: int


@pytest.fixture
def hasher() -> PasswordHasher:
    return PasswordHasher(4)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """What bcrypt is asked to do, which it still does."""
    done: list[Work] = []
    hashpw: Callable[[bytes, bytes], bytes] = bcrypt.hashpw

    def counted(password: bytes, salt: bytes) -> bytes:
        done.append(Work(salt.decode()[:7], len(password)))
        return hashpw(password, salt)

    monkeypatch.setattr(bcrypt, "hashpw", counted)
    return done


def test_a_hash_that_passlib_made_is_matched(hasher: PasswordHasher) -> None:
    assert hasher.matches(KNOWN_PASSWORD, KNOWN_HASH)
    assert not hasher.matches(Password("passwore"), KNOWN_HASH)


def test_the_same_salt_makes_the_hash_that_passlib_makes() -> None:
    hasher = PasswordHasher(12, lambda cost: f"$2b${cost}$n79VH.0Q2TMWmt3Oqt9uku".encode())
    assert hasher.hash(KNOWN_PASSWORD) == KNOWN_HASH


def test_a_password_matches_its_hash_and_no_other_does(hasher: PasswordHasher) -> None:
    password_hash = hasher.hash(Password("correct"))
    assert hasher.matches(Password("correct"), password_hash)
    for other in ("Correct", "correct ", "correc", ""):
        assert not hasher.matches(Password(other), password_hash)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a" * 72 + "b", "a" * 72 + "c"),
        ("a" * 127 + "b", "a" * 127 + "c"),
        ("é" * 36 + "b", "é" * 36 + "c"),
        ("before\0after", "before\0later"),
        ("before\0after", "before"),
        ("\0" * 8, "\0" * 9),
    ],
)
def test_every_byte_of_a_password_counts(hasher: PasswordHasher, one: str, other: str) -> None:
    password_hash = hasher.hash(Password(one))
    assert hasher.matches(Password(one), password_hash)
    assert not hasher.matches(Password(other), password_hash)


def test_two_keyboards_password_matches_one_hash(hasher: PasswordHasher) -> None:
    assert hasher.matches(Password("a\u030angstro\u0308m"), hasher.hash(Password("ångström")))


def test_every_hash_has_a_salt_of_its_own(hasher: PasswordHasher) -> None:
    password = Password("the same")
    hashes = {hasher.hash(password) for _ in range(4)}
    assert len(hashes) == 4
    assert all(hasher.matches(password, password_hash) for password_hash in hashes)


def test_salts_come_from_where_they_are_said_to() -> None:
    given = salts()
    hasher = PasswordHasher(4, lambda _cost: next(given))
    assert "$....................1.$" in hasher.hash(Password("x"))


def test_a_hash_holds_nothing_of_the_password(hasher: PasswordHasher) -> None:
    assert re.fullmatch(
        r"\$bcrypt-sha256\$v=2,t=2b,r=4\$[./A-Za-z0-9]{22}\$[./A-Za-z0-9]{31}",
        hasher.hash(Password("correct horse")),
    )


def test_a_higher_cost_makes_older_hashes_outdated_and_still_matches_them() -> None:
    password = Password("x")
    older = PasswordHasher(4).hash(password)
    dearer = PasswordHasher(5)
    assert dearer.matches(password, older)
    assert dearer.is_outdated(older)
    assert not dearer.is_outdated(dearer.hash(password))
    assert not PasswordHasher(4).is_outdated(dearer.hash(password))


@pytest.mark.parametrize("cost", [4, 5])
def test_nobodys_password_costs_what_anybodys_does(cost: int, work: list[Work]) -> None:
    hasher = PasswordHasher(cost)
    password_hash = hasher.hash(Password("x"))
    work.clear()
    hasher.matches(Password("wrong"), password_hash)
    hasher.match_nobody(Password("wrong"))
    known, unknown = work
    assert known == unknown == Work(f"$2b$0{cost}$", 44)


@pytest.mark.parametrize(
    "password_hash",
    [
        "",
        "password",
        "$2b$04$......................................................",
        KNOWN_HASH + "\n",
        KNOWN_HASH[:-1],
        KNOWN_HASH.replace("v=2", "v=1"),
        KNOWN_HASH.replace("t=2b", "t=2a"),
        KNOWN_HASH.replace("$Kq4", "$=q4"),
        KNOWN_HASH.replace("r=12", "r=17"),
        KNOWN_HASH.replace("9uku$", "9ukv$"),
    ],
)
def test_a_hash_of_another_kind_is_never_matched(
    hasher: PasswordHasher, password_hash: str
) -> None:
    assert not hasher.matches(KNOWN_PASSWORD, password_hash)
