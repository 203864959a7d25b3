"""Verifying, recovering and changing by mail, as far as it goes without reading a mailbox."""

import pytest

from tests.contract.client import PASSWORD, Client, Person

# Of the right form, and nobody's.
TOKEN = "mt1_" + "A" * 64
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PAGES = ("/email/verify", "/email/confirm", "/email/undo", "/password/reset")


@pytest.mark.parametrize("route", ["/auth/password/forgot", "/auth/email/resend"])
def test_asking_for_a_mail_tells_nothing(api: Client, person: Person, route: str) -> None:
    known = api.post(route, json={"email": person.email})
    unknown = api.post(route, json={"email": f"not-{person.email}"})
    assert known.status_code == unknown.status_code == 202
    assert known.json() == unknown.json()
    assert known.json()["status"] == "success"
    assert api.post(route, json={"email": "nonsense"}).status_code == 400


def test_mails_are_limited_alike_for_known_and_unknown_addresses(api: Client) -> None:
    person = api.register()
    for email in (person.email, f"not-{person.email}"):
        answers = [api.post("/auth/password/forgot", json={"email": email}) for _ in range(11)]
        statuses = [answer.status_code for answer in answers]
        # Five in an hour; another one may begin in between.
        assert statuses.count(202) in (5, 10)
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 3_600


@pytest.mark.parametrize("token", ["nonsense", TOKEN])
@pytest.mark.parametrize(
    ("route", "more"),
    [
        ("/auth/password/reset", {"new_password": "another horse altogether"}),
        ("/auth/email/verify", {}),
        ("/auth/email/undo", {}),
    ],
)
def test_a_bad_token_has_one_answer(
    api: Client, route: str, more: dict[str, str], token: str
) -> None:
    answer = api.post(route, json={"token": token, **more})
    assert answer.status_code == 400
    assert answer.json() == {
        "status": "fail",
        "code": "token_invalid",
        "message": "This link is no longer valid.",
    }


def test_another_address_waits_to_be_confirmed(api: Client, person: Person) -> None:
    wish = {"email": f"new-{person.email}", "current_password": PASSWORD}
    user = api.send("PATCH", "/user/me", json=wish, token=person.token)
    assert user.status_code == 200
    assert user.json()["email"] == person.email
    assert user.json()["pending_email"] == wish["email"]
    assert api.get("/user/me", token=person.token).json() == user.json()
    wrong = wish | {"current_password": "wrong"}
    refused = api.send("PATCH", "/user/me", json=wrong, token=person.token)
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_password")


@pytest.mark.parametrize("page", PAGES)
def test_a_link_leads_to_a_page_with_a_form(api: Client, page: str) -> None:
    answer = api.get(f"{page}?token={TOKEN}", headers={"Accept-Language": "de"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "form-action 'self'" in answer.headers["Content-Security-Policy"]
    assert '<html lang="de">' in answer.text
    assert f'<form method="post" action="{page.rpartition("/")[2]}">' in answer.text
    assert "<script" not in answer.text


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_that_a_token_is_bad(api: Client, page: str) -> None:
    more = "&new_password=another+horse+altogether" if "reset" in page else ""
    answer = api.post(page, body=f"token={TOKEN}{more}".encode(), headers=FORM)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "This link is no longer valid" in answer.text
