import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Route,
    ViewportSize,
    expect,
)

import app
from chalicelib import container as wiring
from chalicelib import settings
from chalicelib.container import Container
from tests.samples import LambdaContext

REGISTER = "Accounts-register"
GET_USER = "Accounts-get_user"
LOGIN = "Tokens_and_sessions-login"
LOGOUT = "Tokens_and_sessions-logout"

ADA = {"email": "ada@example.com", "username": "Ada", "password": "correct horse"}
PHONE = ViewportSize(width=390, height=844)
DESKTOP = ViewportSize(width=1280, height=900)

VIOLATIONS = """
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) =>
        window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
"""


class DocumentationPage:
    """The page, and what is done on it with a mouse and a keyboard."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requested: list[str] = []
        self.complaints: list[str] = []
        page.add_init_script(VIOLATIONS)
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._listen)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, url: str) -> None:
        self.page.goto(url)
        expect(self.page.get_by_role("heading", name="Accounts API")).to_be_visible()

    def operation(self, name: str) -> Locator:
        return self.page.locator(f"#operations-{name}")

    def unfold(self, name: str) -> None:
        self.operation(name).locator(".opblock-summary-control").click()
        expect(self.operation(name).get_by_role("button", name="Execute")).to_be_visible()

    def execute(self, name: str, status: int) -> Any:
        """Send what is filled in; the answer, which has to have a status."""
        operation = self.operation(name)
        operation.get_by_role("button", name="Execute").click()
        answer = operation.locator(".live-responses-table .response").first
        expect(answer.locator(".response-col_status")).to_contain_text(str(status))
        return json.loads(answer.locator(".highlight-code code").first.inner_text())

    def fill_in(self, name: str, body: dict[str, str]) -> None:
        self.operation(name).locator("textarea").fill(json.dumps(body))

    def body(self, name: str) -> Any:
        return json.loads(self.operation(name).locator("textarea").input_value())

    def authorize(self, token: str) -> None:
        self.page.locator(".auth-wrapper").get_by_role("button", name="Authorize").click()
        dialog = self.page.locator(".dialog-ux")
        dialog.locator("input").fill(token)
        dialog.get_by_role("button", name="Apply credentials").click()
        dialog.get_by_role("button", name="Close").last.click()
        expect(dialog).to_have_count(0)

    def click_all(self, selector: str) -> None:
        expect(self.page.locator(selector).first).to_be_attached()
        self.page.locator(selector).evaluate_all("found => found.forEach((each) => each.click())")

    def width(self) -> int:
        width: int = self.page.evaluate("document.documentElement.scrollWidth")
        return width

    def violations(self) -> Any:
        return self.page.evaluate("window.violations")


@pytest.fixture
def documentation(browser: Browser, tmp_path: Path) -> Iterator[DocumentationPage]:
    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    yield DocumentationPage(page)
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    context.close()


def test_a_first_visit_by_clicks(documentation: DocumentationPage, api: str) -> None:
    documentation.open(api)

    documentation.unfold(REGISTER)
    documentation.fill_in(REGISTER, ADA)
    assert documentation.execute(REGISTER, 201)["message"] == "Successfully registered."

    documentation.unfold(LOGIN)
    documentation.fill_in(LOGIN, {"email": "ADA@example.com", "password": ADA["password"]})
    token = documentation.execute(LOGIN, 200)["Authorization"]

    documentation.authorize(token)
    documentation.unfold(GET_USER)
    user = documentation.execute(GET_USER, 200)
    assert (user["username"], user["email"]) == (ADA["username"], ADA["email"])

    documentation.unfold(LOGOUT)
    assert documentation.execute(LOGOUT, 200)["message"] == "Successfully logged out."
    assert documentation.execute(GET_USER, 401)["code"] == "token_invalid"

    assert all(url.startswith(f"{api}/") for url in documentation.requested)
    assert documentation.violations() == []
    # The browser's own note of the last answer, and nothing else.
    assert [text.partition(" (")[0] for text in documentation.complaints] == [
        "Failed to load resource: the server responded with a status of 401"
    ]


def test_the_examples_can_be_sent_as_they_stand(documentation: DocumentationPage, api: str) -> None:
    documentation.open(api)
    for name in (REGISTER, LOGIN):
        documentation.unfold(name)
    registered = documentation.execute(REGISTER, 201)
    logged_in = documentation.execute(LOGIN, 200)
    assert registered.keys() == logged_in.keys()
    assert documentation.body(LOGIN).keys() == {"email", "password"}


def test_all_of_it_can_be_unfolded_within_the_content_security_policy(
    documentation: DocumentationPage, api: str
) -> None:
    documentation.open(api)
    page = documentation.page
    documentation.click_all(".opblock-summary-control")
    expect(page.locator(".opblock.is-open")).to_have_count(page.locator(".opblock").count())
    documentation.click_all("[role=tab][data-name=model]")
    documentation.click_all(".models-control")
    documentation.click_all(".models .json-schema-2020-12-accordion")
    expect(page.locator(".models").get_by_text("registered_on")).to_be_visible()
    assert documentation.violations() == []
    assert documentation.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser: Browser, api: str, tmp_path: Path, scheme: Any) -> None:
    context = browser.new_context(viewport=PHONE, color_scheme=scheme, is_mobile=True)
    documentation = DocumentationPage(context.new_page())
    documentation.open(api)
    assert documentation.width() == PHONE["width"]
    for name in (LOGIN, GET_USER):
        documentation.unfold(name)
    documentation.fill_in(LOGIN, {"email": "nobody@example.com", "password": "none"})
    documentation.execute(LOGIN, 401)
    documentation.page.screenshot(path=tmp_path / f"phone-{scheme}.png", full_page=True)
    assert documentation.width() == PHONE["width"]
    context.close()


def test_it_works_below_the_name_of_a_stage(
    documentation: DocumentationPage, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # API Gateway takes the stage's name off the path, and tells the function of it.
    stage = f"{api}/prod/"
    html = _page_at("/prod/", monkeypatch)

    def take_off_the_stage(route: Route) -> None:
        url = route.request.url
        if url == stage:
            route.fulfill(body=html, content_type="text/html")
        else:
            assert url.startswith(stage)
            route.fulfill(response=route.fetch(url=url.replace(stage, f"{api}/")))

    documentation.page.route("**", take_off_the_stage)
    documentation.open(stage)
    documentation.unfold(LOGIN)
    documentation.fill_in(LOGIN, {"username": "nobody", "password": "none"})
    assert documentation.execute(LOGIN, 401)["code"] == "wrong_credentials"
    assert documentation.requested[-1] == f"{stage}auth/login"


def _page_at(path: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page as the function answers it when it is asked for at a path of API Gateway's."""
    monkeypatch.setattr(wiring, "_current", Container(settings.load({"ACCOUNTS_STAGE": "test"})))
    event = {
        "headers": {},
        "multiValueHeaders": {},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
        "requestContext": {
            "httpMethod": "GET",
            "resourcePath": "/",
            "path": path,
            "requestId": "a-request",
            "identity": {"sourceIp": "127.0.0.1"},
        },
    }
    body: str = app.app(event, LambdaContext())["body"]
    return body
