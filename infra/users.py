"""`make users DO="…"`: accounts, looked at and administered, imported and exported."""

import argparse
import contextlib
import io
import json
import os
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO

from chalicelib.domain.changes import Changes
from infra.commands import RefusedError, open_stage, run_command
from infra.progress_bars import ProgressBar

if TYPE_CHECKING:
    from chalicelib.container import Container
    from chalicelib.domain.users import User
    from chalicelib.services.imports import Result

_ROWS_REFUSED = 3
"""How the command ends if an import left rows out."""
_MOST_SHOWN = 20
"""Of rows that were refused. A report has them all."""
_MOST_LISTED = 1_000

_PARSER_NOTE = """\
A user is named by their identifier, their email or their username, in any spelling. What has an @
in it is an email: find --username finds who has such a username, and their identifier names them.

It ends with 0 if all was done, 1 if not, 2 if it was called in a wrong way, 3 if an import refused
rows, and 130 if it was interrupted. docs/users.md has the formats and examples.
"""


@dataclass(frozen=True, slots=True)
class _Call:
    """A command as it was given, and the stage that it is for."""

    options: argparse.Namespace
    container: "Container"

    @property
    def place(self) -> str:
        return f"stage {self.options.stage}" if self.options.stage else "the local stage"

    def confirm(self, harm: str, word: str) -> None:
        """See that whoever runs this means it.

        Raises:
            RefusedError: they do not, or nobody can be asked.
        """
        if self.options.yes:
            return
        if not sys.stdin.isatty():
            raise RefusedError(f"{self.place}: {harm}? Nobody can be asked, so give --yes")
        question = f"{self.place}: {harm}. Type {word} to go on: "
        print(question, end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip() != word:
            raise RefusedError("nothing was done")

    def find(self) -> "User":
        from chalicelib.domain.errors import UserNotFoundError

        try:
            return self.container.operator.find(self.options.user)
        except UserNotFoundError as error:
            raise RefusedError(f"there is no such user on {self.place}") from error

    def tell(self, user: "User", sentence: str) -> None:
        """Say what was done to a user, or show them as they now are to a program."""
        if self.options.json:
            _print_json(_fields_of(user))
        else:
            print(sentence)


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; the status."""
    try:
        options = _parser().parse_args(_split(arguments))
    except SystemExit as end:  # argparse has said why
        return int(end.code or 0)
    status = 0

    def work() -> None:
        nonlocal status
        with open_stage(options.stage) as container:
            status = options.run(_Call(options, container)) or 0

    return run_command(work) or status


def _split(arguments: Sequence[str]) -> list[str]:
    """The Makefile hands over one text and a stage, since make knows no quoting of its own."""
    if arguments[:1] != ["--from-make"]:
        return list(arguments)
    _, text, stage = arguments
    try:
        words = shlex.split(text)
    except ValueError:
        _parser().error("DO ends in the middle: a quotation mark or a backslash too many")
    return [f"--stage={stage}", *(words or ["--help"])]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="users",
        description="Look at accounts, administer them, import and export them.",
        epilog=_PARSER_NOTE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--stage", default="", metavar="NAME", help="a deployed stage; without it, the local one"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    def add(
        name: str, run: Callable[[_Call], int | None], summary: str, *, harm: bool = False
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=summary, description=summary)
        command.add_argument("--json", action="store_true", help="print JSON, for programs")
        if harm:
            command.add_argument("--yes", action="store_true", help="do not ask first")
        command.set_defaults(run=run)
        return command

    listing = add("list", _list, "list the users, newest first")
    listing.add_argument("--limit", type=_limit, default=50, help="how many (50)")
    listing.add_argument("--after", metavar="PLACE", help="go on where the last list ended")
    finding = add(
        "find", _find, "find a user by one name, or by several that all have to be theirs"
    )
    finding.add_argument("--id", help="their identifier")
    finding.add_argument("--email", help="their email")
    finding.add_argument("--username", help="their username")
    for name, run, summary, harm in (
        ("show", _show, "show a user", False),
        ("disable", _disable, "disable an account, and end its sessions", True),
        ("enable", _enable, "enable an account again", False),
        ("promote", _promote, "make a user an admin", True),
        ("demote", _demote, "make a user no longer an admin", True),
        (
            "require-password-change",
            _require_password_change,
            "end every session of a user, and have them choose a new password",
            True,
        ),
        ("end-sessions", _end_sessions, "end every session of a user", True),
        ("delete", _delete, "delete an account: nothing brings it back", True),
    ):
        add(name, run, summary, harm=harm).add_argument(
            "user", metavar="USER", help="an identifier, an email or a username"
        )
    importing = add("import", _import, "import accounts from CSV or JSON lines; again is harmless")
    importing.add_argument("file", metavar="FILE", help="what to read; - is standard input")
    importing.add_argument("--format", choices=("csv", "jsonl"), help="if the name does not say")
    importing.add_argument(
        "--report", metavar="FILE", help="write every row that is refused, and why, as JSON lines"
    )
    importing.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and do nothing"
    )
    exporting = add("export", _export, "export all accounts, as import reads them", harm=True)
    exporting.add_argument("file", metavar="FILE", help="what to write, anew; - is standard output")
    exporting.add_argument("--format", choices=("csv", "jsonl"), help="if the name does not say")
    exporting.add_argument(
        "--with-hashes", action="store_true", help="the password hashes too: keep them well"
    )
    return parser


def _limit(text: str) -> int:
    number = int(text)
    if not 1 <= number <= _MOST_LISTED:
        raise argparse.ArgumentTypeError(f"from 1 to {_MOST_LISTED}")
    return number


# Looking


def _list(call: _Call) -> None:
    page = call.container.operator.page(call.options.limit, call.options.after)
    if call.options.json:
        answer: dict[str, Any] = {"data": [_fields_of(user) for user in page.users]}
        if page.next_position is not None:
            answer["next"] = page.next_position
        _print_json(answer)
        return
    for user in page.users:
        print(_line_of(user))
    if page.next_position is not None:
        print(f"More: --after '{page.next_position}'", file=sys.stderr)


def _find(call: _Call) -> None:
    options = call.options
    names = [name for name in (options.id, options.email, options.username) if name is not None]
    if not names:
        raise RefusedError("find whom? Give --id, --email or --username")
    user = call.container.operator.find_by(options.id, options.email, options.username)
    if user is None:
        raise RefusedError(f"there is no such user on {call.place}")
    _print_user(call, user)


def _show(call: _Call) -> None:
    _print_user(call, call.find())


# Administering


def _disable(call: _Call) -> None:
    user = call.find()
    call.confirm(f"disable {_name_of(user)} and end their sessions", "yes")
    changed = call.container.operator.change(user, Changes(disabled=True))
    call.tell(changed, f"{_name_of(user)} is disabled, and every session of theirs has ended.")


def _enable(call: _Call) -> None:
    user = call.find()
    changed = call.container.operator.change(user, Changes(disabled=False))
    call.tell(changed, f"{_name_of(user)} may log in.")


def _promote(call: _Call) -> None:
    user = call.find()
    if call.options.stage and not (user.admin or user.email_verified):
        call.confirm(f"make {_name_of(user)} an admin, whose address nobody has verified", "yes")
    changed = call.container.operator.change(user, Changes(admin=True))
    call.tell(changed, f"{_name_of(user)} is an admin.")


def _demote(call: _Call) -> None:
    user = call.find()
    call.confirm(f"take the admin's right from {_name_of(user)}", "yes")
    changed = call.container.operator.change(user, Changes(admin=False))
    call.tell(changed, f"{_name_of(user)} is no admin.")


def _require_password_change(call: _Call) -> None:
    user = call.find()
    call.confirm(f"end every session of {_name_of(user)}, and ask for a new password", "yes")
    changed = call.container.operator.change(user, Changes(password_change_required=True))
    call.tell(changed, f"{_name_of(user)} has to choose a new password at the next login.")


def _end_sessions(call: _Call) -> None:
    user = call.find()
    call.confirm(f"end every session of {_name_of(user)}", "yes")
    call.container.operator.end_sessions(user)
    call.tell(user, f"Every session of {_name_of(user)} has ended.")


def _delete(call: _Call) -> None:
    user = call.find()
    call.confirm(f"delete {_name_of(user)} for good", user.email)
    call.container.operator.remove(user)
    call.tell(user, f"{_name_of(user)} is deleted; the email and the username are free.")


# Moving


def _import(call: _Call) -> int:
    from infra.user_files import format_of, read_rows

    options = call.options
    file_format = format_of(options.file, options.format)
    progress = ProgressBar(sys.stderr, "rows")
    counts: Counter[str] = Counter()
    with contextlib.ExitStack() as stack:
        raw, size = _source(options.file, stack)
        file = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
        report = _new_file(options.report, stack) if options.report else None
        rows = read_rows(file, file_format)
        try:
            for result in call.container.imports.run(rows, rehearsal=options.dry_run):
                counts[result.outcome.value] += 1
                if result.errors:
                    _tell_refusal(call, result, counts["refused"], progress, report)
                progress.show(counts.total(), raw.tell() / size if size else None)
        except BaseException:
            progress.clear()
            if counts:
                _sum_up(call, counts)
                print("That is not all. Run it again, and it goes on from there.", file=sys.stderr)
            raise
    progress.clear()
    _sum_up(call, counts)
    return _ROWS_REFUSED if counts["refused"] else 0


def _tell_refusal(
    call: _Call, result: "Result", number: int, progress: ProgressBar, report: TextIO | None
) -> None:
    entry = {"line": result.line, "errors": dict(result.errors)}
    if report:
        print(json.dumps(entry), file=report)
    if call.options.json:
        _print_json(entry)
    elif number <= _MOST_SHOWN:
        progress.clear()
        reasons = "; ".join(f"{name}: {reason}" for name, reason in result.errors.items())
        print(f"line {result.line}: {reasons}", file=sys.stderr)
    elif number == _MOST_SHOWN + 1:
        progress.clear()
        hint = f"{call.options.report} has them" if report else "--report FILE writes them"
        print(f"further refused rows are not shown: {hint}", file=sys.stderr)


def _sum_up(call: _Call, counts: "Counter[str]") -> None:
    imported, present, refused = (counts[name] for name in ("imported", "present", "refused"))
    if call.options.json:
        _print_json({"imported": imported, "present": present, "refused": refused})
        return
    verb = "would be imported" if call.options.dry_run else "imported"
    print(f"{imported:,} {verb}, {present:,} there already, {refused:,} refused.", flush=True)


def _export(call: _Call) -> None:
    from infra.user_files import format_of, write_rows

    options = call.options
    file_format = format_of(options.file, options.format)
    if options.with_hashes:
        call.confirm(
            "Write every user's password hash to a file: whoever reads it can guess", "yes"
        )
    progress = ProgressBar(sys.stderr, "users")
    count = 0
    with contextlib.ExitStack() as stack:
        file = sys.stdout if options.file == "-" else _new_file(options.file, stack)
        try:
            write = write_rows(file, file_format, with_hashes=options.with_hashes)
            for account in call.container.operator.export(with_hashes=options.with_hashes):
                write(account)
                count += 1
                progress.show(count, None)
            file.flush()
        except BaseException:
            if file is not sys.stdout:
                Path(options.file).unlink()  # half of the users would look like all of them
            raise
        finally:
            progress.clear()
    if options.json and options.file != "-":
        _print_json({"exported": count})
    else:
        print(f"{count:,} exported.", file=sys.stderr)


def _source(name: str, stack: contextlib.ExitStack) -> tuple[IO[bytes], int]:
    """What is read, and how many octets it has: 0 if that is not known."""
    if name == "-":
        return sys.stdin.buffer, 0
    try:
        file = stack.enter_context(io.BufferedReader(io.FileIO(name)))
    except OSError as error:
        raise RefusedError(f"{name}: {error.strerror}") from error
    return file, os.fstat(file.fileno()).st_size


def _new_file(name: str, stack: contextlib.ExitStack) -> TextIO:
    """A file that only whoever runs this can read, and that was not there before."""
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise RefusedError(f"{name}: {error.strerror}") from error
    octets = io.BufferedWriter(io.FileIO(descriptor, "w"))
    return stack.enter_context(io.TextIOWrapper(octets, encoding="utf-8", newline=""))


# Showing


def _fields_of(user: "User") -> dict[str, Any]:
    return {
        "public_id": user.public_id,
        "email": user.email,
        "username": user.username,
        "registered_on": f"{user.registered_on:%Y-%m-%dT%H:%M:%SZ}",
        "admin": user.admin,
        "disabled": user.disabled,
        "email_verified": user.email_verified,
        "metadata": dict(user.metadata),
    }


def _print_user(call: _Call, user: "User") -> None:
    # What a list cannot tell: the index does not have it.
    fields = _fields_of(user) | {
        "pending_email": user.pending_email,
        "password_change_required": user.password_change_required,
    }
    if call.options.json:
        _print_json(fields)
        return
    for name, value in fields.items():
        shown = value if isinstance(value, str) else json.dumps(value)
        print(f"{name:24} {shown}")


def _line_of(user: "User") -> str:
    marks = [name for name in ("admin", "disabled") if getattr(user, name)]
    registered = f"{user.registered_on:%Y-%m-%d}"
    return "  ".join((user.public_id, registered, _name_of(user), *marks))


def _name_of(user: "User") -> str:
    return f"{user.username} <{user.email}>"


def _print_json(value: Any) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
