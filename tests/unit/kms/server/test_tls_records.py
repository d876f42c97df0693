"""What leaves the port is TLS, whatever an answer's size.

gRPC (1.85) sends what happens to be in its 8 KiB write buffer, unencrypted, after records that fit into this buffer and
that an answer fills exactly: SslProtectorProtectFlush tells no size where nothing is left to send. Larger records never
fit, and are not concerned: the options must not make records small.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kms.server.grpc_server import OPTIONS

RECORD = dict(OPTIONS).get("grpc.tsi.max_frame_size", 16 * 1024) - 100
"""Less what gRPC keeps for TLS."""
SIZES = [size for records in (1, 2, 3) for size in range(RECORD * records - 240, RECORD * records)]
"""With their HTTP/2 frames some of these fill one, two or three records on a new connection."""


def _self_signed() -> tuple[bytes, bytes]:
    """PEM of a key and of a certificate of localhost."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem, certificate.public_bytes(Encoding.PEM)


async def _zeros(request: bytes, _: object) -> bytes:
    return bytes(int(request))


async def test_answers_of_every_size_arrive_whole() -> None:
    key, certificate = _self_signed()
    server = grpc.aio.server(options=OPTIONS)
    handler = grpc.unary_unary_rpc_method_handler(_zeros)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", {"Zeros": handler}),))
    port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([(key, certificate)]))
    await server.start()
    trust = grpc.ssl_channel_credentials(certificate)

    async def ask(size: int) -> int:
        own = (("grpc.use_local_subchannel_pool", 1),)
        async with grpc.aio.secure_channel(f"localhost:{port}", trust, options=own) as channel:
            return len(await channel.unary_unary("/test/Zeros")(str(size).encode(), timeout=20))

    try:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(ask(size)) for size in SIZES]
        assert [each.result() for each in asked] == SIZES
    finally:
        await server.stop(None)
