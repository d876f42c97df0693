"""Settings of the Python interpreter for a process that serves."""

import gc
import sys
from typing import Final

_GC_THRESHOLD: Final = (100_000, 50, 100)
_SWITCH_SECONDS: Final = 0.0005


def tune_interpreter() -> None:
    """Once, when everything is started.

    Garbage collection: what was made at start stays for good, and is not looked at again. Of calls and streams many
    thousand live objects come and go at a time; looking through them every 700 allocations was the largest single cost
    of waiting streams. Not off: grpc.aio leaves cycles behind.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLD)
    # The writer's thread asks for the interpreter a dozen times in a transaction; the default lets it wait 5 ms each
    # time while calls are being served.
    sys.setswitchinterval(_SWITCH_SECONDS)
