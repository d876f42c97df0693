"""Whether statements that no hardware vouches for are accepted."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SoftwarePolicy:
    """The default refuses: a software statement proves possession of a key and nothing about the device. `models`
    narrows those that are allowed to device models by name; empty: any.
    """

    allow: bool = False
    models: frozenset[str] = frozenset()
