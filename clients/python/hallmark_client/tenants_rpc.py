"""The wire calls about tenants, as in hallmark_client.rpc."""

from typing import Any, Final

from hallmark.v1 import tenants_pb2 as tenants
from hallmark_client.rpc_type import Rpc

_TENANTS: Final = "/hallmark.v1.TenantService/"

CREATE_TENANT: Final = Rpc(f"{_TENANTS}CreateTenant", tenants.CreateTenantRequest, tenants.TenantResponse)
GET_TENANT: Final = Rpc(f"{_TENANTS}GetTenant", tenants.GetTenantRequest, tenants.Tenant)
LIST_TENANTS: Final = Rpc(f"{_TENANTS}ListTenants", tenants.ListTenantsRequest, tenants.ListTenantsResponse)
UPDATE_TENANT: Final = Rpc(f"{_TENANTS}UpdateTenant", tenants.UpdateTenantRequest, tenants.TenantResponse)
CHANGE_TENANT_STATE: Final = Rpc(
    f"{_TENANTS}ChangeTenantState", tenants.ChangeTenantStateRequest, tenants.TenantResponse
)

TENANT_RPCS: Final[tuple[Rpc[Any, Any], ...]] = (
    CREATE_TENANT,
    GET_TENANT,
    LIST_TENANTS,
    UPDATE_TENANT,
    CHANGE_TENANT_STATE,
)
