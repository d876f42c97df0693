"""Settings of the interpreter and of the C library below it, for a process that serves."""

import ctypes
import gc
import sys
from typing import Final

_GC_THRESHOLD: Final = (100_000, 50, 100)
_SWITCH_SECONDS: Final = 0.0005
_M_MMAP_THRESHOLD: Final = -3
"""malloc.h of glibc."""
_OWN_PAGES_FROM_BYTES: Final = 16 * 1024


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


def hold_little_memory() -> None:
    """Before anything is served. Where the C library is glibc; elsewhere nothing.

    Where the heap would have to grow, blocks from 16 KiB on get pages of their own (mallopt(3), M_MMAP_THRESHOLD; by
    default from 128 KiB, and more as time goes by). A TLS connection keeps such buffers and uses the first page or two
    of each; in the heap, what other handshakes had used before stays resident, about 4 KiB for each connection.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _OWN_PAGES_FROM_BYTES)
