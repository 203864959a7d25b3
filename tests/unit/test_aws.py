import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.session import Session

from chalicelib.aws import SharedSession


def test_one_client_is_made_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    making = 0
    most = 0

    def create_client(_session: Session, _name: str, **_options: Any) -> None:
        nonlocal making, most
        making += 1
        most = max(most, making)
        time.sleep(0.01)
        making -= 1

    monkeypatch.setattr(Session, "create_client", create_client)
    session = SharedSession()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(session.create_client, ["ssm"] * 8))
    assert most == 1
