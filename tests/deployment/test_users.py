"""`make users`: accounts of a stage at a command line."""

import csv
import io
import json
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.container import Container
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.users import Credentials
from chalicelib.services.imports import ImportService, Result
from infra import users
from infra.commands import open_stage
from infra.progress_bars import ProgressBar
from infra.stacks import deploy_data_stack
from infra.user_files import read_rows, write_rows
from tests.samples import FOREIGN_HASHES, a_user

HASH = FOREIGN_HASHES["argon2id"]
ADA, BOB, ZOE = "ada@example.com", "bob@example.com", "zoë@example.com"
IDS = {name: f"0000000{number}-0000-4000-8000-000000000000" for number, name in enumerate("abz")}

Run = Callable[..., int]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with mock_aws():
        make_tables("staging")
        yield


@pytest.fixture(autouse=True)
def _opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that one command after the other is for is opened once: it takes its time."""
    opened: dict[str, Container] = {}

    @contextmanager
    def open_once(name: str) -> Iterator[Container]:
        if name not in opened:
            opened.clear()  # the tables of a process are those of one stage
            with open_stage(name) as container:
                opened[name] = container
        yield opened[name]

    monkeypatch.setattr(users, "open_stage", open_once)


@pytest.fixture
def run() -> Run:
    def run_on_staging(*words: str) -> int:
        return users.main(["--stage", "staging", *words])

    return run_on_staging


@pytest.fixture
def three(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ada, who is an admin, Bob, and Zoë, who came last."""
    rows: list[dict[str, object]] = [
        {"email": ADA, "username": "Ada", "admin": True, "registered_on": "2020-01-01T00:00:00Z"},
        {"email": BOB, "username": "Bob", "registered_on": "2021-01-01T00:00:00Z"},
        {
            "email": ZOE,
            "username": "Zoë",
            "registered_on": "2022-01-01T00:00:00.123456Z",
            "metadata": {"note": 'a "quoted", thing\nof two lines'},
            "email_verified": True,
            "password_hash": HASH,
        },
    ]
    for row in rows:
        row["public_id"] = IDS[str(row["email"])[0]]
    file = write(tmp_path / "three.jsonl", "\n".join(map(json.dumps, rows)))
    assert run("import", file) == 0
    assert capsys.readouterr().out == "3 imported, 0 there already, 0 refused.\n"


def make_tables(stage: str) -> None:
    deploy_data_stack(boto3.client("cloudformation"), boto3.client("dynamodb"), stage)


def write(path: Path, text: str, encoding: str = "utf-8") -> str:
    path.write_bytes(text.encode(encoding))
    return str(path)


def items(stage: str = "staging") -> dict[str, Any]:
    """The users of a stage by their email, as DynamoDB has them."""
    found = boto3.client("dynamodb").scan(TableName=f"accounts-{stage}-users")["Items"]
    return {item["email"]["S"]: item for item in found if "email" in item}


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(f"{text}\n"))


# Looking


@pytest.mark.usefixtures("three")
def test_the_newest_come_first_in_pages(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "--limit", "2") == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        f"{IDS['z']}  2022-01-01  Zoë <{ZOE}>",
        f"{IDS['b']}  2021-01-01  Bob <{BOB}>",
    ]
    place = err.split("'")[1]
    assert run("list", "--after", place, "--json") == 0
    (ada,) = json.loads(capsys.readouterr().out)["data"]
    assert (ada["email"], ada["admin"]) == (ADA, True)
    assert run("list", "--limit", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["next"].endswith(IDS["z"])


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("name", [IDS["z"], "ZOË@example.com", "zoe\u0308"])
def test_a_user_is_shown_by_any_name(
    run: Run, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert run("show", name, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["public_id"] == IDS["z"]
    assert shown["registered_on"] == "2022-01-01T00:00:00Z"
    assert "password_hash" not in shown
    assert run("show", name) == 0
    assert f"{'email':24} {ZOE}\n" in capsys.readouterr().out


@pytest.mark.usefixtures("three")
def test_a_user_is_found_by_names_that_are_all_theirs(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("find", "--email", ADA, "--username", "ADA", "--id", IDS["a"], "--json") == 0
    assert json.loads(capsys.readouterr().out)["email"] == ADA
    for names in (("--email", ADA, "--username", "Bob"), ("--id", "no"), ()):
        assert run("find", *names) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("accounts: ")


def test_who_is_not_there_is_one_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "nobody@example.com") == 1
    assert capsys.readouterr().err == "accounts: there is no such user on stage staging\n"


# Administering


@pytest.mark.usefixtures("three")
def test_rights_are_given_and_taken(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    version = int(items()[ZOE]["token_version"]["N"])
    assert run("promote", "Bob") == 1
    assert "whose address nobody has verified" in capsys.readouterr().err
    assert not items()[BOB]["admin"]["BOOL"]
    assert run("promote", "Bob", "--yes") == 0
    assert run("promote", "Bob") == 0, "that changes nothing"
    assert items()[BOB]["admin"]["BOOL"]
    assert run("demote", ADA, "--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["admin"] is False
    assert run("disable", ZOE, "--yes") == 0
    assert items()[ZOE]["disabled"]["BOOL"]
    assert int(items()[ZOE]["token_version"]["N"]) == version + 1
    assert run("enable", ZOE) == 0
    assert not items()[ZOE]["disabled"]["BOOL"]
    assert run("end-sessions", ZOE, "--yes") == 0
    assert int(items()[ZOE]["token_version"]["N"]) == version + 2
    assert run("require-password-change", ZOE, "--yes") == 0
    assert items()[ZOE]["password_change_required"]["BOOL"]
    capsys.readouterr()
    assert run("show", ZOE, "--json") == 0
    assert json.loads(capsys.readouterr().out)["password_change_required"] is True
    assert int(items()[ZOE]["token_version"]["N"]) == version + 3


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("command", ["demote", "disable", "delete"])
def test_the_last_admin_stays(run: Run, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert run(command, ADA, "--yes") == 1
    assert "admin" in capsys.readouterr().err
    assert items()[ADA]["admin"]["BOOL"]
    assert not items()[ADA]["disabled"]["BOOL"]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    "command", ["disable", "demote", "end-sessions", "require-password-change", "delete"]
)
def test_harm_is_asked_for_first(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    before = items()
    assert run(command, BOB) == 1
    assert "give --yes" in capsys.readouterr().err
    answer(monkeypatch, "no")
    assert run(command, BOB) == 1
    assert capsys.readouterr().err.endswith("accounts: nothing was done\n")
    assert items() == before
    answer(monkeypatch, BOB if command == "delete" else "yes")
    assert run(command, BOB) == 0
    assert "stage staging: " in capsys.readouterr().err


@pytest.mark.usefixtures("three")
def test_a_deleted_user_leaves_their_names(run: Run) -> None:
    assert run("delete", BOB, "--yes") == 0
    rows = boto3.client("dynamodb").scan(TableName="accounts-staging-users")["Items"]
    assert len(rows) == 2 * 3
    assert BOB not in items()


# Importing


def test_a_csv_file_is_imported_whatever_wrote_it(run: Run, tmp_path: Path) -> None:
    text = (
        "email,Username,admin,metadata,password_hash\r\n"
        'ada@example.com,"Ada ""the first""",t,"{""a"": 1}",\r\n'
        "\r\n"
        f'bob@example.com,"Bob,\tor not",,,"{HASH}"\r\n'
        "zoë@example.com,,false,{},\r\n"
    ).replace("\t", " ")
    file = write(tmp_path / "users.CSV", text, "utf-8-sig")
    assert run("import", file) == 0
    ada, bob, zoe = (items()[email] for email in (ADA, BOB, ZOE))
    assert (ada["username"]["S"], ada["admin"]["BOOL"]) == ('Ada "the first"', True)
    assert (bob["username"]["S"], bob["password_hash"]["S"]) == ("Bob, or not", HASH)
    assert zoe["username"]["S"] == "zoë"


def test_broken_rows_are_told_with_their_line_and_the_rest_goes_in(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    hash_in_the_wrong_place = json.dumps({"email": HASH, "username": HASH})
    lines = [
        json.dumps({"email": ADA}),
        "{",
        "[]",
        "",
        json.dumps({"email": "no", "admin": "perhaps"}),
        hash_in_the_wrong_place,
        "[" * 60_000,
        json.dumps({"email": BOB, "metadata": {"x": "y" * 70_000}}),
        json.dumps({"email": ZOE}),
        json.dumps({"email": ADA, "username": "Another"}),
    ]
    path = tmp_path / "users.jsonl"
    path.write_bytes("\r\n".join(lines).encode() + b'\n{"email": "\xff@example.com"}')
    report = tmp_path / "refused.jsonl"
    assert run("import", str(path), "--report", str(report)) == 3
    out, err = capsys.readouterr()
    assert out == "2 imported, 0 there already, 8 refused.\n"
    assert "line 5: email: Not a valid email address.; admin: Neither true nor false." in err
    assert HASH not in err + report.read_text()
    entries = [json.loads(line) for line in report.read_text().splitlines()]
    assert {entry["line"]: list(entry["errors"]) for entry in entries} == {
        2: ["row"],
        3: ["row"],
        5: ["email", "admin"],
        6: ["email", "username"],
        7: ["row"],
        8: ["row"],
        10: ["email"],
        11: ["row"],
    }
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert items().keys() == {ADA, ZOE}


def test_a_row_that_names_a_field_twice_is_refused(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lines = (
        f'{{"email": "{ADA}", "admin": false, "\\u0061dmin": true}}',
        f'{{"email": "{BOB}", "metadata": {{"a": 1, "a": 2}}}}',
        f'{{"email": "{ZOE}", "metadata": {{"a": {{"a": 1}}}}}}',
    )
    assert run("import", write(tmp_path / "users.jsonl", "\n".join(lines))) == 3
    assert capsys.readouterr().err.count("row: Names a field twice.") == 2
    assert items().keys() == {ZOE}


def test_broken_csv_is_told_likewise(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "users.csv"
    path.write_bytes(
        b"email,username\n"
        b'one@example.com,"two\nlines"\n'  # a username has no line breaks
        b"two@example.com\n"
        b"three@example.com,\xff\n"
        b'four@example.com,"x"y\n'
        b"five@example.com,Five\n"
        b'six@example.com,"never closed\n'
    )
    assert run("import", str(path), "--json") == 3
    *refused, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert {entry["line"]: list(entry["errors"]) for entry in refused} == {
        2: ["username"],
        4: ["row"],
        5: ["row"],
        6: ["row"],
        8: ["row"],
    }
    assert summary == {"imported": 1, "present": 0, "refused": 5}


@pytest.mark.parametrize("last", ["", '"'], ids=["never closed", "closed far below"])
def test_a_quotation_mark_that_is_missing_costs_its_own_row_and_no_other(last: str) -> None:
    rows = [f"{number}@example.com,x" for number in range(5_000)]
    rows[1] = '1@example.com,"x'
    text = "\r\n".join(["email,username", *rows, f'"0{last}@example.com,x', ""])
    read = list(read_rows(io.StringIO(text, newline=""), "csv"))
    assert [row.line for row in read] == list(range(2, 5_003))
    assert [row.line for row in read if row.fault] == [3, 5_002]
    assert "quotation mark" in str(read[1].fault)
    assert read[2].fields == {"email": "2@example.com", "username": "x"}


def test_a_long_line_or_row_costs_none_but_itself() -> None:
    for long in ("x" * 200_000, "x" * 65_537, "," * 65_537, "\ufeff" * 65_536 + "y"):
        text = f'email\n{long}\na@example.com\n"a\n{long}\nb"\nc@example.com\n{long}'
        read = list(read_rows(io.StringIO(text, newline=""), "csv"))
        assert [(row.line, row.fault is None) for row in read] == [
            (2, False),
            (3, True),
            (4, False),
            (5, False),
            (6, True),  # what is no mark at the beginning is a letter
            (7, True),
            (8, False),
        ]
    many_fields = '"x\n",' * 40_000 + "\n"
    file = io.StringIO(f"email\n{many_fields}", newline="")
    assert next(read_rows(file, "csv")).fault
    assert file.tell() < 100_000


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("", "one of them is email"),
        (f"ada@example.com,{HASH}", "one of them is email"),
        ("email,pasword_hash", "column 2 of the first line is none of"),
        ("email,username,EMAIL", "names a column twice"),
        ('email,"x"y', "the first line is no CSV"),
    ],
)
def test_a_file_whose_columns_are_not_known_is_refused_before_anything_is_done(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, header: str, reason: str
) -> None:
    assert run("import", write(tmp_path / "users.csv", f"{header}\n{BOB},x\n")) == 1
    out, err = capsys.readouterr()
    assert reason in err
    assert HASH not in err
    assert (out, items()) == ("", {})


@pytest.mark.usefixtures("three")
def test_the_same_file_again_changes_nothing_and_says_so(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = items()
    assert run("import", str(tmp_path / "three.jsonl")) == 0
    assert capsys.readouterr().out == "0 imported, 3 there already, 0 refused.\n"
    assert items() == before


def test_a_dry_run_writes_nothing(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = write(tmp_path / "users.csv", f"email\n{ADA}\nno\n")
    assert run("import", file, "--dry-run") == 3
    assert capsys.readouterr().out == "1 would be imported, 0 there already, 1 refused.\n"
    assert items() == {}


def test_standard_input_is_read_if_its_format_is_told(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("import", "-") == 1
    assert "--format" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"email\n{ADA}\n".encode())))
    assert run("import", "-", "--format", "csv") == 0
    assert items().keys() == {ADA}


def test_of_many_refused_rows_the_first_are_shown(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = write(tmp_path / "users.csv", "email\n" + "no\n" * 50)
    assert run("import", file) == 3
    err = capsys.readouterr().err.splitlines()
    assert len([line for line in err if line.startswith("line ")]) == 20
    assert err[-1] == "further refused rows are not shown: --report FILE writes them"


@pytest.mark.parametrize("fault", [KeyboardInterrupt, UnavailableError])
def test_an_import_that_is_interrupted_says_how_far_it_came_and_goes_on(
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    fault: type[BaseException],
) -> None:
    file = write(tmp_path / "users.csv", "email\n" + "".join(f"u{n}@a.b\n" for n in range(60)))
    whole = ImportService.run

    def half(self: ImportService, rows: Any, *, rehearsal: bool) -> Iterator[Result]:
        for number, result in enumerate(whole(self, rows, rehearsal=rehearsal)):
            if number == 40:
                raise fault
            yield result

    with monkeypatch.context() as patch:
        patch.setattr(ImportService, "run", half)
        assert run("import", file) == (130 if fault is KeyboardInterrupt else 1)
    out, err = capsys.readouterr()
    assert out == "40 imported, 0 there already, 0 refused.\n"
    assert "Run it again" in err
    assert run("import", file) == 0
    # The batch that was being told of is written.
    assert capsys.readouterr().out == "10 imported, 50 there already, 0 refused.\n"
    assert len(items()) == 60


def test_a_file_is_read_a_row_at_a_time() -> None:
    for file_format, lines in (("csv", "email\n" * 500), ("jsonl", '{"email": "x"}\n' * 500)):
        file = io.StringIO(lines)
        rows = read_rows(file, file_format)
        assert [next(rows).fault for _ in range(3)] == [None] * 3
        assert file.tell() < 100


# Exporting


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_what_is_exported_is_imported_as_it_was(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, ending: str
) -> None:
    make_tables("prod")
    file = tmp_path / f"users.{ending}"
    assert run("export", str(file), "--with-hashes", "--yes") == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert users.main(["--stage", "prod", "import", str(file)]) == 0
    assert capsys.readouterr().out.endswith("3 imported, 0 there already, 0 refused.\n")
    here, there = items(), items("prod")
    for item in (*here.values(), *there.values()):
        del item["token_version"]  # a new one each time
    assert there == here
    assert items("prod")[ZOE]["password_hash"]["S"] == HASH


_QUOTE = "'"


def test_a_spreadsheet_computes_nothing_that_a_user_chose() -> None:
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "'=1", "a'", "'s", "a=1", "Zoë"]
    file = io.StringIO()
    write = write_rows(file, "csv", with_hashes=False)
    for name in names:
        write(Credentials(a_user(username=name), HASH))
    file.seek(0)
    written = [row["username"] for row in csv.DictReader(file)]
    assert written == [_QUOTE + name if name[0] in "=+-@\t'" else name for name in names]
    file.seek(0)
    assert [row.fields["username"] for row in read_rows(file, "csv")] == names


@pytest.mark.parametrize("name", ["'tis", "' ", "'"])
def test_a_quote_that_hides_nothing_is_read_as_it_is(name: str) -> None:
    (row,) = read_rows(io.StringIO(f"email,username\nzoe@example.com,{name}\n"), "csv")
    assert row.fields["username"] == name


@pytest.mark.usefixtures("three")
def test_an_export_has_no_hashes_unless_it_is_meant_to(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plain, full = tmp_path / "plain.csv", tmp_path / "full.csv"
    assert run("export", str(plain)) == 0
    assert HASH not in plain.read_text()
    with plain.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["email"] for row in rows] == [ZOE, BOB, ADA]
    assert rows[0]["registered_on"] == "2022-01-01T00:00:00.123456Z"
    assert run("export", str(full), "--with-hashes") == 1
    assert not full.exists()
    capsys.readouterr()
    assert run("export", "-", "--format", "jsonl") == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["email"] for line in out.splitlines()] == [ZOE, BOB, ADA]
    assert err == "3 exported.\n"
    assert run("export", str(tmp_path / "more.jsonl"), "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"exported": 3}


@pytest.mark.usefixtures("three")
def test_an_export_overwrites_nothing_and_leaves_nothing_half_done(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = write(tmp_path / "users.csv", "mine")
    assert run("export", there) == 1
    assert "File exists" in capsys.readouterr().err
    assert Path(there).read_text() == "mine"
    monkeypatch.setattr("infra.users.ProgressBar.show", _interrupt)
    half = tmp_path / "half.csv"
    assert run("export", str(half)) == 130
    assert not half.exists()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


# Being called


def test_what_make_hands_over_is_split_as_a_shell_would(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = write(tmp_path / "two words.csv", f"email\n{ADA}\n")
    assert users.main(["--from-make", f"import '{file}'", "staging"]) == 0
    assert items().keys() == {ADA}
    for text in ("", "  "):
        assert users.main(["--from-make", text, "staging"]) == 0
        assert "usage: users" in capsys.readouterr().out
    for text in ("disable o'brien@example.com --yes", 'show "ada', "show ada\\"):
        assert users.main(["--from-make", text, "staging"]) == 2
        assert "DO ends in the middle" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [("list", "--limit", "0"), ("list", "--limit", "x"), ("show",), ("nonsense",), ()],
)
def test_a_wrong_call_is_told_how_to_call(
    run: Run, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert run(*words) == 2
    assert "usage: users" in capsys.readouterr().err


def test_a_stage_or_file_that_is_not_there_is_one_line(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert users.main(["--stage", "production", "list"]) == 1
    assert run("import", str(tmp_path / "none.csv")) == 1
    assert run("export", str(tmp_path / "none" / "users.csv")) == 1
    assert [line[:9] for line in capsys.readouterr().err.splitlines()] == ["accounts:"] * 3


# Progress


@pytest.mark.parametrize("output", [Terminal(), io.StringIO()])
def test_a_terminal_has_a_bar_and_a_log_has_lines(output: io.StringIO) -> None:
    now = 0.0
    bar = ProgressBar(output, "rows", lambda: now)
    bar.show(1, 0.1)
    assert output.getvalue() == ""
    now = 10.0
    bar.show(500, 0.5)
    bar.clear()
    bar.clear()
    shown = output.getvalue()
    assert " 50%  500 rows, 50 a second" in shown
    assert ("#" * 15 + "." * 15 in shown) == output.isatty()
    assert shown.endswith("\x1b[K" if output.isatty() else "second\n")
    now = 20.0
    bar.show(600, None)
    assert "600 rows, 30 a second" in output.getvalue()
