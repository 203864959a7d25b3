"""Hashes that other systems made.

They were made once, outside of this project, by Passlib 1.7.4 (bcrypt, scrypt, one argon2id),
argon2-cffi 25.1 and Django 5.2's hashers, at the least cost that each allows, for `PASSWORD`.
"""

import base64
import hashlib
import re
import string
import subprocess
import sys
import unicodedata

import pytest

from chalicelib.domain.passwords import NO_PASSWORD, Password
from chalicelib.services.foreign_hashes import verifier_of
from chalicelib.services.passwords import PasswordHasher
from tests.samples import FOREIGN_HASHES, FOREIGN_PASSWORD

PASSLIB_BCRYPT = FOREIGN_HASHES["bcrypt 2b"]
# Of 72 times x and more, which bcrypt does not read.
LONG_BCRYPT = "$2b$05$8dHqAs2YVB7OYc0ilXvt5uilP.z96Q3YtI/LYGArr74FYd/F251cm"
EMPTY_BCRYPT = "$2b$05$Q6WcfQNBH2qPFnVg1zS/MOlDkcHG61xFF3tugB37nAcg9fs6qTcg6"
# bcrypt of "abc" and of "abc", a NUL and "def", with a salt of dots.
ABC = "$2b$04$......................ini1L2hXWkegMV822DC6vks..mWmZHK"
ABC_NUL_DEF = "$2b$04$......................yMxku2phakTL3ry2owsTvKAr3PbEghe"

SALT = "c29tZXNhbHRzb21lc2FsdA"
DIGEST = "aWFtYWRpZ2VzdG9mMzJvY3RldHN3aGF0YXNob3J0b24"


@pytest.fixture
def hasher() -> PasswordHasher:
    return PasswordHasher(4)


@pytest.mark.parametrize("password_hash", FOREIGN_HASHES.values(), ids=FOREIGN_HASHES.keys())
def test_a_password_matches_the_hash_another_system_made(
    hasher: PasswordHasher, password_hash: str
) -> None:
    hasher.check(password_hash)
    assert hasher.matches(Password(FOREIGN_PASSWORD), password_hash)
    for other in (FOREIGN_PASSWORD[:-1], FOREIGN_PASSWORD + " ", FOREIGN_PASSWORD.lower(), ""):
        assert not hasher.matches(Password(other), password_hash)


@pytest.mark.parametrize("password_hash", FOREIGN_HASHES.values(), ids=FOREIGN_HASHES.keys())
def test_it_is_outdated_from_the_beginning(hasher: PasswordHasher, password_hash: str) -> None:
    assert hasher.is_outdated(password_hash)
    own = hasher.hash(Password(FOREIGN_PASSWORD))
    hasher.check(own)
    assert not hasher.is_outdated(own)


def test_what_bcrypt_never_read_still_counts_for_nothing(hasher: PasswordHasher) -> None:
    for rest in ("", "and more", "ü" * 400):
        assert hasher.matches(Password("x" * 72 + rest), LONG_BCRYPT)
    assert not hasher.matches(Password("x" * 71), LONG_BCRYPT)
    assert hasher.matches(Password(""), EMPTY_BCRYPT)


def test_a_nul_ends_a_bcrypt_password_or_is_part_of_it_as_it_was_there(
    hasher: PasswordHasher,
) -> None:
    assert hasher.matches(Password("abc"), ABC)
    assert hasher.matches(Password("abc\0def"), ABC)
    assert hasher.matches(Password("abc\0def"), ABC_NUL_DEF)
    assert hasher.matches(Password("abc\0de\0f"), ABC)
    assert not hasher.matches(Password("abc"), ABC_NUL_DEF)
    assert not hasher.matches(Password("ab\0c"), ABC)


@pytest.mark.parametrize("last", "./ABCDEFGHIJKLMN")
def test_what_a_salts_last_bits_are_does_not_matter(hasher: PasswordHasher, last: str) -> None:
    assert hasher.matches(Password("abc"), ABC.replace("." * 22, "." * 21 + last))


def test_a_digest_may_have_another_length_and_is_compared_whole(hasher: PasswordHasher) -> None:
    for length in (8, 20, 64):
        octets = hashlib.pbkdf2_hmac("sha256", FOREIGN_PASSWORD.encode(), b"salt", 1, length)
        for digest in (octets, octets[:-1] + bytes([octets[-1] ^ 1])):
            text = base64.b64encode(digest).decode("ascii")
            matches = hasher.matches(Password(FOREIGN_PASSWORD), f"pbkdf2_sha256$1$salt${text}")
            assert matches is (digest == octets)


def test_a_digests_last_letter_counts_whichever_it_is(hasher: PasswordHasher) -> None:
    octets = hashlib.pbkdf2_hmac("sha256", FOREIGN_PASSWORD.encode(), b"salt", 1, 33)
    text = base64.b64encode(octets).decode("ascii")
    for letter in string.ascii_letters + string.digits + "+/":
        password_hash = f"pbkdf2_sha256$1$salt${text[:-1]}{letter}"
        assert hasher.matches(Password(FOREIGN_PASSWORD), password_hash) is (letter == text[-1])


def test_a_password_is_compared_as_it_was_typed(hasher: PasswordHasher) -> None:
    """Those systems knew of no normal form: what got in there does so here, and nothing else."""
    typed = unicodedata.normalize("NFD", FOREIGN_PASSWORD)
    assert typed != FOREIGN_PASSWORD
    assert not hasher.matches(Password(typed), PASSLIB_BCRYPT)
    assert hasher.matches(Password(typed), hasher.hash(Password(FOREIGN_PASSWORD)))


@pytest.mark.parametrize(
    ("password_hash", "reason"),
    [
        ("$2b$16$" + "." * 53, "more memory or time"),
        ("bcrypt_sha256$$2b$99$" + "." * 53, "more memory or time"),
        ("$2b$03$" + "." * 53, "complete"),
        ("$2x$05$" + "." * 53, "of a kind"),
        ("$2b$05$" + "." * 52, "of a kind"),
        ("$2b$05$" + "." * 53 + "\n", "of a kind"),
        (f"$argon2id$v=19$m=524289,t=1,p=1${SALT}${DIGEST}", "more memory or time"),
        (f"$argon2id$v=19$m=524288,t=5,p=1${SALT}${DIGEST}", "more memory or time"),
        (f"$argon2id$v=19$m=524288,t=1,p=65${SALT}${DIGEST}", "more memory or time"),
        (f"$argon2id$v=19$m=999999999,t=999999999,p=1${SALT}${DIGEST}", "more memory or time"),
        (f"$argon2id$v=19$m=15,t=1,p=2${SALT}${DIGEST}", "complete"),
        (f"$argon2id$v=19$m=64,t=1,p=1${SALT}$AAAAAAAAA", "complete"),
        (f"$argon2id$v=19$m=64,t=1,p=1${SALT}$AAAAAAAA", "complete"),
        (f"$argon2id$v=19$m=64,t=1,p=1$AAAAAAAA${DIGEST}", "complete"),
        (f"$argon2id$v=19$m=64,t=1,p=1${SALT}${'A' * 87}", "complete"),
        (f"$argon2id$v=16$m=64,t=1,p=1${SALT}${DIGEST}", "of a kind"),
        (f"$argon2i$v=19$m=64,t=1,p=1${SALT}${DIGEST}", "of a kind"),
        (f"$argon2id$v=19$m=0,t=1,p=1${SALT}${DIGEST}", "of a kind"),
        (f"$scrypt$ln=19,r=8,p=1${SALT}${DIGEST}", "more memory or time"),
        (f"$scrypt$ln=18,r=8,p=5${SALT}${DIGEST}", "more memory or time"),
        (f"$scrypt$ln=1,r=1000000,p=1${SALT}${DIGEST}", "more memory or time"),
        (f"scrypt$2$salt$1$4000000${DIGEST}", "more memory or time"),
        (f"$scrypt$ln=999999999,r=8,p=1${SALT}${DIGEST}", "more memory or time"),
        (f"$scrypt$ln=4,r=8,p=1${SALT}$AAAAAAAA", "complete"),
        (f"scrypt$1023$salt$8$1${DIGEST}", "complete"),
        (f"scrypt$1$salt$8$1${DIGEST}", "complete"),
        (f"scrypt$999999999$salt$8$1${DIGEST}", "more memory or time"),
        (f"scrypt$1024$$8$1${DIGEST}", "of a kind"),
        (f"pbkdf2_sha256$10000001$salt${DIGEST}", "more memory or time"),
        ("pbkdf2_sha256$1$salt$AAAAAAAA", "complete"),
        (f"pbkdf2_sha1$1$salt${DIGEST}", "of a kind"),
        ("$bcrypt-sha256$v=2,t=2b,r=17$" + "." * 22 + "$" + "." * 31, "of a kind"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "of a kind"),
        ("correct horse", "of a kind"),
        ("", "of a kind"),
        (NO_PASSWORD, "of a kind"),
        ("x" * 100_000, "of a kind"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_reason_and_never_matched(
    hasher: PasswordHasher, caplog: pytest.LogCaptureFixture, password_hash: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason) as refusal:
        hasher.check(password_hash)
    assert not password_hash or password_hash not in str(refusal.value)
    assert not hasher.matches(Password(FOREIGN_PASSWORD), password_hash)
    assert not password_hash or password_hash == NO_PASSWORD or password_hash not in caplog.text


def test_a_hash_that_cannot_be_read_is_told_to_the_log_and_takes_nobodys_time(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasher = PasswordHasher(4)
    nobody: list[Password] = []
    monkeypatch.setattr(hasher, "match_nobody", nobody.append)
    assert not hasher.matches(Password("x"), NO_PASSWORD)
    assert caplog.messages == []
    assert not hasher.matches(Password("x"), "spoilt")
    assert caplog.messages == ["a stored password hash cannot be read"]
    assert len(nobody) == 2


@pytest.mark.parametrize(
    "dearest",
    [
        "$2b$15$" + "." * 53,
        f"$argon2id$v=19$m=524288,t=4,p=64${SALT}${DIGEST}",
        f"$scrypt$ln=18,r=8,p=4${SALT}${DIGEST}",
        f"scrypt$1024$salt$2048$4${DIGEST}",
        f"pbkdf2_sha256$10000000$salt${DIGEST}",
    ],
)
def test_the_bounds_themselves_are_within_them(dearest: str) -> None:
    assert callable(verifier_of(dearest))


@pytest.mark.parametrize(
    "cheapest",
    [
        f"$argon2id$v=19$m=16,t=1,p=2${SALT}${DIGEST}",
        f"scrypt$2$salt$1$1${DIGEST}",
        f"pbkdf2_sha256$1$salt${DIGEST}",
    ],
)
def test_the_least_that_an_algorithm_allows_can_be_compared(cheapest: str) -> None:
    assert not verifier_of(cheapest)("x")


def test_who_meets_no_such_hash_does_not_load_what_compares_it() -> None:
    script = """
import sys
from chalicelib.domain.passwords import NO_PASSWORD, Password
from chalicelib.services.passwords import PasswordHasher
hasher = PasswordHasher(4)
hasher.matches(Password("x"), hasher.hash(Password("x")))
hasher.matches(Password("x"), NO_PASSWORD)
hasher.is_outdated("$2b$05$")
print([name for name in sys.modules if "foreign_hashes" in name or "cryptography" in name])
"""
    output = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout
    assert output == "[]\n"


def test_no_hash_of_the_samples_is_one_of_ours() -> None:
    assert not [text for text in FOREIGN_HASHES.values() if re.match(r"\$bcrypt-sha256", text)]
