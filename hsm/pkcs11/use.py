"""Who uses a token's data folder: services share it, a restore has it alone. A lock that ends with its process."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hsm.errors import RestoreFailed, SetupError, TokenUnavailable

from .writing_turn import FILE

_LOCK: Final = "use.lock"


def share_use(folder: Path) -> int:
    """A descriptor that holds the folder in use until it is closed.

    Raises TokenUnavailable while it is restored, SetupError.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SetupError(f"the data folder {folder} cannot be made or written: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise TokenUnavailable(f"the token in {folder} is being replaced by a restored one") from None
    return descriptor


@contextmanager
def exclusive_use(folder: Path) -> Iterator[None]:
    """Raises RestoreFailed while a service uses the folder. One that is not there is nobody's."""
    if not folder.exists():
        yield
        return
    with (folder / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RestoreFailed(f"a service uses the token in {folder}: stop it first") from None
        yield


def is_occupied(folder: Path) -> bool:
    """Whether anything but locks is in it."""
    return folder.exists() and any(path.name not in {_LOCK, FILE} for path in folder.iterdir())
