"""What a servicer gets beside the request: who calls, when, and over what channel. Made by the guard."""

from dataclasses import dataclass
from datetime import datetime

from kms.core.identity import Caller


@dataclass(frozen=True, slots=True)
class Channel:
    """Facts of the TLS connection. `group` is the negotiated key exchange, such as X25519MLKEM768.

    `peer_certificate` is the client's own certificate as TLS verified it, PEM; parsed only where its key matters.
    """

    peer: str
    tls_version: str
    group: str
    peer_certificate: bytes = b""

    @property
    def is_post_quantum(self) -> bool:
        """TLS 1.3 with a hybrid ML-KEM group (RFC 10024)."""
        return self.tls_version == "TLSv1.3" and "MLKEM" in self.group


@dataclass(frozen=True, slots=True)
class Call:
    """One RPC. `now` is read once and used for every decision of the call; `id` is in every log line about it."""

    id: str
    method: str
    caller: Caller
    channel: Channel
    now: datetime
