"""The pages that links in mails lead to: plain HTML that works without JavaScript.

Scanners open the links in mails. So a GET neither spends a token nor asks the store about it: a
button does, by a form that posts the token to where the page is.
"""

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from chalicelib.api.routes import Document, Routes
from chalicelib.api.schemas import LinkQuery, MailedTokenForm, ResetForm
from chalicelib.container import container
from chalicelib.domain.errors import (
    AccountsError,
    EmailTakenError,
    InvalidInputError,
    MailedTokenInvalidError,
    TooManyRequestsError,
)
from chalicelib.domain.languages import ENGLISH
from chalicelib.domain.mailed_tokens import MailedToken
from chalicelib.domain.passwords import LONGEST_PASSWORD, NewPassword
from chalicelib.domain.sessions import Client

routes = Routes(__name__, tag="Pages")

FOLDER = Path(__file__).parent / "pages"
_HTML = "text/html"
_FIELD = "new_password"


@routes.get(
    "/email/verify",
    query=LinkQuery,
    reads_client=True,
    answer=Document,
    media_types=(_HTML,),
    errors=(MailedTokenInvalidError,),
    explain=lambda error, inputs: _explain("verify", error, inputs),
)
def show_verification(query: LinkQuery, client: Client) -> Document:
    """Show the button that verifies an address."""
    return _form_for_link("verify", query, client)


@routes.post(
    "/email/verify",
    form=MailedTokenForm,
    reads_client=True,
    answer=Document,
    media_types=(_HTML,),
    errors=(MailedTokenInvalidError, EmailTakenError, TooManyRequestsError),
    explain=lambda error, inputs: _explain("verify", error, inputs),
    counts="EmailsVerified",
)
def submit_verification(form: MailedTokenForm, client: Client) -> Document:
    """Verify an address, as `POST /auth/email/verify` does."""
    container().emails.verify(form.token, client)
    return _done("verify", client.language)


@routes.get(
    "/email/confirm",
    query=LinkQuery,
    reads_client=True,
    answer=Document,
    media_types=(_HTML,),
    errors=(MailedTokenInvalidError,),
    explain=lambda error, inputs: _explain("confirm", error, inputs),
)
def show_confirmation(query: LinkQuery, client: Client) -> Document:
    """Show the button that puts a new address in the old one's place."""
    return _form_for_link("confirm", query, client)


@routes.post(
    "/email/confirm",
    form=MailedTokenForm,
    reads_client=True,
    answer=Document,
    media_types=(_HTML,),
    errors=(MailedTokenInvalidError, EmailTakenError, TooManyRequestsError),
    explain=lambda error, inputs: _explain("confirm", error, inputs),
    counts="EmailsVerified",
)
def submit_confirmation(form: MailedTokenForm, client: Client) -> Document:
    """Put a new address in the old one's place, as `POST /auth/email/verify` does."""
    container().emails.verify(form.token, client)
    return _done("confirm", client.language)


@routes.get(
    "/email/undo",
    query=LinkQuery,
    reads_client=True,
    answer=Document,
    media_types=(_HTML,),
    errors=(MailedTokenInvalidError,),
    explain=lambda error, inputs: _explain("undo", error, inputs),
)
def show_undoing(query: LinkQuery, client: Client) -> Document:
    """Show the button that puts a former address back."""
    return _form_for_link("undo", query, client)


@routes.post(
    "/email/undo",
    form=MailedTokenForm,
    reads_client=True,
    answer=Document,
    media_types=(_HTML,),
    errors=(MailedTokenInvalidError, TooManyRequestsError),
    explain=lambda error, inputs: _explain("undo", error, inputs),
    counts="EmailChangesUndone",
)
def submit_undoing(form: MailedTokenForm, client: Client) -> Document:
    """Put a former address back, as `POST /auth/email/undo` does."""
    container().emails.undo(form.token, client)
    return _done("undo", client.language)


@routes.get(
    "/password/reset",
    query=LinkQuery,
    reads_client=True,
    answer=Document,
    media_types=(_HTML,),
    errors=(MailedTokenInvalidError,),
    explain=lambda error, inputs: _explain("reset", error, inputs),
)
def show_reset(query: LinkQuery, client: Client) -> Document:
    """Show the form for a new password."""
    return _form_for_link("reset", query, client)


@routes.post(
    "/password/reset",
    form=ResetForm,
    reads_client=True,
    answer=Document,
    media_types=(_HTML,),
    errors=(MailedTokenInvalidError, TooManyRequestsError),
    explain=lambda error, inputs: _explain("reset", error, inputs),
    counts="PasswordResets",
)
def submit_reset(form: ResetForm, client: Client) -> Document:
    """Set another password, as `POST /auth/password/reset` does."""
    # Not parsed before the token is: the policy says what is wrong with its length, too.
    container().recovery.reset(form.token, NewPassword(form.new_password.text), client)
    return _done("reset", client.language)


def _form_for_link(page: str, query: LinkQuery, client: Client) -> Document:
    # What is no token at all need not wait for a button to be called so.
    if MailedToken.parse(query.token) is None:
        raise MailedTokenInvalidError
    return _form(page, client.language, query.token)


def _explain(page: str, error: AccountsError, inputs: Mapping[str, Any]) -> Document:
    """Say what went wrong, what is as it was, and what to do next; keep the form if it can help."""
    language = inputs["client"].language if "client" in inputs else ENGLISH
    texts = _texts(language)
    form: MailedTokenForm | ResetForm | None = inputs.get("form")
    if form is not None:
        reasons = error.errors if isinstance(error, InvalidInputError) else {}
        if _FIELD in reasons:
            return _form(page, language, form.token, reason=_reason(language, reasons[_FIELD]))
        if error.code in texts["retry"]:
            return _form(page, language, form.token, alert=texts["retry"][error.code])
    heading = texts["failures"].get(error.code, texts["failures"]["other"])
    if isinstance(error, MailedTokenInvalidError):
        text = texts["pages"][page]["again"]
    else:
        text = texts["after"].get(error.code, texts["after"]["other"])
    return _page(language, heading, _fill("notice", heading=heading, text=text))


def _form(
    page: str, language: str, token: str, *, reason: str | None = None, alert: str | None = None
) -> Document:
    texts = _texts(language)["pages"][page]
    shown = reason or alert
    fields = _password(language, refused=reason is not None) if page == "reset" else ""
    main = _fill(
        "form",
        {"alert": _fill("alert", text=shown) if shown else "", "fields": fields},
        heading=texts["title"],
        lead=texts["lead"],
        action=_action(),
        token=token,
        button=texts["button"],
    )
    return _page(language, texts["title"], main)


def _password(language: str, *, refused: bool) -> str:
    texts = _texts(language)["password"]
    bounds = _bounds()
    return _fill(
        "password",
        {
            "described_by": "alert hint" if refused else "hint",
            "invalid": ' aria-invalid="true"' if refused else "",
        },
        label=texts["label"],
        hint=texts["hint"].format_map(bounds),
        # No greatest length: browsers cut what is pasted, and do not say so.
        least=str(bounds["least"]),
    )


def _done(page: str, language: str) -> Document:
    texts = _texts(language)["pages"][page]
    main = _fill("notice", heading=texts["done"], text=texts["next"])
    return _page(language, texts["done"], main)


def _page(language: str, title: str, main: str) -> Document:
    style = _read("page.css")
    text = _fill(
        "page",
        {"style": style, "main": main},
        lang=language,
        title=title,
        product=container().settings.product_name,
    )
    headers = {"Content-Security-Policy": _policy(style), "X-Robots-Tag": "noindex"}
    return Document(text, f"{_HTML}; charset=utf-8", None, headers)


def _action() -> str:
    """Where the page is, seen from itself: below a stage's name, with or without a last slash."""
    path: str = routes.current_request.context["path"]
    name = path.rstrip("/").rpartition("/")[2]
    return f"../{name}" if path.endswith("/") else name


def _reason(language: str, reason: str) -> str:
    """Why a password was refused, in a language; the policy's own words are English."""
    bounds = _bounds()
    told: dict[str, str] = _texts(language)["reasons"]
    known = {english.format_map(bounds): text for english, text in told.items()}
    return known.get(reason, reason).format_map(bounds)


def _bounds() -> dict[str, int]:
    return {"least": container().settings.password_min_length, "most": LONGEST_PASSWORD}


def _fill(name: str, markup: Mapping[str, str] | None = None, /, **texts: str) -> str:
    """Fill in a template: texts are escaped, markup is put in as it is."""
    escaped = {name: html.escape(text) for name, text in texts.items()}
    return Template(_read(f"{name}.html").rstrip("\n")).substitute(escaped, **markup or {})


@cache
def _read(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")


@cache
def _texts(language: str) -> dict[str, Any]:
    texts: dict[str, Any] = json.loads(_read(f"{language}.json"))
    return texts


@cache
def _policy(style: str) -> str:
    """What a page may load: its own stylesheet, told by its hash, its icon, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
