"""What mails say, in each language, as text and as HTML."""

import re
import tomllib
from datetime import timedelta
from html.parser import HTMLParser
from string import Template
from typing import Any

import pytest

from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.mailed_tokens import LIFETIMES, Purpose
from chalicelib.domain.mails import Mail, MailRefusedError
from chalicelib.domain.outbox import Errand
from chalicelib.mail.writing import TEMPLATES, TemplateWriter

LINK = "https://accounts.example.com/email/verify?token=mt1_a-b_c&x=1"
ADDRESS = "somebody@example.com"
PRODUCT = "Bücher & <Söhne> $product ${lasts} $ %s {0}"
ESCAPED = "Bücher &amp; &lt;Söhne&gt; $product ${lasts} $ %s {0}"
PURPOSES = {
    Errand.VERIFY_EMAIL: Purpose.VERIFY,
    Errand.RESET_PASSWORD: Purpose.RESET,
    Errand.CONFIRM_EMAIL: Purpose.CONFIRM,
    Errand.EMAIL_CHANGED: Purpose.UNDO,
    Errand.PASSWORD_CHANGED: None,
    Errand.USERNAME_CHANGED: None,
}
EVERY_MAIL = [(errand, language) for errand in PURPOSES for language in LANGUAGES]
LASTS = {
    ("en", 1): "one hour",
    ("en", 24): "24 hours",
    ("en", 72): "72 hours",
    ("de", 1): "eine Stunde",
    ("de", 24): "24 Stunden",
    ("de", 72): "72 Stunden",
}


def _write(errand: Errand, language: str, product: str = "Shop") -> Mail:
    purpose = PURPOSES[errand]
    link, lasts = (LINK, LIFETIMES[purpose]) if purpose else (None, None)
    return TemplateWriter(product).write(errand, language, ADDRESS, link, lasts)


def _catalogue(language: str) -> dict[str, Any]:
    return tomllib.loads((TEMPLATES / f"{language}.toml").read_text("utf-8"))


def _shape(catalogue: dict[str, Any]) -> dict[str, Any]:
    """Its keys, and which placeholders each text has; of paragraphs, how many there are."""
    texts = {
        f"{section}.{name}": text if isinstance(text, list) else [text]
        for section, entries in catalogue.items()
        for name, text in entries.items()
    }
    return {
        name: (len(parts), sorted({name for part in parts for name in _placeholders(part)}))
        for name, parts in texts.items()
    }


def _placeholders(text: str) -> list[str]:
    template = Template(text)
    assert template.is_valid()
    return template.get_identifiers()


class _Page(HTMLParser):
    """A mail's HTML, as far as a test needs to know it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "title"}:
            self.words += data.split()

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


# The catalogues


def test_every_language_says_the_same_with_the_same_placeholders() -> None:
    shapes = {language: _shape(_catalogue(language)) for language in LANGUAGES}
    assert all(shape == shapes["en"] for shape in shapes.values())


def test_there_is_a_catalogue_for_each_language_and_no_file_that_nobody_reads() -> None:
    layouts = ["button.html", "layout.html", "layout.txt", "paragraph.html"]
    catalogues = [f"{language}.toml" for language in LANGUAGES]
    assert sorted(path.name for path in TEMPLATES.iterdir()) == sorted(layouts + catalogues)


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_is_a_mail_for_every_errand_but_that_which_mails_nothing(language: str) -> None:
    mailed = {errand.value for errand in Errand} - {Errand.ANONYMISE.value}
    assert _catalogue(language).keys() - {"common"} == mailed


def test_the_languages_are_not_the_same() -> None:
    english, german = (_catalogue(language) for language in ("en", "de"))
    for errand in PURPOSES:
        for part in ("subject", "heading", "button"):
            text = english[errand.value].get(part)
            assert text is None or text != german[errand.value][part]


# The mails


@pytest.mark.parametrize(("errand", "language"), EVERY_MAIL)
def test_a_mail_says_whose_it_is_what_to_do_and_for_how_long(errand: Errand, language: str) -> None:
    mail = _write(errand, language)
    purpose = PURPOSES[errand]
    own = _catalogue(language)[errand.value]
    assert mail.address == ADDRESS
    assert mail.subject == Template(own["subject"]).substitute(product="Shop")
    assert "Shop" in mail.subject
    assert mail.text.startswith(own["heading"])
    assert "$" not in mail.text + mail.html
    if purpose is None:
        assert LINK not in mail.text
        assert "<a " not in mail.html
    else:
        assert f"{own['button']}:\n{LINK}\n" in mail.text
        hours = LIFETIMES[purpose] // timedelta(hours=1)
        assert LASTS[language, hours] in mail.text
    assert mail.text.endswith("Shop.\n")


@pytest.mark.parametrize(("errand", "language"), EVERY_MAIL)
def test_text_and_html_say_the_same(errand: Errand, language: str) -> None:
    mail = _write(errand, language)
    page = _Page(mail.html)
    assert page.open == []
    hint = _catalogue(language)["common"]["hint"].split()
    label = _catalogue(language)[errand.value].get("button", "").split()
    in_html = [word for word in page.words if word not in {LINK, *hint, *label}]
    in_text = [
        word
        for word in mail.text.replace(":\nhttps", " https").split()
        if word not in {LINK, *hint, *label}
    ]
    assert in_html == in_text


@pytest.mark.parametrize(("errand", "language"), EVERY_MAIL)
def test_the_html_works_for_everybody(errand: Errand, language: str) -> None:
    html = _write(errand, language).html
    page = _Page(html)
    assert page.all("html") == [{"lang": language}]
    assert {tag for tag, _ in page.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "div", "h1", "p", "a", "br")
    }
    assert len(page.all("h1")) == 1
    assert {"name": "color-scheme", "content": "light dark"} in page.all("meta")
    assert "prefers-color-scheme: dark" in html
    # Nothing is loaded: whoever reads a mail is not told of to anybody.
    assert not re.search(r"url\(|@import|<img|<link|src=", html)
    links = [attributes["href"] for attributes in page.all("a")]
    assert links == ([LINK, LINK] if PURPOSES[errand] else [])


@pytest.mark.parametrize(("errand", "language"), EVERY_MAIL)
def test_whatever_the_product_is_called_it_is_text(errand: Errand, language: str) -> None:
    mail = _write(errand, language, PRODUCT)
    assert PRODUCT in mail.subject
    assert PRODUCT in mail.text
    assert ESCAPED in mail.html
    assert "<Söhne>" not in mail.html
    assert _Page(mail.html).open == []


def test_a_link_cannot_leave_its_attribute() -> None:
    evil = 'https://a.example/"><script>alert(1)</script>'
    html = TemplateWriter("Shop").write(Errand.VERIFY_EMAIL, "en", ADDRESS, evil, timedelta(days=1))
    assert "<script" not in html.html
    assert [attributes["href"] for attributes in _Page(html.html).all("a")] == [evil, evil]


def test_a_language_that_there_is_none_of_is_english() -> None:
    for language in ("fr", "", "../en", "EN"):
        assert _write(Errand.RESET_PASSWORD, language) == _write(Errand.RESET_PASSWORD, "en")


# Headers


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\u2028", "\u0085", "\v", "\0"])
def test_no_name_can_add_a_header(end: str) -> None:
    with pytest.raises(MailRefusedError):
        _write(Errand.VERIFY_EMAIL, "en", f"Shop{end}Bcc: a@b.example")
    with pytest.raises(MailRefusedError) as refusal:
        Mail(address=f"a@b.example{end}Bcc: c@d.example", subject="Hello", text="", html="")
    assert "example" not in str(refusal.value)


def test_a_mail_does_not_show_whose_it_is_or_what_is_in_it() -> None:
    shown = repr(_write(Errand.RESET_PASSWORD, "en"))
    assert ADDRESS not in shown
    assert "token" not in shown
