"""A process that does one request at a time, and tells its CPU time: `worker.py FOLDER MODULE`.

Run as a file, by any interpreter: what the module imports is its own business. Lines of JSON come
in, `[operation, input]`, and go out, `[status, body, cpu, bcrypt]`: nanoseconds of this process,
all of its threads, and how many of them were bcrypt's.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import bcrypt


class Meter:
    """Counts what is spent in some functions."""

    def __init__(self) -> None:
        self.spent = 0

    def counting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function, to count it."""

        def counted(*arguments: Any, **named: Any) -> Any:
            begin = time.process_time_ns()
            try:
                return function(*arguments, **named)
            finally:
                self.spent += time.process_time_ns() - begin

        return counted


def main(folder: str, module: str) -> None:
    """Work until there is nothing more to read."""
    # What is printed or logged meanwhile is written, and goes nowhere.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    meter = Meter()
    for name in ("checkpw", "hashpw"):
        setattr(bcrypt, name, meter.counting(getattr(bcrypt, name)))
    sys.path.insert(0, folder)
    operations = import_module(module).OPERATIONS
    for line in sys.stdin:
        operation, given = json.loads(line)
        prepared = operations[operation](given)
        meter.spent = 0
        begin = time.process_time_ns()
        status, body = prepared()
        spent = time.process_time_ns() - begin
        print(json.dumps([status, body, spent, meter.spent]), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
