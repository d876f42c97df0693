"""Doors without rules of their own, for servers that need none: benchmarks of the transport, tests of the guard."""

from dataclasses import dataclass
from functools import lru_cache

from kms.core.call import Call
from kms.core.errors import FailedPrecondition, Reason
from kms.server.audit import AuditLines
from kms.server.doors import Asked, Doors, Identifier, Standing
from kms.server.limits import Limits
from kms.server.policy import Row
from kms.server.resources import asked_of
from kms.tenants.model import Terms


class EveryTenant:
    """Whatever tenant a certificate names, with the server's own limits."""

    async def terms(self, tenant: str) -> Terms:
        return _terms(tenant)

    def edition(self, tenant: str) -> object:  # noqa: ARG002
        return None


class RolesSuffice:
    """What the row of an RPC says of roles is all that is asked."""

    async def check(self, call: Call, row: Row, asked: Asked) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def edition(self, tenant: str) -> object:  # noqa: ARG002
        return None


@dataclass(frozen=True, slots=True)
class OneChannelRule:
    """Post-quantum TLS for everything, or nothing asked."""

    require_pq_tls: bool

    async def check(self, call: Call, row: Row, asked: Asked, terms: Terms) -> None:  # noqa: ARG002
        if self.require_pq_tls and not call.channel.is_post_quantum:
            raise FailedPrecondition(
                Reason.PQ_TLS_REQUIRED,
                f"this server takes post-quantum TLS only; {call.channel.tls_version} with {call.channel.group} was "
                "negotiated. Use a client that offers X25519MLKEM768",
            )

    def edition(self, tenant: str) -> object:  # noqa: ARG002
        return None


def plain_doors(identifier: Identifier, limits: Limits, standing: Standing, *, require_pq_tls: bool = False) -> Doors:
    return Doors(
        identifier=identifier,
        tenants=EveryTenant(),
        limits=limits,
        access=RolesSuffice(),
        channels=OneChannelRule(require_pq_tls),
        standing=standing,
        observers=(AuditLines(),),
        asked=asked_of,
    )


@lru_cache(maxsize=256)
def _terms(tenant: str) -> Terms:
    return Terms(tenant)
