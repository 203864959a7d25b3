"""Run a module that must not outlive whoever started it: `python -m infra.local.tether MODULE …`.

Standard input is one end of a socket pair, the tether. Nothing is ever sent through it. The other
end closes when the parent wants this process to stop, and also when the parent is gone, however
it went: even SIGKILL closes it. Processes started from here inherit the tether with standard
input, so the parent reads the end of its own side only once the last of them is gone.
"""

import os
import runpy
import signal
import sys
import threading
import time

PATIENCE_SECONDS = 15


def main() -> None:
    """Become the module that is named first; the rest of the command line is its own."""
    module = sys.argv[1]
    del sys.argv[0]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with_parent() -> None:
    """Wait for the end of the tether, then ask this process to stop, and insist if it does not."""
    # Not sys.stdin: its lock, held by a daemon thread, would abort the interpreter's shutdown.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
