"""What a process that serves asks of the interpreter and of the C library: seen in a process of its own."""

import json
import subprocess
import sys

import pytest

TUNED = """
import gc, json, sys
from kms.server.interpreter import tune_interpreter
tune_interpreter()
print(json.dumps([gc.isenabled(), gc.get_threshold()[0], gc.get_freeze_count() > 0, sys.getswitchinterval()]))
"""
BLOCKS = """
import ctypes, json
from kms.server.interpreter import hold_little_memory
class Info(ctypes.Structure):  # struct mallinfo2 of malloc.h
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd u f d k c".split()]
library = ctypes.CDLL(None)
library.mallinfo2.restype = Info
library.malloc.restype = ctypes.c_void_p
def own_pages(size):
    before = library.mallinfo2().hblks
    for _ in range(200):  # more than what is free in the heap, which is used up first
        library.malloc(size)
    return library.mallinfo2().hblks - before
before = own_pages(17_000)
hold_little_memory()
print(json.dumps([before, own_pages(17_000), own_pages(4_000)]))
"""


def run(code: str) -> list[object]:
    found: list[object] = json.loads(
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    )
    return found


def test_garbage_is_collected_seldom_but_collected() -> None:
    enabled, threshold, frozen, interval = run(TUNED)
    assert (enabled, threshold, frozen, interval) == (True, 100_000, True, 0.0005)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallinfo2 is glibc's")
def test_buffers_of_tls_have_pages_of_their_own() -> None:
    before, large, small = run(BLOCKS)
    assert (before, small) == (0, 0)
    assert isinstance(large, int)
    assert large > 100
