"""A folder for throw-away servers."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kms.cli.failure import CommandError


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Gone afterwards; it stays when a command failed, whose advice then says where to look."""
    folder = Path(tempfile.mkdtemp(prefix="hallmark-bench-"))
    try:
        yield folder
    except CommandError as error:
        error.advice = error.advice or f"What was left is in {folder}"
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
