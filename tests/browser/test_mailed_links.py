"""The pages that links in mails lead to, as a person uses them: a real browser, no JavaScript."""

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, ViewportSize, expect

from tests.browser.conftest import Links

PHONE = ViewportSize(width=360, height=740)
DESKTOP = ViewportSize(width=1280, height=900)
PASSWORD = "correct horse battery"
CHOSEN = "staple battery horse"
_NUMBERS = count(1)

# What WCAG 2.2 calls contrast (1.4.3), of an element's text to what is behind it.
CONTRAST = """
(element) => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((value) => value / 255)
    .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  let behind = element;
  while (channels(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
  const [one, other] = [
    light(channels(getComputedStyle(element).color)),
    light(channels(getComputedStyle(behind).backgroundColor)),
  ].sort((a, b) => b - a);
  return (one + 0.05) / (other + 0.05);
}
"""


class Person:
    """Somebody with an account, and what is mailed to them."""

    def __init__(self, api: str, links: Links) -> None:
        number = next(_NUMBERS)
        self._api = api
        self._links = links
        self.email = f"person-{number}@example.com"
        self.wanted = f"person-{number}@example.org"
        body = {"email": self.email, "username": f"Person {number}", "password": PASSWORD}
        self.token = self.send("POST", "/user", body)[1]["Authorization"]

    def send(
        self, method: str, path: str, body: object, token: str | None = None
    ) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = json.dumps(body).encode()
        request = Request(f"{self._api}{path}", data, headers, method=method)  # noqa: S310 - ours
        try:
            with urlopen(request, timeout=20) as answer:  # noqa: S310 - likewise
                return answer.status, json.load(answer)
        except OSError as refusal:
            return int(getattr(refusal, "code", 0)), None

    def may_log_in(self, password: str, email: str | None = None) -> bool:
        login = {"email": email or self.email, "password": password}
        return self.send("POST", "/auth/login", login)[0] == 200

    def wants(self) -> None:
        wish = {"email": self.wanted, "current_password": PASSWORD}
        assert self.send("PATCH", "/user/me", wish, self.token)[0] == 200

    def link(self, page: str) -> str:
        """The link that leads to a page, the person as it asks for."""
        if page == "/email/confirm":
            self.wants()
            return self._links(self.email, page, self.wanted)
        if page == "/email/undo":
            self.wants()
            text = self._links(self.email, "/email/confirm", self.wanted).rpartition("=")[2]
            assert self.send("POST", "/auth/email/verify", {"token": text})[0] == 200
            return self._links(self.wanted, page, self.email)
        return self._links(self.email, page, self.email)


PAGES = {
    "/email/verify": ("Verify my address", "Your address is verified"),
    "/email/confirm": ("Use this address", "Your email address is changed"),
    "/email/undo": ("Put my address back", "Your old address is back"),
    "/password/reset": ("Change my password", "Your password is changed"),
}
each_page = pytest.mark.parametrize("path", PAGES)


@pytest.fixture
def person(api: str, links: Links) -> Person:
    return Person(api, links)


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens a page without JavaScript; each is photographed in the end."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # Lesser ones are advice: that a form had better name the user, whom a page does not know.
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def open_page(url: str, viewport: ViewportSize = DESKTOP, **how: Any) -> Page:
        context = browser.new_context(
            viewport=viewport, java_script_enabled=False, **{"locale": "en-GB", **how}
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", listen)
        page.goto(url)
        return page

    yield open_page
    for number, context in enumerate(contexts):
        context.pages[0].screenshot(path=tmp_path / f"page-{number}.png", full_page=True)
        context.close()
    # The browser notes that an answer was a refusal, and nothing else.
    assert [text for text in complaints if "status of" not in text] == []


@each_page
def test_a_link_does_its_work_by_the_keyboard_alone(
    open_page: Callable[..., Page], person: Person, path: str
) -> None:
    button, done = PAGES[path]
    page = open_page(person.link(path))
    if path == "/password/reset":
        expect(page.get_by_label("New password")).to_be_focused()
        page.keyboard.type(CHOSEN)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name=button)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name=done)).to_be_visible()
    assert "token=" not in page.url
    if path == "/password/reset":
        assert person.may_log_in(CHOSEN)
        assert not person.may_log_in(PASSWORD)


@each_page
def test_a_link_that_was_opened_before_still_works_and_once_only(
    open_page: Callable[..., Page], person: Person, path: str
) -> None:
    button, done = PAGES[path]
    link = person.link(path)
    for _ in range(3):  # as a scanner does
        open_page(link)
    for heading in (done, "This link is no longer valid"):
        page = open_page(link)
        if path == "/password/reset":
            page.get_by_label("New password").fill(CHOSEN)
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()


def test_the_field_cuts_no_password(open_page: Callable[..., Page], person: Person) -> None:
    page = open_page(person.link("/password/reset"))
    expect(page.get_by_label("New password")).to_be_focused()
    page.keyboard.insert_text("a password manager's " * 10)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("128")
    expect(page.get_by_label("New password")).to_be_focused()
    longest = "\N{BRICK}" * 128  # browsers count each as two
    page.keyboard.insert_text(longest)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name=PAGES["/password/reset"][1])).to_be_visible()
    assert person.may_log_in(longest)


def test_a_refused_password_is_told_beside_the_field(
    open_page: Callable[..., Page], person: Person
) -> None:
    page = open_page(person.link("/password/reset"))
    field = page.get_by_label("New password")
    field.fill("password123")
    field.press("Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("one of the most common passwords")
    field = page.get_by_label("New password")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(f"{alert.inner_text()} {_hint(page)}")
    expect(field).to_have_value("")
    field.fill(CHOSEN)
    field.press("Enter")
    expect(page.get_by_role("heading", name="Your password is changed")).to_be_visible()
    assert person.may_log_in(CHOSEN)


def _hint(page: Page) -> str:
    return page.locator("#hint").inner_text()


def test_a_short_password_does_not_leave_the_browser(
    open_page: Callable[..., Page], person: Person
) -> None:
    page = open_page(person.link("/password/reset"))
    page.get_by_label("New password").fill("short")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Choose a new password")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert "token=" in page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
@each_page
def test_a_page_can_be_read_on_a_phone_and_at_night(
    browser: Browser,
    person: Person,
    tmp_path: Path,
    path: str,
    viewport: ViewportSize,
    scheme: Any,
) -> None:
    # With JavaScript for the measuring; the page has none.
    context = browser.new_context(
        viewport=viewport, color_scheme=scheme, locale="de-DE", is_mobile=viewport is PHONE
    )
    page = context.new_page()
    link = person.link(path)
    for url in (link, link[:-4]):
        page.goto(url)
        assert page.locator("html").get_attribute("lang") == "de"
        for element in page.locator(
            "h1, p, label, button, header span, input:not([type=hidden])"
        ).all():
            assert element.evaluate(CONTRAST) >= 4.5, element.inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        page.screenshot(path=tmp_path / f"{page.title()[:8]}.png", full_page=True)
    context.close()
