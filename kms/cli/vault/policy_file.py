"""A policy as people write it: any spelling of JSON, of which the one that counts is made."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kms.cli.failure import not_usable
from kms.cli.output import read_file

if TYPE_CHECKING:
    from hallmark_client.device.policy import VaultPolicy

_FILE_MAX: Final = 1024 * 1024


def read_policy(path: Path) -> "VaultPolicy":
    """Raises CommandError, OSError, PolicyInvalid."""
    from hallmark_client.device.policy import VaultPolicy
    from hallmark_events.canonical import canonical_json

    try:
        found = canonical_json(json.loads(read_file(path, _FILE_MAX), object_pairs_hook=_each_once))
    except (ValueError, RecursionError) as error:
        raise not_usable(
            "POLICY_INVALID", f"{path} is not a policy: {error}", "`hallmark vault policy show` is one"
        ) from None
    return VaultPolicy.parse(found)


def _each_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a member stands twice")
    return found
