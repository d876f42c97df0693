"""What every suite shares."""

import os
import sys
from pathlib import Path

from hypothesis import settings

# --vectors and its fixture; the order over several workers; the running service; a PostgreSQL server; an S3 server
pytest_plugins = [
    "hallmark_test_options",
    "support.longest_first",
    "support.service",
    "support.postgresql",
    "support.object_store",
]

settings.register_profile("house", deadline=None)  # the machine may be busy: examples are bounded, their time is not
settings.load_profile("house")

if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    # Containers set it for a clean tree. Hundreds of processes are started here, and each would compile everything.
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).resolve().parents[1] / ".pytest_cache" / "bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
