"""A function's process, as Lambda starts one: `python -I -S function.py FOLDER MODULE.FUNCTION`.

Reads an event a line and answers with a line. It has the package in the folder and the standard
library, and this module imports nothing else.
"""

import importlib
import json
import sys
import time
import traceback

_SECONDS = 60


class Context:
    """What Lambda tells of a call."""

    aws_request_id = "2f5c9e1a-0000-4000-8000-000000000000"
    function_name = "accounts"
    function_version = "1"
    memory_limit_in_mb = 1_769

    def __init__(self) -> None:
        self._ends_at = time.monotonic() + _SECONDS

    def get_remaining_time_in_millis(self) -> int:
        return int((self._ends_at - time.monotonic()) * 1_000)


def main(folder: str, handler: str) -> None:
    sys.path.insert(0, folder)
    answers, sys.stdout = sys.stdout, sys.stderr
    module, _, name = handler.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    for line in sys.stdin:
        try:
            event = json.loads(line)
            # No event: it is asked only what is loaded before the first one.
            outcome = {"answer": event and function(event, Context())}
        except Exception:  # noqa: BLE001 - it is told
            outcome = {"fault": traceback.format_exc()}
        # What was loaded by now, and from where.
        loaded = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
        print(json.dumps({**outcome, "loaded": loaded}), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
