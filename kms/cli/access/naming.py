"""Names of versions and grants on the command line."""

from typing import Final

from kms.cli.identifiers import Identifier

_NUMBER: Final = r"0|[1-9][0-9]{0,8}"
_VERSIONS: Final = "0 is the roles alone; see `hallmark access list`"
_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

VERSION: Final = Identifier("version", "accessPolicies", f"{_NUMBER}|active", f'a number or "active" ({_VERSIONS})')
VERSION_NUMBER: Final = Identifier("version", "accessPolicies", _NUMBER, f"a number ({_VERSIONS})")
GRANT: Final = Identifier("grant", "grants", _UUID, "the ID of a grant; see `hallmark access grant list`")


def last_part(name: str) -> str:
    """Number of a version, id of a grant."""
    return name.rpartition("/")[2]
