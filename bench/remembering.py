"""Answer one request as a fresh function does: `python -I -S -B remembering.py TASK HANDLER`.

The event is read from standard input. Printed is whether it was answered, and what this process
takes of memory then and took at the most, in kilobytes. Run as a file, by an interpreter that knows
nothing but the standard library and what is in the package.
"""

import importlib
import json
import re
import sys
from types import SimpleNamespace


def main(task: str, handler: str) -> None:
    """Import, answer, measure."""
    sys.path.insert(0, task)
    module, _, name = handler.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    context = SimpleNamespace(
        aws_request_id="b8a8a5a6-9f0a-4c0e-8f0b-3f0c6d1b7c55",
        get_remaining_time_in_millis=lambda: 20_000,
    )
    answer = function(json.load(sys.stdin), context)
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - pathlib is not free
        used = dict(re.findall(r"^Vm(RSS|HWM):\s+(\d+) kB$", status.read(), re.MULTILINE))
    sys.stdout.write(
        "\n" + json.dumps({"answer": answer, "now": int(used["RSS"]), "most": int(used["HWM"])})
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
