"""What operators ask of a service: tenants, access policies, audit reports. The fake has none of it, and says so.

Access policies are decided by Cedar, sessions are TLS connections: in memory there is neither. Test against a real
`hallmark serve`; its demo takes two minutes.
"""

from collections.abc import Callable
from typing import Any, Final, NoReturn

import grpc

from hallmark_client.testing.refusals import refusal

NOT_IN_MEMORY: Final = (
    "CreateTenant",
    "GetTenant",
    "ListTenants",
    "UpdateTenant",
    "ChangeTenantState",
    "SetAccessPolicy",
    "GetAccessPolicy",
    "ListAccessPolicies",
    "DryRunAccessPolicy",
    "ActivateAccessPolicy",
    "CreateGrant",
    "GetGrant",
    "ListGrants",
    "RevokeGrant",
    "TestAccess",
    "ListEffectiveGrants",
    "GetCoverageReport",
    "ListSessions",
)


def operator_handlers() -> dict[str, Callable[[Any], NoReturn]]:
    return {name: _refuse(name) for name in NOT_IN_MEMORY}


def _refuse(name: str) -> Callable[[Any], NoReturn]:
    def refuse(_: Any) -> NoReturn:
        sentence = f"the service in memory has no {name}; test it against `hallmark serve`"
        raise refusal(grpc.StatusCode.UNIMPLEMENTED, "RPC_NOT_ALLOWED", sentence)

    return refuse
