"""Who may use what a new vault holds, as a command line says it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from hallmark_client.device.policy import Callers, Operation, PolicyInvalid, Rule, VaultPolicy
from hallmark_events.canonical import canonical_json

_FILE_MAX: Final = 1024 * 1024


def allowing(applications: Sequence[str]) -> VaultPolicy:
    """Everything for these, nothing for others. Raises PolicyInvalid."""
    own = Callers(applications=tuple(sorted(set(applications))))
    rule = Rule(operations=tuple(sorted(Operation)), callers=own)
    return VaultPolicy(version=1, administrators=own, kinds={"*": rule})


def read_policy(path: Path) -> VaultPolicy:
    """As people write it: any spelling of JSON, of which the one that counts is made. Raises PolicyInvalid, OSError."""
    with path.open("rb") as file:
        data = file.read(_FILE_MAX + 1)
    if len(data) > _FILE_MAX:
        raise PolicyInvalid(f"{path} is larger than {_FILE_MAX} bytes")
    try:
        found = canonical_json(json.loads(data, object_pairs_hook=_each_once))
    except (ValueError, TypeError, RecursionError) as error:
        raise PolicyInvalid(f"{path} is not a policy: {error}") from None
    return VaultPolicy.parse(found)


def _each_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a member stands twice")
    return found
