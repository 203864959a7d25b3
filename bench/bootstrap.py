"""Start AWS's runtime client as Lambda does: `python -I -S -B bootstrap.py TASK RUNTIME HANDLER`.

Nothing but the standard library and these two folders is on the path: the function's, and the
runtime client's. Run as a file, by an interpreter that knows nothing of this project.
"""

import sys

if __name__ == "__main__":
    sys.path[:0] = sys.argv[1:3]
    del sys.argv[1:3]
    from awslambdaric.__main__ import main

    main(sys.argv)
