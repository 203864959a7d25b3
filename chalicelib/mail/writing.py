"""Writing mails: the layouts and the catalogues in `templates/`, one catalogue a language.

Whatever is put into HTML is escaped, and what was put in is not read as a template again. A mail
does not name its reader: usernames are chosen freely, so a stranger could have us mail anything.
"""

import tomllib
from datetime import timedelta
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from chalicelib.domain.languages import ENGLISH, LANGUAGES
from chalicelib.domain.mails import Mail
from chalicelib.domain.outbox import Errand

TEMPLATES = Path(__file__).with_name("templates")

_HOUR = timedelta(hours=1)


class TemplateWriter:
    """Writes the mails of a service that has a name."""

    def __init__(self, product: str) -> None:
        self._product = product

    def write(
        self, errand: Errand, language: str, address: str, link: str | None, lasts: timedelta | None
    ) -> Mail:
        """Write the mail of an errand, as text and as HTML.

        `link` is what its button leads to, and `lasts` for how long; None if it has no button.

        Raises:
            MailRefusedError: an address or a subject could not be a header.
        """
        language = language if language in LANGUAGES else ENGLISH
        catalogue = _catalogue(language)
        common, own = catalogue["common"], catalogue[errand.value]
        values = {"product": self._product, "lasts": _lasts(common, lasts)}

        def say(text: str) -> str:
            return Template(text).substitute(values)

        before, after = list(map(say, own["before"])), list(map(say, own["after"]))
        linked_text, linked_html = [], []
        if link is not None:
            linked_text = [f"{own['button']}:\n{link}"]
            linked_html = [
                _fill("button.html", link=link, label=own["button"], hint=common["hint"])
            ]
        facts = {
            "language": language,
            "subject": say(own["subject"]),
            "heading": say(own["heading"]),
            "closing": say(common["closing"]),
        }
        paragraphs = [
            *(_fill("paragraph.html", text=text) for text in before),
            *linked_html,
            *(_fill("paragraph.html", text=text) for text in after),
        ]
        html = Template(_read("layout.html")).substitute(
            {name: escape(value) for name, value in facts.items()},
            paragraphs="".join(paragraphs).rstrip("\n"),
        )
        text = Template(_read("layout.txt")).substitute(
            facts, paragraphs="\n\n".join([*before, *linked_text, *after])
        )
        return Mail(address=address, subject=facts["subject"], text=text, html=html)


def _fill(name: str, **values: str) -> str:
    escaped = {key: escape(value) for key, value in values.items()}
    return Template(_read(name)).substitute(escaped)


def _lasts(common: dict[str, str], lasts: timedelta | None) -> str:
    if lasts is None:
        return ""
    hours = lasts // _HOUR
    return common["one_hour"] if hours == 1 else Template(common["hours"]).substitute(count=hours)


@cache
def _read(name: str) -> str:
    return (TEMPLATES / name).read_text("utf-8")


@cache
def _catalogue(language: str) -> dict[str, Any]:
    return tomllib.loads(_read(f"{language}.toml"))
