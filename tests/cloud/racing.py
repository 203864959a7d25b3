"""Starting many things at the same moment."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

from chalicelib.domain.errors import AccountsError

WRITERS = 16
ROUNDS = 5

Attempt: TypeAlias = Callable[[], object]


def at_once(attempts: Sequence[Attempt]) -> list[object]:
    """Start all attempts at the same moment; what each answered, or its refusal's name."""
    barrier = threading.Barrier(len(attempts))

    def run(attempt: Attempt) -> object:
        barrier.wait(timeout=30)
        try:
            return attempt()
        except AccountsError as refusal:
            return type(refusal).__name__

    with ThreadPoolExecutor(len(attempts)) as pool:
        return list(pool.map(run, attempts))
