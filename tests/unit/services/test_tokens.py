import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from chalicelib.domain.errors import TokenExpiredError, TokenInvalidError, UnavailableError
from chalicelib.domain.tokens import (
    LEEWAY_SECONDS,
    LONGEST_ACCESS_TOKEN_SECONDS,
    PublicKey,
)
from chalicelib.keys.parameters import Parameter
from chalicelib.services.keyring import KeyRing
from chalicelib.services.tokens import LONGEST_TOKEN, TokenIssuer, TokenVerifier
from tests.fakes import START, FakeClock, FakeKeySource, public_id
from tests.samples import a_session, a_user, claims_of, decode, encode, header_of, signed
from tests.unit.services.conftest import AUDIENCE, ISSUER, Issue

NOW = 1_767_323_045
LIFETIME = 900


@pytest.fixture
def pem(key_parameters: tuple[Parameter, Parameter]) -> str:
    return key_parameters[0].value


@pytest.fixture
def token(issue: Issue) -> str:
    return issue(a_user()).text


Forge = Callable[..., str]


@pytest.fixture
def forge(token: str, pem: str) -> Forge:
    """A good token with some of its header or claims changed, signed with our own key."""

    def change(
        header: dict[str, Any] | None = None,
        claims: dict[str, Any] | None = None,
        without: tuple[str, ...] = (),
        key: str = pem,
    ) -> str:
        whole_header = header_of(token) | (header or {})
        whole_claims = claims_of(token) | (claims or {})
        for name in without:
            whole_header.pop(name, None)
            whole_claims.pop(name, None)
        return signed(whole_header, whole_claims, key)

    return change


def _refused(verifier: TokenVerifier, token: str) -> None:
    with pytest.raises(TokenInvalidError):
        verifier.verify(token)


# What is issued


def test_a_token_says_exactly_what_the_contract_says(issue: Issue) -> None:
    token = issue(a_user(token_version=7))
    assert token.expires_in == LIFETIME
    assert header_of(token.text).keys() == {"typ", "alg", "kid"}
    assert claims_of(token.text) == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": public_id(1),
        "client_id": "web",
        "iat": NOW,
        "exp": NOW + LIFETIME,
        "jti": public_id(1),
        "sid": a_session().session_id,
        "scope": "user",
        "ver": 7,
    }


def test_a_tokens_header_names_its_type_and_key(token: str, ring: KeyRing) -> None:
    assert header_of(token) == {
        "typ": "at+jwt",
        "alg": "RS256",
        "kid": ring.signing_key().key_id,
    }


def test_an_admins_token_says_so(issue: Issue) -> None:
    assert claims_of(issue(a_user(admin=True)).text)["scope"] == "user admin"


def test_a_token_says_nothing_about_the_person(issue: Issue) -> None:
    user = a_user(email="secret@example.com", username="Secret", metadata={"a": "secret"})
    text = issue(user).text
    assert "ecret" not in json.dumps(claims_of(text)) + json.dumps(header_of(text))


@pytest.mark.parametrize(("seconds", "lives"), [(0.9, 0), (1, 1), (899, 899), (901, LIFETIME)])
def test_a_token_does_not_outlive_its_session(
    issuer: TokenIssuer, ring: KeyRing, seconds: float, lives: int
) -> None:
    ends_at = START + timedelta(seconds=seconds)
    token = issuer.issue(a_user(), a_session().session_id, ends_at, ring.signing_key())
    assert token.expires_in == lives
    assert claims_of(token.text)["exp"] == NOW + lives


def test_every_token_has_an_identifier_of_its_own(issue: Issue) -> None:
    tokens = [issue(a_user()).text for _ in range(3)]
    assert len({claims_of(token)["jti"] for token in tokens}) == 3


def test_any_library_can_verify_a_token_by_the_published_key(token: str, ring: KeyRing) -> None:
    jwks = jwt.PyJWKSet.from_dict({"keys": [key.to_jwk() for key in ring.public_keys()]})
    claims = jwt.decode(
        token,
        jwks[header_of(token)["kid"]],
        algorithms=["RS256"],
        audience=AUDIENCE,
        issuer=ISSUER,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["sub"] == public_id(1)


def test_without_a_key_no_token_is_issued(issue: Issue, keys: FakeKeySource) -> None:
    keys.down = True
    with pytest.raises(UnavailableError):
        issue(a_user())


def test_a_signing_key_that_is_not_private_signs_nothing(
    key_parameters: tuple[Parameter, Parameter], pem: str, issue: Issue, keys: FakeKeySource
) -> None:
    public_pem = _public_pem(pem)
    keys.put(Parameter(key_parameters[0].name, public_pem, secret=True))
    with pytest.raises(ValueError, match="no BEGIN/END delimiters for a private key"):
        issue(a_user())


def test_a_signing_key_of_another_kind_signs_nothing(
    key_parameters: tuple[Parameter, Parameter], issue: Issue, keys: FakeKeySource
) -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1())
    private_pem = elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    keys.put(Parameter(key_parameters[0].name, private_pem.decode(), secret=True))
    with pytest.raises(TypeError, match="not a private RSA key"):
        issue(a_user())


class _WholeKey(PublicKey):
    """A key that was published with its private half, by mistake."""

    def to_jwk(self) -> dict[str, str]:
        numbers = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        jwk: dict[str, str] = RSAAlgorithm.to_jwk(numbers, as_dict=True)
        return jwk


class _CarelessSource(FakeKeySource):
    def public_keys(self) -> tuple[PublicKey, ...]:
        return tuple(
            _WholeKey(key.key_id, key.created_at, key.modulus, key.exponent)
            for key in super().public_keys()
        )


def test_a_key_that_was_published_whole_verifies_nothing(
    token: str, clock: FakeClock, key_parameters: tuple[Parameter, Parameter]
) -> None:
    source = _CarelessSource()
    source.put(key_parameters[1])
    verifier = TokenVerifier(KeyRing(source, clock), issuer=ISSUER, audience=AUDIENCE, clock=clock)
    with pytest.raises(TypeError, match="not one"):
        verifier.verify(token)


# What is accepted


def test_a_token_of_ours_says_whose_it_is(verifier: TokenVerifier, token: str) -> None:
    claims = verifier.verify(token)
    assert claims.public_id == public_id(1)
    assert claims.session_id == a_session().session_id
    assert claims.token_version == 1
    assert claims.key_id == header_of(token)["kid"]


def test_a_token_of_an_older_key_is_good_as_long_as_the_key_is_published(
    verifier: TokenVerifier, token: str, keys: FakeKeySource, ring: KeyRing, clock: FakeClock
) -> None:
    public = ring.public_keys()[0]
    newer = {
        "kty": "RSA",
        "n": public.modulus,
        "e": "AQAB",
        "created_at": "2026-01-03T00:00:00+00:00",
    }
    keys.put(Parameter("public-keys/newer", json.dumps(newer), secret=False))
    clock.step(minutes=5)
    assert verifier.verify(token).public_id == public_id(1)
    keys.withdraw(public.key_id)
    clock.step(minutes=5)
    _refused(verifier, token)


@pytest.mark.parametrize("seconds", [0, LIFETIME - 1, LIFETIME, LIFETIME + 4])
def test_a_token_is_good_until_its_time_and_the_leeway_are_over(
    verifier: TokenVerifier, token: str, clock: FakeClock, seconds: int
) -> None:
    clock.step(seconds=seconds)
    assert verifier.verify(token).public_id == public_id(1)


@pytest.mark.parametrize("seconds", [LIFETIME + 5, LIFETIME + 3_600])
def test_a_token_past_its_time_has_expired(
    verifier: TokenVerifier, token: str, clock: FakeClock, seconds: int
) -> None:
    clock.step(seconds=seconds)
    with pytest.raises(TokenExpiredError):
        verifier.verify(token)


def test_times_are_compared_with_the_clock_that_was_handed_over(
    verifier: TokenVerifier, forge: Forge, clock: FakeClock
) -> None:
    clock.step(days=20_000)  # no other clock is there yet
    now = NOW + 20_000 * 86_400
    ahead = forge(claims={"iat": now, "nbf": now, "exp": now + LIFETIME})
    assert verifier.verify(ahead).public_id == public_id(1)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_whose_time_has_not_come_is_refused_beyond_the_leeway(
    verifier: TokenVerifier, forge: Forge, claim: str
) -> None:
    assert verifier.verify(forge(claims={claim: NOW + LEEWAY_SECONDS})).public_id == public_id(1)
    _refused(verifier, forge(claims={claim: NOW + LEEWAY_SECONDS + 1}))


def test_a_token_that_says_more_than_ours_do_is_still_ours(
    verifier: TokenVerifier, forge: Forge
) -> None:
    assert verifier.verify(
        forge(claims={"nbf": NOW, "acr": "s", "amr": ["pwd"]})
    ).public_id == public_id(1)


# RFC 8725: what is refused


def test_a_forged_signature_is_refused(
    verifier: TokenVerifier, forge: Forge, foreign_pem: str, token: str
) -> None:
    _refused(verifier, forge(key=foreign_pem))
    head, claims, signature = token.split(".")
    flipped = bytearray(decode(signature))
    flipped[10] ^= 1
    _refused(verifier, f"{head}.{claims}.{encode(bytes(flipped))}")
    _refused(verifier, f"{head}.{claims}.{encode(decode(signature)[:-1])}")
    _refused(verifier, f"{head}.{claims}.{encode(bytes(256))}")


def test_changed_claims_are_refused(verifier: TokenVerifier, token: str) -> None:
    head, _, signature = token.split(".")
    claims = encode(json.dumps(claims_of(token) | {"scope": "user admin"}).encode())
    _refused(verifier, f"{head}.{claims}.{signature}")


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, "none ", 0, ["RS256"]])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_an_unsigned_token_is_refused(
    verifier: TokenVerifier, token: str, alg: object, signature: str
) -> None:
    header = encode(json.dumps(header_of(token) | {"alg": alg}).encode())
    _refused(verifier, f"{header}.{token.split('.')[1]}.{signature}")


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(
    verifier: TokenVerifier, token: str, pem: str, ring: KeyRing
) -> None:
    jwk = json.dumps(ring.public_keys()[0].to_jwk()).encode()
    modulus = decode(ring.public_keys()[0].modulus)
    for alg, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
        header = encode(json.dumps(header_of(token) | {"alg": alg}).encode())
        signing_input = f"{header}.{token.split('.')[1]}"
        for secret in (_public_pem(pem).encode(), _public_pem(pem).strip().encode(), jwk, modulus):
            mac = hmac.digest(secret, signing_input.encode(), digest)
            _refused(verifier, f"{signing_input}.{encode(mac)}")


def _public_pem(pem: str) -> str:
    public = load_pem_private_key(pem.encode(), None).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize("alg", ["RS384", "RS512", "PS256", "ES256", "EdDSA", "rs256", "RS256 "])
def test_another_algorithm_is_refused(verifier: TokenVerifier, forge: Forge, alg: str) -> None:
    _refused(verifier, forge(header={"alg": alg}))


def test_the_same_key_under_another_algorithm_is_refused(
    verifier: TokenVerifier, token: str, pem: str
) -> None:
    for alg in ("RS384", "RS512", "PS256"):
        text = jwt.encode(
            claims_of(token), pem, algorithm=alg, headers={**header_of(token), "alg": alg}
        )
        _refused(verifier, text)


@pytest.mark.parametrize("typ", ["JWT", "jwt", "AT+JWT", "application/at+jwt", "", None, 1, []])
def test_a_token_of_another_type_is_refused(
    verifier: TokenVerifier, forge: Forge, typ: object
) -> None:
    _refused(verifier, forge(header={"typ": typ}))


@pytest.mark.parametrize("name", ["typ", "alg", "kid"])
def test_a_header_that_lacks_a_member_is_refused(
    verifier: TokenVerifier, forge: Forge, name: str
) -> None:
    _refused(verifier, forge(without=(name,)))


@pytest.mark.parametrize(
    "kid",
    ["", "unknown", "../public-keys", "a" * 1_000, "\x00", None, 1, True, ["key"], {"kid": "key"}],
)
def test_an_unknown_key_id_is_refused(
    verifier: TokenVerifier, forge: Forge, keys: FakeKeySource, kid: object
) -> None:
    _refused(verifier, forge(header={"kid": kid}))
    assert keys.calls <= 2


@pytest.mark.parametrize("crit", [["exp"], [], "exp", None, ["b64"]])
def test_a_critical_extension_is_refused(
    verifier: TokenVerifier, forge: Forge, monkeypatch: pytest.MonkeyPatch, crit: object
) -> None:
    monkeypatch.setattr(jwt, "decode", lambda *_, **__: pytest.fail("it was asked"))
    _refused(verifier, forge(header={"crit": crit}))


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("other", ['"typ": "at+jwt"', '"sub": "a"', '"x": {"a": 1, "a": 1}'])
def test_a_member_that_is_there_twice_is_refused(
    verifier: TokenVerifier, token: str, pem: str, part: int, other: str
) -> None:
    parts = [json.dumps(header_of(token) | {"sub": "b"}), json.dumps(claims_of(token))]
    parts[1] = parts[1][:-1] + ', "typ": "at+jwt"}'
    parts[part] = parts[part][:-1] + f", {other}}}"
    _refused(verifier, signed(parts[0].encode(), parts[1].encode(), pem))


@pytest.mark.parametrize("claim", ["client_id", "jti", "scope", "sub", "sid"])
@pytest.mark.parametrize("value", [1, True, ["a"], {"a": "b"}])
def test_text_that_is_none_is_refused(
    verifier: TokenVerifier, forge: Forge, claim: str, value: object
) -> None:
    _refused(verifier, forge(claims={claim: value}))


@pytest.mark.parametrize("sub", ["", "me", "a" * 2_000, public_id(1).upper() + "A", "user#1"])
def test_a_subject_that_is_no_users_identifier_is_refused(
    verifier: TokenVerifier, forge: Forge, sub: str
) -> None:
    _refused(verifier, forge(claims={"sub": sub}))


def test_a_token_that_lives_longer_than_a_setting_may_give_is_refused(
    verifier: TokenVerifier, forge: Forge
) -> None:
    verifier.verify(forge(claims={"exp": NOW + LONGEST_ACCESS_TOKEN_SECONDS}))
    _refused(verifier, forge(claims={"exp": NOW + LONGEST_ACCESS_TOKEN_SECONDS + 1}))


def test_an_unencoded_payload_is_refused(verifier: TokenVerifier, forge: Forge) -> None:
    _refused(verifier, forge(header={"b64": False}))


def test_a_key_that_the_token_brings_along_is_not_used(
    verifier: TokenVerifier, forge: Forge, foreign_pem: str, foreign_jwk: dict[str, str]
) -> None:
    for header in (
        {"jwk": foreign_jwk},
        {"jwk": foreign_jwk, "kid": foreign_jwk["kid"]},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/key.pem"},
        {"x5c": ["AAAA"]},
        {"kid": "https://evil.example/jwks.json"},
    ):
        _refused(verifier, forge(header=header, key=foreign_pem))


@pytest.fixture
def foreign_jwk(foreign_pem: str) -> dict[str, str]:
    key = load_pem_private_key(foreign_pem.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    jwk: dict[str, str] = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**jwk, "kid": hashlib.sha256(foreign_pem.encode()).hexdigest()}


@pytest.mark.parametrize(
    "claim", ["iss", "aud", "sub", "client_id", "iat", "exp", "jti", "sid", "scope", "ver"]
)
def test_a_missing_claim_is_refused(verifier: TokenVerifier, forge: Forge, claim: str) -> None:
    _refused(verifier, forge(without=(claim,)))
    _refused(verifier, forge(claims={claim: None}))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": ISSUER + "/"},
        {"iss": ISSUER.upper()},
        {"iss": [ISSUER]},
        {"iss": ""},
        {"aud": "another"},
        {"aud": AUDIENCE + " "},
        {"aud": [AUDIENCE]},
        {"aud": [AUDIENCE, "another"]},
        {"aud": []},
        {"aud": ""},
        {"aud": {AUDIENCE: True}},
        {"sub": 1},
        {"sub": ["x"]},
        {"jti": 1},
        {"jti": {"a": "b"}},
        {"sid": 1},
        {"sid": ""},
        {"sid": "key#a-key"},
        {"sid": [public_id(1)]},
        {"iat": str(NOW)},
        {"iat": NOW + 0.5},
        {"iat": True},
        {"iat": [NOW]},
        {"exp": str(NOW + LIFETIME)},
        {"exp": NOW + 0.5},
        {"exp": 1e300},
        {"exp": True},
        {"exp": {}},
        {"nbf": str(NOW)},
        {"nbf": float(NOW)},
        {"nbf": None},
        {"ver": "1"},
        {"ver": 1.0},
        {"ver": True},
        {"ver": []},
    ],
    ids=str,
)
def test_a_claim_of_another_value_or_type_is_refused(
    verifier: TokenVerifier, forge: Forge, claims: dict[str, Any]
) -> None:
    _refused(verifier, forge(claims=claims))


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("claim", ["iat", "exp", "nbf", "ver"])
def test_a_number_that_is_none_is_refused(
    verifier: TokenVerifier, token: str, pem: str, claim: str, literal: str
) -> None:
    claims = json.dumps(claims_of(token) | {claim: "here"}).replace('"here"', literal)
    _refused(verifier, signed(header_of(token), claims.encode(), pem))


def test_a_token_that_was_never_ours_is_invalid_even_when_it_is_old(
    verifier: TokenVerifier, forge: Forge, clock: FakeClock, foreign_pem: str
) -> None:
    old = forge(key=foreign_pem)
    clock.step(minutes=60)
    _refused(verifier, old)


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"[" * 2_000, b"1" * 500]
)
def test_a_payload_that_is_not_an_object_is_refused(
    verifier: TokenVerifier, token: str, pem: str, payload: bytes
) -> None:
    _refused(verifier, signed(header_of(token), payload, pem))


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"RS256"',
        b"1",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"[" * 2_500,
        b'{"a":' * 500,
        b'{"alg":' + b"[" * 2_000 + b"]" * 2_000 + b"}",
        b'{"alg":' + b"9" * 2_900 + b"}",
        b'{"alg":NaN}',
    ],
)
def test_a_header_that_is_not_one_is_refused(
    verifier: TokenVerifier, token: str, header: bytes
) -> None:
    _, claims, signature = token.split(".")
    _refused(verifier, f"{encode(header)}.{claims}.{signature}")


def test_a_token_too_long_is_refused_before_it_is_read(
    verifier: TokenVerifier, token: str, keys: FakeKeySource, forge: Forge
) -> None:
    longest = LONGEST_TOKEN - len(forge(claims={"pad": ""}))
    padded = next(
        text
        for text in (forge(claims={"pad": "x" * size}) for size in range(longest * 3 // 4, 0, -1))
        if len(text) <= LONGEST_TOKEN
    )
    assert LONGEST_TOKEN - 4 <= len(padded) <= LONGEST_TOKEN
    assert verifier.verify(padded).public_id == public_id(1)
    calls = keys.calls
    _refused(verifier, forge(claims={"pad": "x" * 4_000}))
    head, claims, signature = token.split(".")
    _refused(verifier, f"{head}.{claims}.{signature}".ljust(LONGEST_TOKEN + 1, "A"))
    _refused(verifier, "." * 1_000_000)
    assert keys.calls == calls


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token + "\n",
        lambda token: token + " ",
        lambda token: " " + token,
        lambda token: token + "=",
        lambda token: token + "==",
        lambda token: token + "A",
        lambda token: token + ".",
        lambda token: "." + token,
        lambda token: token + ".AAAA",
        lambda token: token + ".AAAA.AAAA",
        lambda token: token.rpartition(".")[0],
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: token.partition(".")[2],
        lambda token: token.replace(".", ".\n", 1),
        lambda token: token.replace(".", "=.", 1),
        lambda token: token.replace(".", ". ", 1),
        lambda token: token.replace(".", "!.", 1),
        lambda token: token.replace(".", "\uff0e"),
        lambda token: token[:10] + "é" + token[10:],
        lambda token: token[:-1] + "\x00",
        lambda token: token.replace("-", "+").replace("_", "/") + "+",
        lambda token: "Bearer " + token,
        lambda token: json.dumps({"token": token}),
        lambda _token: "",
        lambda _token: ".",
        lambda _token: "..",
        lambda _token: "...",
        lambda _token: "....",
        lambda _token: "a.b.c",
        lambda _token: "\ud800.\ud800.\ud800",
    ],
)
def test_what_is_not_written_as_a_token_is_refused(
    verifier: TokenVerifier, token: str, change: Callable[[str], str]
) -> None:
    _refused(verifier, change(token))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_has_one_spelling(verifier: TokenVerifier, token: str, part: int) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    parts = token.split(".")
    others = [
        last
        for last in alphabet
        if last != parts[part][-1] and _decoded(parts[part][:-1] + last) == decode(parts[part])
    ]
    if len(parts[part]) % 4:
        assert others  # the same octets, as a lax decoder reads them
    for last in others:
        changed = [*parts]
        changed[part] = parts[part][:-1] + last
        _refused(verifier, ".".join(changed))


@pytest.mark.parametrize(
    "respell",
    [
        lambda signature: signature + "=",
        lambda signature: signature[:9] + "!" + signature[9:],
        lambda signature: signature[:9] + "\n" + signature[9:],
        lambda signature: signature.replace("-", "+").replace("_", "/"),
    ],
)
def test_a_signature_has_one_spelling_whatever_the_library_thinks(
    verifier: TokenVerifier,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
    respell: Callable[[str], str],
) -> None:
    monkeypatch.setattr(jwt, "decode", lambda *_, **__: pytest.fail("it was asked"))
    signed, _, signature = token.rpartition(".")
    other = respell(signature)
    assert base64.urlsafe_b64decode(other + "==") == decode(signature)  # as a lax decoder reads it
    _refused(verifier, f"{signed}.{other}")


def test_a_signature_may_end_in_any_letter(verifier: TokenVerifier, issue: Issue) -> None:
    endings: set[str] = set()
    for _ in range(2_000):
        token = issue(a_user()).text
        verifier.verify(token)
        endings.add(token[-1])
        if len(endings) == 64:
            return
    pytest.fail(f"no more than {endings}")


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(text=st.text(max_size=60) | st.from_regex(r"[\w-]{0,30}\.[\w-]{0,30}\.[\w-]{0,30}"))
def test_any_text_is_refused_and_nothing_else_is_raised(verifier: TokenVerifier, text: str) -> None:
    _refused(verifier, text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
            max_leaves=4,
        ),
        min_size=1,
    )
)
def test_any_header_is_refused_and_nothing_else_is_raised(
    verifier: TokenVerifier, token: str, header: dict[str, Any]
) -> None:
    changed = header_of(token) | header
    if changed != header_of(token):
        _, claims, signature = token.split(".")
        _refused(verifier, f"{encode(json.dumps(changed).encode())}.{claims}.{signature}")


def test_without_any_key_a_good_token_is_not_called_invalid(
    verifier: TokenVerifier, token: str, clock: FakeClock
) -> None:
    source = FakeKeySource()
    source.down = True
    lost = TokenVerifier(KeyRing(source, clock), issuer=ISSUER, audience=AUDIENCE, clock=clock)
    with pytest.raises(UnavailableError):
        lost.verify(token)
    assert verifier.verify(token).public_id == public_id(1)
