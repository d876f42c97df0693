"""For looking at a repository only."""

from hallmark_release.roles import RoleKey
from kms.cli.failure import not_usable


class NoKeys:
    """RoleSigner that has nothing to sign with."""

    def sign(self, key: RoleKey, message: bytes) -> bytes:  # noqa: ARG002 - the port's
        """Raises CommandError."""
        raise not_usable("NO_KEYS", f"{key.uri} is at the service, and this command does not ask it")
