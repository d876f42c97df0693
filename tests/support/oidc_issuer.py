"""An OpenID issuer on the loopback: a real HTTP server with discovery and keys, and tokens as a real one signs them."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
AUDIENCE = "hallmark"


def new_key(algorithm: str) -> PrivateKey:
    match algorithm:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "ES384":
            return ec.generate_private_key(ec.SECP384R1())
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(65537, 2048)


def jwk_of(key: PrivateKey, algorithm: str, key_id: str | None) -> dict[str, Any]:
    """The public half (RFC 7517)."""
    kind = jwt.get_algorithm_by_name(algorithm)
    found = kind.to_jwk(key.public_key(), as_dict=True)
    found |= {"use": "sig", "alg": algorithm, "key_ops": ["verify"]}
    return found | ({} if key_id is None else {"kid": key_id})


def thumbprint(certificate_pem: bytes) -> str:
    """x5t#S256 (RFC 8705)."""
    digest = x509.load_pem_x509_certificate(certificate_pem).fingerprint(hashes.SHA256())
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@dataclass(slots=True)
class OidcIssuer:
    """`url` is the issuer. `hits` counts the requests for keys; while `is_away` every request fails."""

    url: str = "https://issuer.example"
    keys: dict[str, tuple[str, PrivateKey]] = field(default_factory=dict)
    hits: int = 0
    is_away: bool = False
    discovery: dict[str, Any] = field(default_factory=dict)

    def add_key(self, key_id: str = "k1", algorithm: str = "ES256") -> PrivateKey:
        key = new_key(algorithm)
        self.keys[key_id] = (algorithm, key)
        return key

    def key_set(self) -> bytes:
        return json.dumps(
            {"keys": [jwk_of(key, algorithm, key_id) for key_id, (algorithm, key) in self.keys.items()]}
        ).encode()

    def claims(self, *, now: datetime | None = None, lifetime: float = 600, **claims: Any) -> dict[str, Any]:
        """Those that every token has; None takes one away."""
        moment = (now or datetime.now(UTC)).timestamp()
        found = {"iss": self.url, "aud": AUDIENCE, "sub": "alice", "iat": moment, "exp": moment + lifetime, **claims}
        return {name: value for name, value in found.items() if value is not None}

    def token(
        self,
        *,
        key_id: str = "k1",
        headers: dict[str, Any] | None = None,
        now: datetime | None = None,
        lifetime: float = 600,
        **claims: Any,
    ) -> str:
        algorithm, key = self.keys[key_id]
        content = json.dumps(self.claims(now=now, lifetime=lifetime, **claims)).encode()
        header = {"kid": key_id, "typ": "JWT", **(headers or {})}
        return jwt.PyJWS().encode(content, key, algorithm, headers=header)

    def settings(self, **more: str) -> str:
        """TOML of identity.issuers for this one; values as TOML writes them."""
        table = {"name": '"test"', "issuer": f'"{self.url}"', "audiences": f'["{AUDIENCE}"]', **more}
        return "[[identity.issuers]]\n" + "".join(f"{name} = {value}\n" for name, value in table.items())


@contextmanager
def running_issuer() -> Iterator[OidcIssuer]:
    """One with a key `k1`."""
    issuer = OidcIssuer()
    issuer.add_key()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = {
                "/.well-known/openid-configuration": lambda: json.dumps(
                    {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys", **issuer.discovery}
                ).encode(),
                "/keys": issuer.key_set,
            }
            issuer.hits += self.path == "/keys"
            answer = answers.get(self.path)
            self.send_response(503 if issuer.is_away or answer is None else 200)
            self.end_headers()
            if answer is not None and not issuer.is_away:
                self.wfile.write(answer())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
