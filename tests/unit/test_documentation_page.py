import hashlib
import re

import pytest

from chalicelib.api import documents

PAGE = documents.PAGE
HTML = (PAGE / "index.html").read_text("utf-8")


def test_the_page_asks_for_nothing_but_files_that_are_served() -> None:
    asked = set(re.findall(r'(?:src|href)="{{base}}docs/([^"]+)"', HTML))
    assert asked == documents.FILES.keys()
    assert "://" not in HTML.replace("http://www.w3.org/2000/svg", "")


def test_the_page_has_no_script_or_style_of_its_own() -> None:
    assert re.findall(r"<script(?![^>]* src=)|<style|\bstyle=|\bon\w+=", HTML) == []
    assert "unsafe" not in documents.PAGE_POLICY


def test_nothing_can_lead_the_page_to_another_place() -> None:
    assert "<base" not in HTML
    assert {
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    } <= set(documents.PAGE_POLICY.split("; "))


def test_the_page_has_to_do_with_nobody_else() -> None:
    directives = dict(part.split(" ", 1) for part in documents.PAGE_POLICY.split("; "))
    assert directives.pop("img-src") == "'self' data:"
    assert directives["default-src"] == "'none'"
    assert set(directives.values()) == {"'none'", "'self'"}


@pytest.mark.parametrize("name", sorted(documents.FILES))
def test_its_files_name_no_source_map(name: str) -> None:
    assert "sourceMappingURL" not in (PAGE / name).read_text("utf-8")


def test_swagger_ui_is_as_it_was_taken_over() -> None:
    about, *sums = (PAGE / "VERSION").read_text("utf-8").splitlines()
    assert about.startswith("swagger-ui-dist 5.")
    files = {name: digest for digest, name in (line.split() for line in sums)}
    assert files.keys() == {"swagger-ui-bundle.js", "swagger-ui.css"}
    for name, digest in files.items():
        assert hashlib.sha256((PAGE / name).read_bytes()).hexdigest() == digest


def test_its_licence_is_beside_it() -> None:
    assert "Apache License" in (PAGE / "LICENSE").read_text("utf-8")
    assert (PAGE / "NOTICE").is_file()
    assert (PAGE / "swagger-ui-bundle.js.LICENSE.txt").is_file()
