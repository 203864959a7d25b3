"""An issuer for verifiers to trust: it signs with the service's own code and publishes its keys."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from chalicelib.domain.times import system_clock
from chalicelib.keys.parameters import Parameter, new_signing_key
from chalicelib.services.keyring import KeyRing
from chalicelib.services.tokens import TokenIssuer
from tests.fakes import FakeKeySource
from tests.samples import a_session, a_user, claims_of, encode, header_of, signed
from tests.servers import HOST, QuietHandler, serving

AUDIENCE = "accounts"
LIFE = 900


class Issuer:
    """One URL, its keys, and tokens good and bad."""

    def __init__(self, url: str, key: tuple[Parameter, Parameter], foreign_pem: str) -> None:
        self.url = url
        self.fetched: list[str] = []
        """The paths of the documents that were asked for."""
        self._foreign_pem = foreign_pem
        self._source = FakeKeySource()
        self._pem = ""
        self.publish(key)

    def publish(self, key: tuple[Parameter, Parameter]) -> None:
        """Add a key. From now on it signs."""
        for parameter in key:
            self._source.put(parameter)
        self._pem = key[0].value

    def withdraw(self, key: tuple[Parameter, Parameter]) -> None:
        self._source.withdraw(key[0].name.rpartition("/")[2])

    def documents(self) -> Mapping[str, object]:
        keys = [key.to_jwk() for key in self._source.public_keys()]
        jwks_uri = f"{self.url}/.well-known/jwks.json"
        return {
            "/.well-known/jwks.json": {"keys": keys},
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": jwks_uri},
        }

    def issue(
        self, *, admin: bool = False, issued_ago: int = 0, audience: str = AUDIENCE, url: str = ""
    ) -> str:
        """A token as the service signs it, now or some seconds ago."""
        issuer = TokenIssuer(
            issuer=url or self.url,
            audience=audience,
            client_id="web",
            lifetime_seconds=LIFE,
            clock=lambda: system_clock() - timedelta(seconds=issued_ago),
            new_id=lambda: str(uuid4()),
        )
        user = a_user(admin=admin)
        session = a_session(user, expires_at=system_clock() + timedelta(days=1))
        key = KeyRing(self._source, system_clock).signing_key()
        return issuer.issue(user, session.session_id, session.expires_at, key).text

    def good_tokens(self) -> dict[str, str]:
        return {
            "a user's": self.issue(),
            "an admin's": self.issue(admin=True),
            "one that is about to expire": self.issue(issued_ago=LIFE - 60),
        }

    def bad_tokens(self) -> dict[str, str]:
        """Every token that no verifier may take, by what is wrong with it."""
        good = self.issue()
        header, claims = header_of(good), claims_of(good)
        head, payload, signature = good.split(".")
        admin = encode(json.dumps(claims | {"scope": "user admin"}).encode())
        unsigned = encode(json.dumps(header | {"alg": "none"}).encode())
        return {
            "an expired one": self.issue(issued_ago=LIFE + 60),
            "one from the future": self._signed(
                {}, {"nbf": claims["iat"] + 600, "exp": claims["exp"] + 600}
            ),
            "one of another issuer": self.issue(url="https://evil.example"),
            "one of an issuer with a slash": self.issue(url=self.url + "/"),
            "one for another audience": self.issue(audience="another"),
            "one signed with another key": signed(header, claims, self._foreign_pem),
            "one of an unknown key": signed(header | {"kid": "a"}, claims, self._foreign_pem),
            "a tampered one": f"{head}.{admin}.{signature}",
            "one without a signature": f"{head}.{payload}.",
            "an unsigned one": f"{unsigned}.{payload}.",
            "an unsigned one with a signature": f"{unsigned}.{payload}.{signature}",
            "one made with the public key": self._made_with_the_public_key(header, payload),
            "one of another algorithm": jwt.encode(
                claims, self._pem, headers=header | {"alg": "RS512"}
            ),
            "half of one": good[: len(good) // 2],
            "no token": "nonsense",
        }

    def mistakable_tokens(self) -> dict[str, str]:
        """Well signed, and yet no access tokens. Not every verifier can tell."""
        return {
            "an ID token": self._signed({"typ": "JWT"}, {}),
            "one without a type": self._signed({"typ": None}, {}),
            "one that never expires": self._signed({}, {"exp": None}),
            "one without a subject": self._signed({}, {"sub": None}),
        }

    def unscoped_token(self) -> str:
        """An ID token as other issuers make them: it allows nothing."""
        return self._signed({"typ": "JWT"}, {"scope": None})

    def _signed(self, header: Mapping[str, object], claims: Mapping[str, object]) -> str:
        """A good token with changes; what is None is left out. The signature is right."""
        good = self.issue()
        whole = [header_of(good) | header, claims_of(good) | claims]
        kept = [
            {name: value for name, value in part.items() if value is not None} for part in whole
        ]
        return signed(kept[0], kept[1], self._pem)

    def _made_with_the_public_key(self, header: Mapping[str, Any], payload: str) -> str:
        """An HMAC with a secret that anybody knows (RFC 8725, section 2.1)."""
        key = load_pem_private_key(self._pem.encode(), None).public_key()
        secret = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        head = encode(json.dumps({**header, "alg": "HS256"}).encode())
        made = hmac.digest(secret, f"{head}.{payload}".encode(), hashlib.sha256)
        return f"{head}.{payload}.{encode(made)}"


@contextmanager
def publishing(
    key: tuple[Parameter, Parameter], foreign_pem: str, tls: Path | None = None
) -> Iterator[Issuer]:
    """Serve an issuer's documents; with `tls`, over HTTPS by the certificate in that file."""

    class Handler(QuietHandler):
        def handle_request(self) -> None:
            issuer.fetched.append(self.path)
            document = issuer.documents().get(self.path)
            status = 404 if document is None else 200
            self.answer(status, json.dumps(document).encode(), Content_Type="application/json")

    with serving(Handler, "GET", tls=tls) as url:
        issuer = Issuer(url, key, foreign_pem)
        yield issuer


def make_certificate(folder: Path) -> Path:
    """Write a certificate for this machine into a folder; the file, which has its key as well.

    `authority.pem` beside it is for whoever is to trust it.
    """
    key = generate_private_key(public_exponent=65_537, key_size=2_048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(HOST))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = certificate.public_bytes(Encoding.PEM)
    (folder / "authority.pem").write_bytes(public)
    (folder / "server.pem").write_bytes(pem + public)
    return folder / "server.pem"


def another_key() -> tuple[Parameter, Parameter]:
    """A key that is newer than the others, and old enough to sign."""
    return new_signing_key(system_clock() - timedelta(days=1))
