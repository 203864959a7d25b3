"""The session that a process's clients of AWS are made by."""

from threading import Lock
from typing import Any

from botocore.session import Session


class SharedSession(Session):
    """A session for several clients, which reads once what all of them need.

    botocore's own is not for several threads at once, and `chalice local` has some: here one client
    is made after the other. Lambda has one thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self._one_at_a_time = Lock()

    def create_client(self, *names: Any, **options: Any) -> Any:
        """Make a client as botocore does, when no other one is being made."""
        with self._one_at_a_time:
            return super().create_client(*names, **options)
