"""How long the fault tests run: a handful of kills by default, all of them when HALLMARK_FAULT_KILLS says how many.

`make test` takes the short ones, `make test-fault` the long ones.
"""

import os
from typing import Final

import pytest

LONG: Final = "HALLMARK_FAULT_KILLS" in os.environ
KILLS: Final = int(os.environ.get("HALLMARK_FAULT_KILLS", "4"))
"""Of server and signers under load, at random."""
LOG_KILLS: Final = int(os.environ.get("HALLMARK_FAULT_LOG_KILLS", "1000" if LONG else "20"))
"""Of the processes of a log under load, at random and at chosen moments."""
SEED: Final = int(os.environ.get("HALLMARK_FAULT_SEED", "7"))
"""Which ones."""

long_only = pytest.mark.skipif(not LONG, reason="a long one: make test-fault")
"""For a test whose short form is another test of the same file."""
