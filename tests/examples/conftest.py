from collections.abc import Iterator

import pytest

from chalicelib.keys.parameters import Parameter
from tests.examples.issuers import Issuer, publishing


@pytest.fixture
def issuer(key_parameters: tuple[Parameter, Parameter], foreign_pem: str) -> Iterator[Issuer]:
    """An issuer whose documents are served, as the service's are."""
    with publishing(key_parameters, foreign_pem) as issuer:
        yield issuer
