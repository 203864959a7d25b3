"""The most common passwords, as a file that is shipped: `common-passwords.bin`.

`python -m infra.common_passwords` makes it; docs/adr/0015-which-passwords-are-refused.md has the
figures that its form was chosen by.

The file is a header and rows. The header is `MAGIC`, the number of rows in four octets, big-endian,
and the rows' SHA-256. A row is the first four octets of the SHA-256 of a password's fold in UTF-8;
rows are in order, and none is there twice.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from chalicelib.domain.names import fold
from chalicelib.domain.passwords import Password

COMMON_PASSWORDS = Path(__file__).with_name("common-passwords.bin")
MAGIC = b"ACCPWD\x00\x01"
ROW_OCTETS = 4
"""Of 22,000 rows and random passwords, one in 200,000 is taken for another: choose again."""

_COUNT_OCTETS = 4
_HEADER_OCTETS = len(MAGIC) + _COUNT_OCTETS + hashlib.sha256().digest_size


class CommonPasswords:
    """The passwords of a file, which is read when the first one is asked about.

    They are compared by the key of names, so that neither capitals nor full-width letters make
    another password of a common one. What is stored of a password is not folded.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __contains__(self, password: Password) -> bool:
        """Tell whether a password is one of them, or (very rarely) seems to be.

        Raises:
            ValueError: the file is not as it was made.
        """
        rows = self._rows
        row = _row(fold(password.text))
        places = range(len(rows) // ROW_OCTETS)
        place = bisect_left(places, row, key=lambda at: _row_at(rows, at))
        return place < len(places) and _row_at(rows, place) == row

    @cached_property
    def _rows(self) -> bytes:
        return read_rows(self._path.read_bytes())


def pack(folds: Iterable[str]) -> bytes:
    """The file of some passwords' folds: the same octets of the same folds, in whatever order."""
    rows = sorted({_row(folded) for folded in folds})
    body = b"".join(rows)
    count = len(rows).to_bytes(_COUNT_OCTETS, "big")
    return MAGIC + count + hashlib.sha256(body).digest() + body


def read_rows(octets: bytes) -> bytes:
    """The rows of a file, if it is whole.

    Raises:
        ValueError: it is not.
    """
    header, rows = octets[:_HEADER_OCTETS], octets[_HEADER_OCTETS:]
    count = (len(rows) // ROW_OCTETS).to_bytes(_COUNT_OCTETS, "big")
    if header != MAGIC + count + hashlib.sha256(rows).digest():
        raise ValueError("not a whole file of common passwords")
    return rows


def _row(folded: str) -> bytes:
    return hashlib.sha256(folded.encode()).digest()[:ROW_OCTETS]


def _row_at(rows: bytes, place: int) -> bytes:
    return rows[place * ROW_OCTETS : (place + 1) * ROW_OCTETS]
