"""Verifying, recovering and changing by mail, over HTTP: the routes, and the pages of the links."""

import inspect
import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.api.inputs import read_form
from chalicelib.api.mailed_links import FOLDER
from chalicelib.api.schemas import MailedTokenForm
from chalicelib.container import Container, use
from chalicelib.domain.errors import InvalidInputError
from chalicelib.domain.mailed_tokens import Purpose, password_mark
from chalicelib.services import password_policy
from chalicelib.settings import Settings
from chalicelib.store.mailed_tokens import DynamoMailedTokenStore
from tests.api.client import Client, a_registration
from tests.api.gateway import Answer
from tests.aws import OUTBOX, Cloud, Wire
from tests.fakes import FakeClock
from tests.mailed import mailed
from tests.samples import COMMON, PASSWORD, claims_of

EMAIL, OTHER = "user-1@example.com", "Zoë@example.org"
CHOSEN = "another horse altogether"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
INVALID = {
    "status": "fail",
    "code": "token_invalid",
    "message": "This link is no longer valid.",
}
PAGES = {
    "/email/verify": Purpose.VERIFY,
    "/email/confirm": Purpose.CONFIRM,
    "/email/undo": Purpose.UNDO,
    "/password/reset": Purpose.RESET,
}
each_page = pytest.mark.parametrize("page", PAGES)


class Mailbox:
    """Makes tokens as the courier does, and reads what it is to do."""

    def __init__(self, cloud: Cloud, clock: FakeClock) -> None:
        self._cloud = cloud
        self._clock = clock

    def token(self, purpose: Purpose, address: str, email: str | None = None) -> str:
        """A token mailed to the user who has an email, which is the address unless told."""
        wanted = email or address
        row = next(row for row in self._cloud.rows() if row.get("email", {}).get("S") == wanted)
        mark = password_mark(row["password_hash"]["S"]) if purpose is Purpose.RESET else None
        text, record = mailed(
            row["public_id"]["S"], purpose, address, at=self._clock.now, password_mark=mark
        )
        DynamoMailedTokenStore().add(record)
        return text

    def errands(self) -> list[str]:
        rows = sorted(self._cloud.rows(OUTBOX), key=lambda row: row["created_at"]["S"])
        return [row["errand"]["S"] for row in rows]


@pytest.fixture
def mailbox(client: Client, cloud: Cloud, clock: FakeClock) -> Mailbox:
    del client
    return Mailbox(cloud, clock)


def submit(client: Client, page: str, language: str = "en", **fields: str) -> Answer:
    headers = FORM | {"Accept-Language": language}
    return client.post(page, body=urlencode(fields), headers=headers)


def _log_in(client: Client, email: str = EMAIL, password: str = PASSWORD) -> Answer:
    return client.post("/auth/login", {"email": email, "password": password})


# The routes for clients


@pytest.mark.parametrize("route", ["/auth/password/forgot", "/auth/email/resend"])
@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
def test_asking_for_a_mail_is_answered_alike_whoever_asks(
    client: Client, mailbox: Mailbox, route: str, email: str
) -> None:
    client.register()
    answer = client.post(route, {"email": email})
    assert answer.status == 202
    assert answer.json() == {
        "status": "success",
        "message": "If there is an account with this address, a mail is on its way.",
    }
    errand = "reset_password" if "forgot" in route else "verify_email"
    assert sorted(mailbox.errands()) == sorted(["verify_email", errand])


@pytest.mark.parametrize("route", ["/auth/password/forgot", "/auth/email/resend"])
@pytest.mark.parametrize("body", [{}, {"email": "nonsense"}, {"email": 1}, {"email": ""}], ids=str)
def test_no_mail_is_asked_for_what_is_no_address(
    client: Client, mailbox: Mailbox, route: str, body: object
) -> None:
    answer = client.post(route, body)
    assert answer.status == 400
    assert answer.json()["errors"].keys() == {"email"}
    assert mailbox.errands() == []


def test_too_many_mails_are_refused_alike_whoever_asks(client: Client) -> None:
    client.register()
    for email in (EMAIL, "nobody@example.com"):
        statuses = [client.post("/auth/password/forgot", {"email": email}).status for _ in range(6)]
        assert statuses == [202] * 5 + [429]


def test_a_password_is_reset_and_the_old_tokens_are_dead(client: Client, mailbox: Mailbox) -> None:
    token_set = client.log_in()
    token = mailbox.token(Purpose.RESET, EMAIL)
    body = {"token": token, "new_password": CHOSEN}
    answer = client.post("/auth/password/reset", body)
    assert answer.status == 200
    assert answer.json().keys() == {"status", "message"}
    assert client.get("/user/me", token=token_set["Authorization"]).status == 401
    refresh = {"refresh_token": token_set["refresh_token"]}
    assert client.post("/auth/refresh", refresh).status == 401
    assert _log_in(client).status == 401
    assert "email_verified" not in _log_in(client, password=CHOSEN).json()
    again = client.post("/auth/password/reset", body)
    assert (again.status, again.json()) == (400, INVALID)
    assert "password_changed" in mailbox.errands()


@pytest.mark.parametrize("password", ["short", COMMON, EMAIL])
def test_a_refused_password_leaves_the_token_as_it_was(
    client: Client, mailbox: Mailbox, password: str
) -> None:
    client.register()
    token = mailbox.token(Purpose.RESET, EMAIL)
    answer = client.post("/auth/password/reset", {"token": token, "new_password": password})
    assert answer.status == 400
    assert answer.json()["errors"].keys() == {"new_password"}
    good = client.post("/auth/password/reset", {"token": token, "new_password": CHOSEN})
    assert good.status == 200


@pytest.mark.parametrize("route", ["/auth/email/verify", "/auth/email/undo"])
@pytest.mark.parametrize("token", ["", "nonsense", "mt1_" + "A" * 64, "ü", "mt1_" + "A" * 9_999])
def test_a_bad_token_is_called_so(client: Client, route: str, token: str) -> None:
    answer = client.post(route, {"token": token})
    assert (answer.status, answer.json()) == (400, INVALID)


def test_an_address_is_verified(client: Client, mailbox: Mailbox) -> None:
    token = client.register()
    assert client.get("/user/me", token=token).json()["email_verified"] is False
    assert _log_in(client).json()["email_verified"] is False
    body = {"token": mailbox.token(Purpose.VERIFY, EMAIL)}
    assert client.post("/auth/email/verify", body).status == 200
    assert client.get("/user/me", token=token).json()["email_verified"] is True
    assert "email_verified" not in _log_in(client).json()
    assert client.post("/auth/email/verify", body).json() == INVALID


def _want(client: Client, token: str, **body: object) -> Answer:
    given = {"email": OTHER, "current_password": PASSWORD, **body}
    return client.patch("/user/me", given, token=token)


def test_an_address_is_changed_and_put_back(client: Client, mailbox: Mailbox) -> None:
    token = client.register()
    user = _want(client, token)
    assert user.status == 200
    assert (user.json()["email"], user.json()["pending_email"]) == (EMAIL, OTHER)
    assert client.get("/user/me", token=token).json() == user.json()
    confirm = {"token": mailbox.token(Purpose.CONFIRM, OTHER, EMAIL)}
    assert client.post("/auth/email/verify", confirm).status == 200
    assert client.get("/user/me", token=token).status == 401
    assert _log_in(client).status == 401, "nobody has the old address"
    taken = client.post("/user", a_registration(2, email=EMAIL))
    assert (taken.status, taken.json()["code"]) == (409, "email_taken")
    token = _log_in(client, OTHER).json()["Authorization"]
    user = client.get("/user/me", token=token)
    assert (user.json()["email"], user.json()["email_verified"]) == (OTHER, True)
    assert "pending_email" not in user.json()
    undo = {"token": mailbox.token(Purpose.UNDO, EMAIL, OTHER)}
    assert client.post("/auth/email/undo", undo).status == 200
    assert client.get("/user/me", token=token).status == 401
    assert _log_in(client).status == 200
    assert client.post("/user", a_registration(2, email=OTHER)).status == 201
    assert mailbox.errands().count("email_changed") == 1
    assert "reset_password" in mailbox.errands()


def test_a_username_and_metadata_change_with_the_wish(client: Client) -> None:
    token = client.register()
    user = _want(client, token, username="Zoë", metadata={"a": 1})
    assert (user.status, user.json()) == (200, client.get("/user/me", token=token).json())
    assert (user.json()["username"], user.json()["metadata"]) == ("Zoë", {"a": 1})
    assert (user.json()["email"], user.json()["pending_email"]) == (EMAIL, OTHER)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"current_password": "wrong"}, 403, "wrong_password"),
        ({"username": "User 2"}, 409, "username_taken"),
        ({"metadata": {"a": "x" * 5_000}}, 400, "validation_failed"),
        ({"email": "nonsense"}, 400, "validation_failed"),
        ({"admin": True}, 400, "validation_failed"),
        ({"email": "user-2@example.com"}, 409, "email_taken"),
    ],
    ids=str,
)
def test_a_wish_that_is_refused_changes_nothing(
    client: Client, body: dict[str, object], status: int, code: str
) -> None:
    client.register(2)
    token = client.register()
    before = client.get("/user/me", token=token).json()
    answer = _want(client, token, **body)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert client.get("/user/me", token=token).json() == before


def test_a_wish_needs_the_password_and_is_ones_own(client: Client) -> None:
    token = client.register()
    missing = client.patch("/user/me", {"email": OTHER}, token=token)
    assert missing.json()["errors"] == {"current_password": "This field is required."}
    boss = client.register_admin()
    theirs = claims_of(token)["sub"]
    body = {"email": OTHER, "current_password": PASSWORD}
    assert client.patch(f"/user/{theirs}", body, token=boss).status == 403
    alone = client.patch("/user/me", {"current_password": PASSWORD}, token=token)
    assert alone.status == 400


def test_where_it_is_required_nobody_is_let_in_unverified(
    client: Client, mailbox: Mailbox, stage: Settings, clock: FakeClock
) -> None:
    container = Container(replace(stage, email_verification="require"), clock)
    container.keys.signing_key()
    use(container)
    registered = client.post("/user", a_registration())
    assert registered.status == 201
    assert registered.json().keys() == {"status", "message"}
    assert registered.json()["message"].startswith("Successfully registered.")
    refused = _log_in(client)
    assert (refused.status, refused.json()["code"]) == (403, "email_not_verified")
    assert _log_in(client, password="wrong").status == 401
    client.post("/auth/email/verify", {"token": mailbox.token(Purpose.VERIFY, EMAIL)})
    assert _log_in(client).status == 200


def test_where_it_is_off_nobody_is_asked_to_verify(
    client: Client, mailbox: Mailbox, stage: Settings, clock: FakeClock
) -> None:
    container = Container(replace(stage, email_verification="off"), clock)
    container.keys.signing_key()
    use(container)
    assert "email_verified" not in client.post("/user", a_registration()).json()
    assert "email_verified" not in _log_in(client).json()
    assert mailbox.errands() == []


# The pages


class Elements(HTMLParser):
    """The elements of a page, each with its attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def _heading(answer: Answer) -> str:
    found = re.search("<h1>(.*)</h1>", answer.text)
    assert found
    return unescape(found[1])


def _prepared(client: Client, mailbox: Mailbox, page: str) -> str:
    """A token that is good on a page."""
    token = client.register()
    if page == "/email/confirm":
        _want(client, token)
        return mailbox.token(Purpose.CONFIRM, OTHER, EMAIL)
    if page == "/email/undo":
        _want(client, token)
        confirm = mailbox.token(Purpose.CONFIRM, OTHER, EMAIL)
        assert client.post("/auth/email/verify", {"token": confirm}).status == 200
        return mailbox.token(Purpose.UNDO, EMAIL, OTHER)
    return mailbox.token(PAGES[page], EMAIL)


@each_page
def test_opening_a_link_asks_nobody_and_spends_nothing(
    client: Client, mailbox: Mailbox, wire: Wire, page: str
) -> None:
    token = _prepared(client, mailbox, page)
    wire.reset()
    for method in ("GET", "HEAD", "GET"):
        assert client.send(method, f"{page}?token={token}").status == 200
    assert wire.calls == []
    fields = {"new_password": CHOSEN} if page == "/password/reset" else {}
    assert submit(client, page, token=token, **fields).status == 200
    spent = submit(client, page, token=token, **fields)
    assert (spent.status, _heading(spent)) == (400, "This link is no longer valid")


@each_page
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_form_posts_the_token_to_where_the_page_is(
    client: Client, mailbox: Mailbox, page: str, slash: str
) -> None:
    token = _prepared(client, mailbox, page)
    elements = Elements(client.get(f"{page}{slash}?token={token}").text)
    (form,) = elements.of("form")
    name = page.rpartition("/")[2]
    assert (form["method"], form["action"]) == ("post", f"../{name}" if slash else name)
    assert {"type": "hidden", "name": "token", "value": token} in elements.of("input")
    assert elements.of("script") == []


@each_page
def test_a_page_is_kept_by_nobody_framed_by_nobody_and_found_by_nobody(
    client: Client, mailbox: Mailbox, page: str
) -> None:
    headers = client.get(f"{page}?token={_prepared(client, mailbox, page)}").headers
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-robots-tag"] == "noindex"
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy.pop("style-src").startswith("'sha256-")
    assert policy.pop("form-action") == "'self'"
    assert policy.pop("img-src") == "data:"
    assert policy.keys() == {"default-src", "object-src", "base-uri", "frame-ancestors"}
    assert set(policy.values()) == {"'none'"}


@each_page
@pytest.mark.parametrize("token", ["", "nonsense", '"><script>alert(1)</script>'])
def test_what_is_no_token_gets_a_page_that_says_what_to_do(
    client: Client, page: str, token: str
) -> None:
    for answer in (
        client.get(f"{page}?{urlencode({'token': token})}"),
        submit(client, page, token=token, **_more(page)),
    ):
        assert (answer.status, _heading(answer)) == (400, "This link is no longer valid")
        assert "A link works once" in answer.text
        assert "<script" not in answer.text


def _more(page: str) -> dict[str, str]:
    return {"new_password": CHOSEN} if page == "/password/reset" else {}


def test_a_link_without_a_token_or_with_two_is_no_link(client: Client) -> None:
    assert client.get("/email/verify").status == 400
    twice = client.get("/email/verify?token=a&token=b")
    assert (twice.status, _heading(twice)) == (400, "That did not work")


@pytest.mark.parametrize(
    ("language", "lang", "heading"),
    [
        ("de-AT,de;q=0.9", "de", "Neues Passwort wählen"),
        ("fr", "en", "Choose a new password"),
        ("", "en", "Choose a new password"),
    ],
)
def test_a_page_speaks_the_readers_language(
    client: Client, mailbox: Mailbox, language: str, lang: str, heading: str
) -> None:
    token = _prepared(client, mailbox, "/password/reset")
    answer = client.get(f"/password/reset?token={token}", headers={"Accept-Language": language})
    assert f'<html lang="{lang}">' in answer.text
    assert _heading(answer) == heading


@pytest.mark.parametrize(
    ("password", "english", "german"),
    [
        ("short", "Must have 8 to 128 characters.", "Es muss 8 bis 128 Zeichen haben."),
        (EMAIL, "Must not be your email address", "Es darf nicht Ihre E\u2011Mail-Adresse"),
        ("User 1 …", "Must not be your username", "Es darf nicht Ihr Benutzername"),
        (COMMON, "one of the most common passwords", "eines der häufigsten Passwörter"),
    ],
)
def test_a_refused_password_is_told_beside_its_field_and_can_be_tried_again(
    client: Client, mailbox: Mailbox, password: str, english: str, german: str
) -> None:
    client.post("/user", a_registration(username="User 1 …"))
    token = mailbox.token(Purpose.RESET, EMAIL)
    for language, reason in (("en", english), ("de", german)):
        answer = submit(client, "/password/reset", language, token=token, new_password=password)
        assert answer.status == 400
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        (alert,) = re.findall('<p class="alert" id="alert" role="alert">(.*)</p>', answer.text)
        assert reason in unescape(alert)
        (field,) = [each for each in Elements(answer.text).of("input") if "autofocus" in each]
        assert field["aria-invalid"] == "true"
        assert field["aria-describedby"] == "alert hint"
        assert field["autocomplete"] == "new-password"
        assert password not in answer.text
    done = submit(client, "/password/reset", token=token, new_password=CHOSEN)
    assert (done.status, _heading(done)) == (200, "Your password is changed")


def test_a_stage_that_asks_for_more_says_so_on_the_page(
    client: Client, mailbox: Mailbox, stage: Settings, clock: FakeClock
) -> None:
    token = _prepared(client, mailbox, "/password/reset")
    use(Container(replace(stage, password_min_length=15), clock))
    answer = submit(client, "/password/reset", token=token, new_password="x" * 14)
    assert answer.status == 400
    assert "Must have 15 to 128 characters." in answer.text
    done = submit(client, "/password/reset", token=token, new_password="fifteen letters")
    assert done.status == 200


def test_a_taken_address_is_told_on_the_page(client: Client, mailbox: Mailbox) -> None:
    token = _prepared(client, mailbox, "/email/confirm")
    client.register(2, email=OTHER)
    answer = submit(client, "/email/confirm", token=token)
    assert (answer.status, _heading(answer)) == (409, "This address belongs to another account")


def test_an_outage_is_told_on_the_page_and_the_token_stays(
    client: Client, mailbox: Mailbox, wire: Wire
) -> None:
    token = _prepared(client, mailbox, "/email/verify")
    wire.refuse("dynamodb.TransactWriteItems", "InternalServerError")
    answer = submit(client, "/email/verify", token=token)
    assert answer.status == 503
    assert "nothing has changed" in answer.text
    assert f'value="{token}"' in answer.text
    wire.reset()
    assert submit(client, "/email/verify", token=token).status == 200


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("token=a", {"Content-Type": "text/plain"}, 415),
        ("token=a", {}, 415),
        ('{"token": "a"}', {"Content-Type": "application/json"}, 415),
        ("", FORM, 400),
        ("token", FORM, 400),
        ("token=a&token=b", FORM, 400),
        ("token=a&other=b", FORM, 400),
        ("token=%FF", FORM, 400),
        ("token=ü", FORM, 400),
        ("&".join(f"t{number}=a" for number in range(99)), FORM, 400),
        ("token=" + "a" * 65_536, FORM, 413),
        ("token=a", {"Content-Type": "Application/X-WWW-Form-URLencoded; charset=utf-8"}, 400),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_form_is_read_strictly(
    client: Client, body: str, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/email/verify", body=body, headers=headers)
    assert answer.status == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "chosen",
    ["another%FFhorse", "another hörse", "another+horse&new_password=another+horse"],
    ids=["not UTF-8", "not encoded", "twice"],
)
def test_a_password_that_a_form_does_not_say_plainly_is_not_set(
    client: Client, mailbox: Mailbox, chosen: str
) -> None:
    token = _prepared(client, mailbox, "/password/reset")
    answer = client.post(
        "/password/reset", body=f"token={token}&new_password={chosen}", headers=FORM
    )
    assert (answer.status, _heading(answer)) == (400, "That did not work")
    assert _log_in(client).status == 200
    assert submit(client, "/password/reset", token=token, new_password=CHOSEN).status == 200


def test_a_form_of_many_fields_is_not_looked_at() -> None:
    body = "&".join(f"t{number}=a" for number in range(17)).encode()
    with pytest.raises(InvalidInputError) as refusal:
        read_form(body, FORM["Content-Type"], MailedTokenForm)
    assert refusal.value.errors == {"body": "Not a valid form."}


def test_a_page_names_the_product(
    client: Client, mailbox: Mailbox, stage: Settings, clock: FakeClock
) -> None:
    token = _prepared(client, mailbox, "/email/verify")
    use(Container(replace(stage, product_name="Käse & Söhne <3"), clock))
    answer = client.get(f"/email/verify?token={token}")
    assert "<span>Käse &amp; Söhne &lt;3</span>" in answer.text


# The words


def test_the_languages_have_the_same_words() -> None:
    english, german = (
        json.loads((FOLDER / f"{language}.json").read_text("utf-8")) for language in ("en", "de")
    )
    assert _shape(english | {"reasons": None}) == _shape(german | {"reasons": None})


def _shape(value: Any) -> Any:
    return {name: _shape(part) for name, part in value.items()} if isinstance(value, dict) else ""


def test_every_reason_of_the_policy_has_its_german() -> None:
    german = json.loads((FOLDER / "de.json").read_text("utf-8"))["reasons"]
    source = inspect.getsource(password_policy.PasswordPolicy)
    reasons = re.findall(r'"((?:Must|This) [^"]+\.)"', source)
    assert len(reasons) == 5
    assert german.keys() == {*reasons, "Must have {least} to {most} characters."}
