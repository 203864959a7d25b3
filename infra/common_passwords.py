"""The file of the most common passwords: `python -m infra.common_passwords FOLDER` makes it anew.

The folder has to hold the two packages whose lists it is made of, as their registries give them:

    pip download --no-deps --dest FOLDER django==5.2.19
    npm pack --pack-destination FOLDER @zxcvbn-ts/language-common@4.1.3

Both lists are licensed for this; see the NOTICE beside the file.
"""

import gzip
import hashlib
import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chalicelib.breaches.common import COMMON_PASSWORDS, pack
from chalicelib.domain.names import fold
from chalicelib.domain.passwords import SHORTEST_PASSWORD
from infra.commands import RefusedError, run_command


@dataclass(frozen=True, slots=True)
class Source:
    """A package with a list in it, known by its hash."""

    archive: str
    sha256: str
    read: Callable[[bytes], Iterable[str]]
    """The passwords in the archive's octets."""


def _of_django(archive: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(archive)) as wheel:
        lines = wheel.read("django/contrib/auth/common-passwords.txt.gz")
    return gzip.decompress(lines).decode().splitlines()


def _of_zxcvbn(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as package:
        file = package.extractfile("package/src/passwords.json")
        if file is None:
            raise RefusedError("package/src/passwords.json is not a file")
        passwords: list[str] = json.load(file)
        return passwords


SOURCES = (
    Source(
        "django-5.2.19-py3-none-any.whl",
        "5965d974a5218a2b68a11dd1276434707f23886525c23f0598eccedaf4f4ca00",
        _of_django,
    ),
    Source(
        "zxcvbn-ts-language-common-4.1.3.tgz",
        "bf3027c16c069d7877e25dc8751bc819e10e479afcc5ee1a323eb2ab73129ca9",
        _of_zxcvbn,
    ),
)


def folds_of(passwords: Iterable[str]) -> set[str]:
    """What the file keeps of a list: what may be chosen at all, in the form it is compared in.

    What is too short to be accepted anyway need not be on such a list, says SP 800-63B-4.
    """
    return {
        folded
        for folded in map(fold, map(str.strip, passwords))
        if len(folded) >= SHORTEST_PASSWORD
    }


def build(folder: Path, sources: Iterable[Source]) -> bytes:
    """The file, from the packages in a folder.

    Raises:
        RefusedError: a package is not there, or is another one.
    """
    folds: set[str] = set()
    for source in sources:
        try:
            archive = (folder / source.archive).read_bytes()
        except OSError as error:
            raise RefusedError(f"{source.archive} is not in {folder}") from error
        if hashlib.sha256(archive).hexdigest() != source.sha256:
            raise RefusedError(f"{source.archive} is not the one that the file is made of")
        folds |= folds_of(source.read(archive))
    return pack(folds)


def main(arguments: Sequence[str]) -> int:
    """Write the file beside the module that reads it; the exit status."""
    return run_command(lambda: print(_write(arguments)))


def _write(arguments: Sequence[str]) -> str:
    if len(arguments) != 1:
        raise RefusedError("where are the packages? python -m infra.common_passwords FOLDER")
    octets = build(Path(arguments[0]), SOURCES)
    COMMON_PASSWORDS.write_bytes(octets)
    digest = hashlib.sha256(octets).hexdigest()
    return f"{COMMON_PASSWORDS.name}: {len(octets):,} octets, SHA-256 {digest}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
