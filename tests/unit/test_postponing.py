import subprocess
import sys

import pytest

from chalicelib.postponing import POSTPONED

# Run by an interpreter of its own, since others have used all of it here.
_USE = """
import sys

import chalicelib
import jwt
import botocore.client

module, name = sys.argv[1:]
print(len(object.__getattribute__(sys.modules[module], "__dict__")))
print(bool(getattr(sys.modules[module], name)))
print(len(vars(sys.modules[module])))
"""
_NAMES = {
    "botocore.waiter": "WaiterModel",
    "configparser": "RawConfigParser",
    "cryptography.x509": "load_pem_x509_certificate",
    "zipfile": "ZipFile",
}


@pytest.mark.parametrize("module", sorted(POSTPONED))
def test_what_is_postponed_is_loaded_when_it_is_used(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _USE, module, _NAMES[module]],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    before, there, after = done.stdout.split()
    assert int(before) < 10 < int(after)
    assert there == "True"


def test_names_of_certificates_are_read_although_that_is_postponed() -> None:
    script = """
import chalicelib
import jwt
from cryptography import x509
print(x509.Name.from_rfc4514_string("CN=zoe").rdns[0].rfc4514_string())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "CN=zoe\n"
