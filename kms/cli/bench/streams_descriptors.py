"""File descriptors: each connection takes one, at both ends."""

import resource
from typing import Final

from kms.cli.failure import CommandError, ExitCode

SPARE_DESCRIPTORS: Final = 256
"""What a process has open beside its connections."""


def take_descriptors(needed: int) -> None:
    """Raises the limit of this process as far as the system lets it. Raises CommandError when that is not enough."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise CommandError(
            "TOO_FEW_DESCRIPTORS",
            f"{needed} file descriptors are needed for so many connections, and this system allows {hard} a process",
            exit_code=ExitCode.NOT_USABLE,
            advice="Raise the hard limit (`ulimit -Hn`; LimitNOFILE= in systemd, nofile in "
            f"/etc/security/limits.conf), or take --subscribers {max(hard - SPARE_DESCRIPTORS, 1)} or fewer",
        )
