"""The corpus of attacks on access tokens, judged by the verifier in Python that users copy."""

import jwt
import pytest

from chalicelib.keys.parameters import Parameter
from examples.verify.lambda_python import Verifier
from tests.attacks.access_tokens import FAMILIES, Target
from tests.examples.issuers import Issuer
from tests.fakes import public_id
from tests.samples import claims_of

OF_OUR_KEY = ("headers", "spellings", "sizes", "duplicates", "times", "claims")
"""What the service refuses although its own key signed it, or it is a good token in other letters:
a verifier elsewhere may be less strict."""
FORGERIES = [family for family in FAMILIES if family not in OF_OUR_KEY]


@pytest.fixture
def target(issuer: Issuer, key_parameters: tuple[Parameter, Parameter], foreign_pem: str) -> Target:
    return target_of(issuer, key_parameters[0].value, foreign_pem)


def target_of(issuer: Issuer, pem: str, foreign_pem: str) -> Target:
    """An issuer as a target, with a token of now."""
    good = issuer.issue()
    return Target(
        good=good,
        pem=pem,
        foreign_pem=foreign_pem,
        stranger=public_id(2),
        strangers_session=public_id(3),
        nobody=public_id(4),
        others={"a session's identifier": claims_of(good)["sid"]},
    )


def taken(verifier: Verifier, target: Target, family: str) -> set[str]:
    """Which attacks of a family the verifier falls for."""
    names = set()
    for attack in FAMILIES[family](target):
        try:
            verifier.verify(attack.text)
        except (jwt.PyJWTError, ValueError, RecursionError):
            continue
        names.add(attack.name)
    return names


@pytest.mark.parametrize("family", FORGERIES)
def test_no_forgery_is_taken(family: str, issuer: Issuer, target: Target) -> None:
    verifier = Verifier(issuer.url)
    assert verifier.verify(target.good) == target.claims
    assert taken(verifier, target, family) == set()


def test_no_other_spelling_of_a_good_token_is_taken(issuer: Issuer, target: Target) -> None:
    """A signature by 3,072 bits is whole groups of base64: there is nothing to pad."""
    assert taken(Verifier(issuer.url), target, "spellings") == set()


def test_by_the_issuers_own_key_other_encodings_are_taken_and_other_types_are_not(
    issuer: Issuer, target: Target
) -> None:
    """Nobody but the issuer makes these, and ours does not."""
    encodings = {f"header in {name}" for name in ("UTF-16", "UTF-32", "a byte order mark")}
    assert taken(Verifier(issuer.url), target, "headers") == encodings
