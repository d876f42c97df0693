"""A process that was forked from the test's, and what it came to."""

import os
import sys
from collections.abc import Callable


def in_child(act: Callable[[], object]) -> int:
    """What `act` came to in a forked process: 0 all went well."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        except BaseException as error:  # the child has nobody else to tell
            sys.stderr.write(f"in the child: {error!r}\n")
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
