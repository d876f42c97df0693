"""The wire calls about access rules, as in hallmark_client.rpc."""

from typing import Any, Final

from hallmark.v1 import access_pb2 as access
from hallmark_client.rpc_type import Rpc

_ACCESS: Final = "/hallmark.v1.AccessService/"

SET_ACCESS_POLICY: Final = Rpc(
    f"{_ACCESS}SetAccessPolicy", access.SetAccessPolicyRequest, access.SetAccessPolicyResponse
)
GET_ACCESS_POLICY: Final = Rpc(f"{_ACCESS}GetAccessPolicy", access.GetAccessPolicyRequest, access.AccessPolicy)
LIST_ACCESS_POLICIES: Final = Rpc(
    f"{_ACCESS}ListAccessPolicies", access.ListAccessPoliciesRequest, access.ListAccessPoliciesResponse
)
DRY_RUN_ACCESS_POLICY: Final = Rpc(
    f"{_ACCESS}DryRunAccessPolicy", access.DryRunAccessPolicyRequest, access.DryRunAccessPolicyResponse
)
ACTIVATE_ACCESS_POLICY: Final = Rpc(
    f"{_ACCESS}ActivateAccessPolicy", access.ActivateAccessPolicyRequest, access.SetAccessPolicyResponse
)
CREATE_GRANT: Final = Rpc(f"{_ACCESS}CreateGrant", access.CreateGrantRequest, access.GrantResponse)
GET_GRANT: Final = Rpc(f"{_ACCESS}GetGrant", access.GetGrantRequest, access.Grant)
LIST_GRANTS: Final = Rpc(f"{_ACCESS}ListGrants", access.ListGrantsRequest, access.ListGrantsResponse)
REVOKE_GRANT: Final = Rpc(f"{_ACCESS}RevokeGrant", access.RevokeGrantRequest, access.GrantResponse)
TEST_ACCESS: Final = Rpc(f"{_ACCESS}TestAccess", access.TestAccessRequest, access.TestAccessResponse)
LIST_EFFECTIVE_GRANTS: Final = Rpc(
    f"{_ACCESS}ListEffectiveGrants", access.ListEffectiveGrantsRequest, access.ListEffectiveGrantsResponse
)

ACCESS_RPCS: Final[tuple[Rpc[Any, Any], ...]] = (
    SET_ACCESS_POLICY,
    GET_ACCESS_POLICY,
    LIST_ACCESS_POLICIES,
    DRY_RUN_ACCESS_POLICY,
    ACTIVATE_ACCESS_POLICY,
    CREATE_GRANT,
    GET_GRANT,
    LIST_GRANTS,
    REVOKE_GRANT,
    TEST_ACCESS,
    LIST_EFFECTIVE_GRANTS,
)
