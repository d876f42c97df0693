"""Large buffers that are gone from the process as soon as nobody holds them."""

import mmap


def buffer(size: int) -> memoryview:
    """`size` zero bytes, to be written.

    Of pages of their own: what malloc(3) gets back it often keeps, and then the buffers of one stage of an update still
    count while the next one has its own.
    """
    return memoryview(mmap.mmap(-1, size))
