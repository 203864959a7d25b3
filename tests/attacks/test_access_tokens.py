"""No forged, confused or mangled access token is taken, anywhere."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from jwt.algorithms import RSAAlgorithm

from chalicelib.container import Container, use
from chalicelib.domain.mailed_tokens import Purpose
from chalicelib.domain.tokens import LEEWAY_SECONDS
from chalicelib.keys.parameters import Parameter, new_signing_key
from chalicelib.services import authentication, tokens
from chalicelib.services.keyring import PATIENCE, KeyRing
from chalicelib.settings import Settings
from tests.api.client import Client
from tests.api.lines import Lines
from tests.attacks.access_tokens import (
    EXPIRED,
    FAMILIES,
    INVALID,
    REVOKED,
    Attack,
    Target,
    Work,
    corpus,
)
from tests.attacks.judging import Judge, decide, is_denial
from tests.aws import Cloud, Wire
from tests.fakes import START, FakeClock, public_id
from tests.mailed import mailed
from tests.samples import PASSWORD, claims_of, header_of


@pytest.fixture
def judge(client: Client, wire: Wire, lines: Lines) -> Judge:
    return Judge(client, wire, lines)


@pytest.fixture
def target(client: Client, key_parameters: tuple[Parameter, Parameter], foreign_pem: str) -> Target:
    good = client.log_in(1)
    stranger = claims_of(client.register(2))
    token = str(good["Authorization"])
    mail, _ = mailed(claims_of(token)["sub"], Purpose.VERIFY, "a@example.com")
    return Target(
        good=token,
        pem=key_parameters[0].value,
        foreign_pem=foreign_pem,
        stranger=stranger["sub"],
        strangers_session=stranger["sid"],
        nobody=public_id(999_999),
        others={
            "a refresh token": str(good["refresh_token"]),
            "a mailed token": mail,
            "a session's identifier": str(good["session_id"]),
            "a user's identifier": claims_of(token)["sub"],
            "a token's identifier": claims_of(token)["jti"],
            "a key's identifier": header_of(token)["kid"],
            "a password": PASSWORD.replace(" ", "-"),
        },
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_every_attack_is_refused_and_called_what_it_is(
    family: str, judge: Judge, target: Target
) -> None:
    attacks = list(FAMILIES[family](target))
    assert len(attacks) > 5
    assert judge.faults(attacks) == []
    assert not is_denial(decide(target.good)), "the good token is still one"


def test_what_the_contract_accepts_is_accepted(client: Client, target: Target) -> None:
    for authorization in (
        *(target.good, f"Bearer {target.good}", f"bearer {target.good}", f"BEARER {target.good}"),
        *(f"bEaReR {target.good}", f"Bearer   {target.good}", f" \tBearer {target.good} \t"),
        f"  {target.good}  ",
    ):
        assert not is_denial(decide(authorization)), authorization[:12]
        assert client.get("/user/me", headers={"Authorization": authorization}).status == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1 - LEEWAY_SECONDS, "iat": -900},
        {"iat": LEEWAY_SECONDS},
        {"nbf": LEEWAY_SECONDS},
        {"iat": -85_500},
        {"nbf": -9_999},
    ],
    ids=str,
)
def test_a_second_inside_every_edge_a_token_is_good(target: Target, claims: dict[str, int]) -> None:
    inside = {name: target.now + seconds for name, seconds in claims.items()}
    assert not is_denial(decide(target.forge(claims=inside)))


def test_made_up_key_ids_make_it_read_the_key_set_once_in_a_while(
    client: Client, clock: FakeClock, wire: Wire, target: Target
) -> None:
    unknown = [target.forge({"kid": f"evil-{number}"}) for number in range(50)]
    for _ in range(2):
        clock.step(seconds=PATIENCE.total_seconds())
        wire.calls.clear()
        for token in unknown:
            assert is_denial(decide(token))
            assert client.post("/auth/logout", token=token).status == 401
        assert wire.operations == ["ssm.GetParametersByPath"]


def test_tokens_of_keys_that_are_gone_or_revoked_are_refused(
    cloud: Cloud, stage: Settings, clock: FakeClock, judge: Judge, target: Target
) -> None:
    retired, other_stages = new_signing_key(START), new_signing_key(START)
    cloud.put(retired[1])
    use(Container(stage, clock))
    retired_id = retired[1].name.rpartition("/")[2]
    of_retired = target.forge({"kid": retired_id}, pem=retired[0].value)
    assert not is_denial(decide(of_retired)), "as long as it is published"
    cloud.revoke_key(retired_id)
    revoked = Attack("of a revoked key", of_retired, REVOKED, Work.STORE)
    assert judge.faults([revoked]) == []
    cloud.withdraw(retired_id)
    use(Container(stage, clock))
    assert not is_denial(decide(target.good))
    other_id = other_stages[1].name.rpartition("/")[2]
    of_other = target.forge({"kid": other_id}, pem=other_stages[0].value)
    under_ours = target.forge(pem=other_stages[0].value)
    assert (
        judge.faults(
            [
                Attack("of a key that is gone", of_retired, INVALID, Work.KEYS),
                Attack("of another stage's key", of_other, INVALID, Work.KEYS),
                Attack("of another stage's key under our key's name", under_ours),
            ]
        )
        == []
    )


def test_tokens_that_were_good_are_refused_for_what_ended_them(
    client: Client, cloud: Cloud, clock: FakeClock, judge: Judge
) -> None:
    out, closed, disabled, raised, old = (client.log_in(number) for number in range(1, 6))
    owner = {"current_password": PASSWORD}
    assert client.post("/auth/logout", token=out["Authorization"]).status == 200
    assert client.delete("/user/me", owner, token=closed["Authorization"]).status == 200
    cloud.change(claims_of(disabled["Authorization"])["sub"], disabled={"BOOL": True})
    cloud.change(claims_of(raised["Authorization"])["sub"], token_version={"N": "2"})
    assert (
        judge.faults(
            [
                Attack("logged out", out["Authorization"], REVOKED, Work.STORE),
                Attack("of a closed account", closed["Authorization"], INVALID, Work.STORE),
                Attack("of a disabled one", disabled["Authorization"], INVALID, Work.STORE),
                Attack("of an earlier version", raised["Authorization"], REVOKED, Work.STORE),
            ]
        )
        == []
    )
    clock.step(seconds=900 + LEEWAY_SECONDS - 1)
    assert not is_denial(decide(old["Authorization"]))
    clock.step(seconds=1)
    assert judge.faults([Attack("expired", old["Authorization"], EXPIRED)]) == []


# What follows takes one defence away each, and sees that the corpus notices.

Patch = Callable[[pytest.MonkeyPatch], None]


class _Jwt(SimpleNamespace):
    """PyJWT, with another `decode`."""

    InvalidTokenError = jwt.InvalidTokenError
    encode = staticmethod(jwt.encode)


def _decoding(change: Callable[[dict[str, Any]], object]) -> Patch:
    """Call PyJWT otherwise."""

    def decode(*given: Any, **options: Any) -> Any:
        options["options"] = dict(options["options"])
        change(options)
        return jwt.decode(*given, **options)

    return lambda patch: patch.setattr(tokens, "jwt", _Jwt(decode=decode))


def _seeing(**members: Any) -> Patch:
    """Take these members of every header for what ours have."""
    read = tokens._members  # noqa: SLF001 - what it is replaced by

    def members_of(part: str) -> dict[str, Any]:
        found = read(part)
        return found | members if "kid" in found or "alg" in found else found

    return lambda patch: patch.setattr(tokens, "_members", members_of)


def _believing_the_header(patch: pytest.MonkeyPatch) -> None:
    """Verify with the key that a token brings along."""

    def decode(token: str, key: Any, **options: Any) -> Any:
        header = jwt.get_unverified_header(token)
        if isinstance(header.get("jwk"), dict) and header["jwk"].get("kty") == "RSA":
            key = RSAAlgorithm.from_jwk(header["jwk"])
        return jwt.decode(token, key, **options)

    patch.setattr(tokens, "jwt", _Jwt(decode=decode))


def _taking_whole_numbers_in_any_form(patch: pytest.MonkeyPatch) -> None:
    def decode(*given: Any, **options: Any) -> Any:
        claims = jwt.decode(*given, **options)
        for name in ("iat", "exp", "nbf"):
            if isinstance(claims.get(name), float | str | bool):
                claims[name] = int(float(claims[name]))
        return claims

    patch.setattr(tokens, "jwt", _Jwt(decode=decode))


def _using_any_key(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(KeyRing, "find", lambda ring, _key_id: ring.public_keys()[0])


def _last_member_wins(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tokens, "_unique", dict)


DEFENCES: dict[str, tuple[str, Patch]] = {
    "the signature is verified": (
        "tampered",
        _decoding(lambda given: given["options"].update(verify_signature=False, verify_iss=True)),
    ),
    "the key is ours": ("keys_brought_along", _believing_the_header),
    "the key is the one that is named": ("key_ids", _using_any_key),
    "the header names our algorithm": (
        "other_signatures",
        lambda patch: (
            _seeing(alg="RS256")(patch),
            _decoding(lambda given: given.update(algorithms=["RS256", "RS384", "RS512", "PS256"]))(
                patch
            ),
        )[0],
    ),
    "the type is that of access tokens": ("headers", _seeing(typ="at+jwt")),
    "there is one spelling": (
        "spellings",
        lambda patch: patch.setattr(tokens, "_is_canonical", lambda _part: True),
    ),
    "blanks are HTTP's": (
        "spellings",
        lambda patch: patch.setattr(authentication, "_BLANKS", None),
    ),
    "the length is bounded": (
        "sizes",
        lambda patch: patch.setattr(tokens, "LONGEST_TOKEN", 10**9),
    ),
    "no member is there twice": ("duplicates", _last_member_wins),
    "the leeway is short": ("times", lambda patch: patch.setattr(tokens, "LEEWAY_SECONDS", 61)),
    "lives are bounded": (
        "times",
        lambda patch: patch.setattr(tokens, "LONGEST_ACCESS_TOKEN_SECONDS", 10**400),
    ),
    "times are whole numbers": ("times", _taking_whole_numbers_in_any_form),
    "every claim is there": (
        "claims",
        _decoding(lambda given: given["options"].update(require=[])),
    ),
    "the issuer is this one": ("claims", _decoding(lambda given: given.pop("issuer"))),
    "the audience is this one": (
        "claims",
        _decoding(lambda given: given["options"].update(verify_aud=False)),
    ),
    "there is one audience": (
        "claims",
        _decoding(lambda given: given["options"].update(strict_aud=False)),
    ),
    "subjects are users": (
        "claims",
        lambda patch: patch.setattr(tokens, "is_public_id", lambda _text: True),
    ),
    "sessions look like ours": (
        "claims",
        lambda patch: patch.setattr(tokens, "is_session_id", lambda _text: True),
    ),
    "texts are text": ("claims", lambda patch: patch.setattr(tokens, "_TEXTS", ("sub", "sid"))),
}


@pytest.mark.parametrize("defence", DEFENCES)
def test_without_a_defence_the_corpus_has_its_way(
    defence: str, judge: Judge, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    family, remove = DEFENCES[defence]
    attacks = list(FAMILIES[family](target))
    remove(monkeypatch)
    assert not is_denial(decide(target.good))
    assert any(_notices(judge, attack) for attack in attacks)


def _notices(judge: Judge, attack: Attack) -> bool:
    try:
        return judge.faults([attack]) != []
    except AssertionError:  # a 500, of which the client makes one: what is behind a defence broke
        return True


def test_the_corpus_is_as_large_as_it_says(target: Target) -> None:
    """docs/security/fuzzing.md counts on it."""
    assert sum(map(len, corpus(target).values())) > 1_500
