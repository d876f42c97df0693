"""What expands an ML-DSA seed, where something does."""

from importlib import import_module

from hsm.engine import EngineUnavailable
from hsm.foreign_keys import ExpandSeed


def find_expand_seed() -> ExpandSeed | None:
    """PyCryptodome's; OpenSSL does not give the expanded key out."""
    try:
        expand_seed: ExpandSeed = import_module(".pycryptodome", __package__).expand_seed
    except EngineUnavailable:
        return None
    return expand_seed
