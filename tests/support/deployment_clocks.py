"""A machine whose clock is wrong: libfaketime (Debian: libfaketime) loaded into the server; durations stay right.

HALLMARK_TEST_LIBFAKETIME names the library where it is not installed. Skips with a reason where there is none.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

ENVIRONMENT: Final = "HALLMARK_TEST_LIBFAKETIME"
_PLACES: Final = "usr/lib/*/faketime/libfaketimeMT.so.1", "usr/lib*/faketime/libfaketimeMT.so.1"


def wrong_clock(by: timedelta) -> dict[str, str]:
    """The environment of a server whose clock is ahead by so much; behind, where it is negative."""
    named = os.environ.get(ENVIRONMENT)
    found = [Path(named)] if named else [path for place in _PLACES for path in sorted(Path("/").glob(place))]
    if not found or not found[0].exists():
        pytest.skip(f"libfaketime is not installed (apt install libfaketime); {ENVIRONMENT} may name it")
    return {"LD_PRELOAD": str(found[0]), "FAKETIME": f"{by.total_seconds():+.0f}s"}
