"""For tests of programs that use the client: a server in memory, with the same Client in front of it.

    from hallmark_client.testing import FakeService

    def test_signs_the_model(tmp_path):
        service = FakeService()
        with service.client(role="admin") as client:
            client.keys.create("models")
        with service.client(role="backend") as client:
            my_program(client, tmp_path)
        assert service.requests("Sign")

Nothing in it is pretended: signatures are composite signatures, the log is a Merkle tree with signed checkpoints,
events are signed. One suite of behaviour runs against fake and service (tests/contract/hallmark_client).
`loopback.LoopbackServer` puts the same fake behind gRPC and mutual TLS.
"""

from hallmark_client.testing.certificates import TestAuthority
from hallmark_client.testing.loopback import LoopbackServer
from hallmark_client.testing.refusals import refusal
from hallmark_client.testing.roles import Role
from hallmark_client.testing.service import FakeService
from hallmark_client.testing.virtual_device import VirtualDevice

__all__ = ["FakeService", "LoopbackServer", "Role", "TestAuthority", "VirtualDevice", "refusal"]
