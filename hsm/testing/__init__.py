"""For tests of users of hsm: a key provider in memory with real cryptography and no token.

`FakeKeyProvider` passes the contract suite of the port (tests/contract/hsm), asserts that it is used as the port says,
and fails when told to. It protects nothing: keys live in this process's memory.
"""

from .fake_provider import FakeKeyProvider
from .operation import Operation

__all__ = ["FakeKeyProvider", "Operation"]
