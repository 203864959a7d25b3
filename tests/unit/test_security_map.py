"""The maps of docs/security: whole, and about tests and files that are there."""

import json
import logging
import os
import re
from functools import cache
from inspect import signature
from pathlib import Path

import pytest

from chalicelib.container import Container
from chalicelib.domain import mailed_tokens, sessions
from chalicelib.telemetry import JsonFormatter

ROOT = Path(__file__).resolve().parents[2]
SECURITY = ROOT / "docs" / "security"
ASVS = (SECURITY / "asvs.md").read_text("utf-8")
THREATS = (SECURITY / "threat-model.md").read_text("utf-8")
STATUSES = {"met", "not applicable", "not met"}
LEVELS = {
    "1.1": "22",
    "1.2": "1111122223",
    "1.3": "112222222223",
    "1.4": "222",
    "1.5": "123",
    "2.1": "122",
    "2.2": "112",
    "2.3": "12223",
    "2.4": "23",
    "3.1": "3",
    "3.2": "113",
    "3.3": "12223",
    "3.4": "11222233",
    "3.5": "11122333",
    "3.6": "3",
    "3.7": "22333",
    "4.1": "12233",
    "4.2": "23333",
    "4.3": "22",
    "4.4": "1222",
    "6.1": "122",
    "6.2": "111111112222",
    "6.3": "11223333",
    "6.4": "112233",
    "6.5": "22222333",
    "6.6": "2223",
    "6.7": "33",
    "6.8": "2222",
    "7.1": "222",
    "7.2": "1111",
    "7.3": "22",
    "7.4": "11222",
    "7.5": "223",
    "7.6": "22",
    "8.1": "1233",
    "8.2": "1123",
    "8.3": "133",
    "8.4": "23",
    "9.1": "111",
    "9.2": "1222",
    "11.1": "2233",
    "11.2": "22233",
    "11.3": "11233",
    "11.4": "1222",
    "11.5": "23",
    "11.6": "23",
    "11.7": "33",
    "12.1": "12233",
    "12.2": "11",
    "12.3": "22223",
    "13.1": "2333",
    "13.2": "222223",
    "13.3": "2233",
    "13.4": "1222233",
    "14.1": "22",
    "14.2": "12223333",
    "14.3": "122",
    "15.1": "12233",
    "15.2": "12233",
    "15.3": "1222222",
    "15.4": "3333",
    "16.1": "2",
    "16.2": "22222",
    "16.3": "2222",
    "16.4": "222",
    "16.5": "2223",
}
"""Of each section of the chapters that are mapped, in ASVS 5.0.0, its requirements' levels."""
AS_CHAPTERS = {"V5", "V10", "V17"}
"""Those that are answered as a whole."""
REQUIREMENTS = {
    f"{section}.{number}": level
    for section, levels in LEVELS.items()
    for number, level in enumerate(levels, 1)
}
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split(" | "))
    for line in ASVS.splitlines()
    if re.match(r"\| [0-9]", line)
]
_NAMED = re.compile(r"`([\w.][\w./-]*\.[a-z]+|Makefile)(?:::(\w+))?`")
_LINK = re.compile(r"\]\(([^)#]*)(?:#([^)]*))?\)")
_CRYPTOGRAPHY = re.compile(
    r"^\s*(?:import|from) (?:hashlib|hmac|secrets|random|ssl|bcrypt|cryptography|jwt)\b"
    r"|os\.urandom",
    re.MULTILINE,
)


@cache
def _text(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


def _faults(text: str) -> list[str]:
    """What is named and is not there."""
    faults = []
    for path, test in _NAMED.findall(text):
        if not (ROOT / path).is_file():
            faults.append(path)
        elif test and not re.search(rf"^(?:async )?def {test}\(", _text(path), re.MULTILINE):
            faults.append(f"{path}::{test}")
    return faults


def test_every_requirement_is_there_once_at_its_level() -> None:
    assert len(REQUIREMENTS) == 284
    assert [(row[0], row[1]) for row in ROWS] == list(REQUIREMENTS.items())


def test_every_chapter_has_its_heading() -> None:
    headings = re.findall(r"^## (V\d+) ", ASVS, re.MULTILINE)
    assert headings == [f"V{number}" for number in range(1, 18)]
    mapped = {f"V{section.partition('.')[0]}" for section in LEVELS}
    assert set(headings) - mapped == AS_CHAPTERS
    for chapter in AS_CHAPTERS:
        assert re.search(rf"^## {chapter} .*\n\nNot applicable as a chapter: ", ASVS, re.MULTILINE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_is_whole(row: tuple[str, ...]) -> None:
    assert len(row) == 5
    _, _, asked, status, shown = row
    assert asked
    assert status in STATUSES
    assert shown.strip("| "), "why, or by what"
    if status == "met":
        assert _NAMED.search(shown), "by which file or test"


@pytest.mark.parametrize("page", ["asvs", "threat-model"])
def test_what_is_named_is_there(page: str) -> None:
    text = (SECURITY / f"{page}.md").read_text("utf-8")
    assert len(_NAMED.findall(text)) > 50
    assert _faults(text) == []


def test_what_is_not_there_is_found_out() -> None:
    assert _faults("`docs/nothing.md`, `README.md`") == ["docs/nothing.md"]
    named = "tests/unit/test_security_map.py::test_a_row"
    assert _faults(f"`{named}`, `{named}_is_whole`") == [named]


@pytest.mark.parametrize("page", ["asvs", "threat-model"])
def test_links_lead_somewhere(page: str) -> None:
    file = SECURITY / f"{page}.md"
    for path, anchor in _LINK.findall(file.read_text("utf-8")):
        if path.startswith("https:"):
            continue
        target = file.parent / path if path else file
        assert target.is_file(), path
        headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
        anchors = {
            re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings
        }
        assert not anchor or anchor in anchors, anchor


def test_the_inventory_names_every_module_that_uses_cryptography() -> None:
    inventory = THREATS.partition("## Cryptography\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(chalicelib/[\w/]+\.py)`", inventory))
    using = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "chalicelib").rglob("*.py")
        if _CRYPTOGRAPHY.search(path.read_text("utf-8"))
    }
    assert named == using


def test_what_must_not_be_guessed_comes_from_the_systems_generator() -> None:
    assert signature(Container).parameters["random_octets"].default is os.urandom
    assert min(sessions.FAMILY_OCTETS, sessions.SECRET_OCTETS, mailed_tokens.SECRET_OCTETS) >= 16
    # What is not a secret may come from elsewhere: how long a transaction waits does, alone.
    assert [
        path.name
        for path in (ROOT / "chalicelib").rglob("*.py")
        if re.search(r"^(?:import|from) random\b", path.read_text("utf-8"), re.MULTILINE)
    ] == ["transactions.py"]


def test_nothing_turns_the_verification_of_certificates_off() -> None:
    for path in (ROOT / "chalicelib").rglob("*.py"):
        text = path.read_text("utf-8")
        assert not re.search(r"verify\s*=\s*False|_create_unverified|CERT_NONE|use_ssl", text), path


def test_no_debug_mode_is_on() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "chalicelib").rglob("*.py"))
    assert "debug" not in (ROOT / "app.py").read_text("utf-8")
    assert not re.search(r"\.debug\b|\bdebug\s*=|\bDEBUG\b", source)


@pytest.mark.parametrize("end", ["\n", "\r", "\u2028", "\x85", "\x1b[2J"])
def test_nobody_adds_a_line_to_the_log(end: str) -> None:
    text = f'seen{end}{{"event": "forged"}}'
    record = logging.LogRecord("a", logging.INFO, __file__, 1, "%s", (text,), None)
    line = JsonFormatter().format(record)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == text
