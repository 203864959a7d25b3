"""Files of users, as `make users` reads and writes them: CSV and JSON lines."""

import csv
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, TextIO

from chalicelib.domain.users import Credentials
from chalicelib.services.imports import FIELDS, Row
from infra.commands import RefusedError

FORMATS = ("csv", "jsonl")
_ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_LONGEST_LINE = 65_536
"""In characters: an account takes a tenth of it at most."""
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\0", "'")
"""What a cell begins with that a spreadsheet would compute, and the quote that keeps it from it."""
_NOT_TEXT = "Not UTF-8."
_TWICE = "Names a field twice."
_TOO_LONG = "The line is too long."


class _TwiceError(ValueError):
    """A member is there twice: parsers take the first or the last."""


def format_of(name: str, told: str | None) -> str:
    """The format of a file, as told or by the ending of its name.

    Raises:
        RefusedError: neither says.
    """
    ending = name[name.rfind(".") :].lower() if "." in name else ""
    found = told or _ENDINGS.get(ending)
    if found is None:
        raise RefusedError(f"{name}: is it CSV or JSON lines? Give --format csv or --format jsonl")
    return found


def read_rows(file: TextIO, file_format: str) -> Iterator[Row]:
    """The rows of a file, one at a time; what cannot be read is a row that says why.

    The file is opened as `open_text` does.

    Raises:
        RefusedError: it is CSV and its first line is no header.
    """
    return _read_csv(file) if file_format == "csv" else _read_json_lines(file)


def write_rows(
    file: TextIO, file_format: str, *, with_hashes: bool
) -> Callable[[Credentials], None]:
    """Begin a file; what writes an account to it, in the form that `read_rows` reads."""
    names = FIELDS if with_hashes else FIELDS[:-1]
    if file_format == "jsonl":
        return lambda account: print(
            json.dumps(_fields_of(account, names), ensure_ascii=False), file=file
        )
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    return lambda account: writer.writerow(map(_cell, _fields_of(account, names).values()))


def _fields_of(account: Credentials, names: tuple[str, ...]) -> dict[str, Any]:
    user = account.user
    every = {
        "public_id": user.public_id,
        "email": user.email,
        "username": user.username,
        "registered_on": f"{user.registered_on:%Y-%m-%dT%H:%M:%S.%fZ}",
        "admin": user.admin,
        "disabled": user.disabled,
        "email_verified": user.email_verified,
        "metadata": dict(user.metadata),
        "password_hash": account.password_hash,
    }
    return {name: every[name] for name in names}


def _cell(value: Any) -> str:
    """Text as it is, but for a quote before what a spreadsheet would take for a formula.

    Usernames are chosen by strangers, and the file is opened by whoever administers them.
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _text_of(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULAS) else cell


def _read_json_lines(file: TextIO) -> Iterator[Row]:
    number = 0
    while line := file.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            while line and not line.endswith("\n"):
                line = file.readline(_LONGEST_LINE)
            yield Row(number, fault=_TOO_LONG)
        elif line.strip():
            yield _json_row(number, line)


def _json_row(number: int, line: str) -> Row:
    try:
        line.encode()
        fields = json.loads(line, object_pairs_hook=_unique)
    except UnicodeEncodeError:
        return Row(number, fault=_NOT_TEXT)
    except _TwiceError:
        return Row(number, fault=_TWICE)
    except (ValueError, RecursionError):
        return Row(number, fault="Not JSON.")
    if not isinstance(fields, dict):
        return Row(number, fault="Not a JSON object.")
    return Row(number, fields)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _TwiceError
    return fields


def _read_csv(file: TextIO) -> Iterator[Row]:
    """A quotation mark that is never closed makes one row of all that follows.

    So whatever is wrong with a row, the next one begins on the next line, not where reading broke
    off.
    """
    csv.field_size_limit(_LONGEST_LINE)
    lines = _Lines(file)
    header = _header(csv.reader(lines, strict=True))
    while True:
        number = lines.begin()
        try:
            cells = next(csv.reader(lines, strict=True))
        except StopIteration:
            return
        except _TooLongError:
            lines.go_back()
            yield Row(number, fault=_TOO_LONG)
        except csv.Error:
            lines.go_back()
            yield Row(number, fault="Not CSV: is a quotation mark missing, or one too many?")
        else:
            if cells:
                yield _csv_row(number, header, cells)


class _TooLongError(csv.Error):
    """A line has more than an account can take."""


class _Lines:
    """The lines of a file, those of the present row kept, so that they can be read once more."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._again: deque[str] = deque()
        self._row: list[str] = []
        self._length = 0
        self._number = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._file.readline(_LONGEST_LINE + 1)
        if not line:
            raise StopIteration
        # What is left of a line that is too long is no line of its own.
        rest = line if len(line) > _LONGEST_LINE else ""
        while rest and not rest.endswith(("\n", "\r")):
            rest = self._file.readline(_LONGEST_LINE)
            line = line[: _LONGEST_LINE + 1] + rest[-1:]
        self._number += 1
        self._row.append(line)
        self._length += len(line)
        if self._length > _LONGEST_LINE:
            raise csv.Error if self._row[1:] else _TooLongError
        return line

    def begin(self) -> int:
        """Begin a row with the next line; that one's number."""
        self._row, self._length = [], 0
        return self._number + 1

    def go_back(self) -> None:
        """Read the present row's lines once more, but for its first."""
        again = self._row[1:]
        self._again.extendleft(reversed(again))
        self._number -= len(again)


def _header(reader: Any) -> list[str]:
    try:
        header = [name.strip().lower() for name in next(reader, [])]
    except csv.Error as error:
        raise RefusedError("the first line is no CSV") from error
    # What the columns are called is not repeated: a file without a header begins with a user.
    if "email" not in header:
        raise RefusedError("the first line has to name the columns, and one of them is email")
    for number, name in enumerate(header, 1):
        if name not in FIELDS:
            raise RefusedError(f"column {number} of the first line is none of: {', '.join(FIELDS)}")
    if len(set(header)) < len(header):
        raise RefusedError("the first line names a column twice")
    return header


def _csv_row(number: int, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        return Row(number, fault=f"Has {len(cells)} columns, the first line {len(header)}.")
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return Row(number, fault=_NOT_TEXT)
    fields: Mapping[str, Any] = dict(zip(header, map(_text_of, cells), strict=True))
    return Row(number, fields)
