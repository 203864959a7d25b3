"""`make mail`, with a local cloud that has been given mails, or none."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import mail as command
from infra.local.mails import sent_mails
from tests.servers import QuietHandler, serving

LINK = "http://127.0.0.1:8000/email/verify?token=mt1_abc"


def a_mail(to: str, at: float, **facts: Any) -> dict[str, Any]:
    """A mail as ministack tells of it."""
    return {
        "Source": "accounts <accounts@localhost.localdomain>",
        "To": [to],
        "Subject": "Confirm your address",
        "BodyText": f"Hello,\n\nplease confirm: {LINK}\n{LINK}\n",
        "BodyHtml": f'<a href="{LINK}">Confirm</a>',
        "Timestamp": at,
        **facts,
    }


@pytest.fixture
def sent() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def endpoint(sent: list[dict[str, Any]]) -> Iterator[str]:
    class Handler(QuietHandler):
        def handle_request(self) -> None:
            body = json.dumps({"messages": {"000000000000": sent}}).encode()
            there = self.path == "/_ministack/ses/messages"
            self.answer(200 if there else 404, body)

    with serving(Handler, "GET") as url:
        yield url


@pytest.fixture
def _running(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "running_endpoint", lambda _folder: endpoint)


def test_mails_are_read_newest_last_with_their_links(
    endpoint: str, sent: list[dict[str, Any]]
) -> None:
    sent += [a_mail("b@example.com", 2_000.5), a_mail("a@example.com", 1_000.0, BodyHtml=None)]
    first, second = sent_mails(endpoint)
    assert (first.to, second.to) == (("a@example.com",), ("b@example.com",))
    assert first.links == (LINK,)
    assert first.html == ""
    assert first.sent_at.timestamp() == 1_000


@pytest.mark.usefixtures("_running")
def test_mails_are_printed_with_whom_what_and_where_to(
    sent: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    sent += [a_mail("ada@example.com", 1_000.0), a_mail("bob@example.com", 2_000.0)]
    assert command.main([""]) == 0
    said = capsys.readouterr().out
    assert said.index("To:      ada@example.com") < said.index("To:      bob@example.com")
    assert "\nSubject: Confirm your address\n" in said
    assert "\n    Hello,\n" in said
    assert said.count(f"\nLink:    {LINK}\n") == 2


@pytest.mark.usefixtures("_running")
def test_mails_are_chosen_by_whom_they_are_to(
    sent: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    sent += [a_mail("ada@example.com", 1_000.0), a_mail("bob@example.com", 2_000.0)]
    assert command.main([" ADA"]) == 0
    assert "bob@" not in capsys.readouterr().out
    assert command.main(["nobody"]) == 0
    assert capsys.readouterr().out == "No mail to nobody yet; one is sent within a second.\n"


@pytest.mark.usefixtures("_running")
def test_a_terminal_does_nothing_that_a_mail_says(
    sent: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    sent.append(
        a_mail("ada@example.com", 1_000.0, Subject="\x1b[2J", BodyText="\x1b]0;ha\x07\nTom")
    )
    assert command.main([""]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\n    Tom\n" in said


def test_without_make_run_it_says_where_mails_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACCOUNTS_LOCAL_DIR", str(tmp_path))
    assert command.main([""]) == 1
    assert capsys.readouterr().err == (
        "accounts: make run is not running; the mails it sends are there until it stops\n"
    )


def test_a_cloud_that_has_no_mails_to_tell_of_is_one_line(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "running_endpoint", lambda _folder: endpoint)
    monkeypatch.setattr("infra.local.mails._SENT", "/elsewhere")
    assert command.main([""]) == 1
    assert "does not tell of mails (/elsewhere: 404)" in capsys.readouterr().err
