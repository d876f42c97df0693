"""Makes a real token fail: in signer processes, calls of the PKCS#11 library go through here (see test_faulty_token.py).

Python imports this at start when the folder is in PYTHONPATH. The file that HALLMARK_TEST_FAULTS names says what is
to happen, {"C_Sign": {"rv": 48, "times": 1, "stored": true, "hang": 5}}: the call returns `rv`, `times` times in each
process (left out: always), `stored` after it was carried out, `hang` after so many seconds. Every call of a function
in the plan is written down beside the file.
"""

import ctypes
import json
import os
import sys
import time
from pathlib import Path

# Index in CK_FUNCTION_LIST and number of arguments (PKCS#11 v2.40, pkcs11f.h); all are as wide as a pointer.
FUNCTIONS = {
    "C_OpenSession": (12, 5),
    "C_Login": (18, 4),
    "C_CreateObject": (20, 4),
    "C_DestroyObject": (22, 2),
    "C_FindObjectsInit": (26, 3),
    "C_Encrypt": (30, 5),
    "C_Decrypt": (34, 5),
    "C_SignInit": (42, 3),
    "C_Sign": (43, 5),
    "C_GenerateKey": (58, 5),
    "C_GenerateKeyPair": (59, 8),
    "C_WrapKey": (60, 6),
}
KEEP = []  # what C code points to must live as long as the process


def patch(module: str, plan_file: Path) -> None:
    library = ctypes.CDLL(module)
    table = ctypes.c_void_p()
    assert library.C_GetFunctionList(ctypes.byref(table)) == 0
    pointers = ctypes.cast(table.value + ctypes.sizeof(ctypes.c_void_p), ctypes.POINTER(ctypes.c_void_p))
    for name, (index, count) in FUNCTIONS.items():
        prototype = ctypes.CFUNCTYPE(ctypes.c_ulong, *([ctypes.c_size_t] * count))
        faulty = prototype(make_faulty(name, prototype(pointers[index]), plan_file))
        KEEP.append(faulty)
        pointers[index] = ctypes.cast(faulty, ctypes.c_void_p).value


def make_faulty(name: str, real, plan_file: Path):
    seen = {"plan": "", "count": 0}

    def call(*arguments: int) -> int:
        try:
            text = plan_file.read_text()
        except FileNotFoundError:
            text = "{}"
        fault = json.loads(text).get(name)
        if fault is None:
            return real(*arguments)
        with plan_file.with_suffix(".calls").open("a") as calls:
            calls.write(f"{name} {os.getpid()}\n")
        if seen["plan"] != text:
            seen.update(plan=text, count=0)
        seen["count"] += 1
        if seen["count"] > fault.get("times", seen["count"]):
            return real(*arguments)
        time.sleep(fault.get("hang", 0))
        if fault.get("stored"):
            real(*arguments)
        return fault.get("rv", 0)

    return call


if "hsm.pkcs11.worker" in sys.orig_argv and "HALLMARK_TEST_FAULTS" in os.environ:
    patch(os.environ["HALLMARK_TEST_MODULE"], Path(os.environ["HALLMARK_TEST_FAULTS"]))
