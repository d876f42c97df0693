"""Settings of tenants, and of what everybody may use at once."""

from typing import Literal

from pydantic import Field

from kms.config_section import Section


class TenantQuotasConfig(Section):
    rate_per_second: float = Field(
        0, ge=0, le=1_000_000, description="Calls a second of all identities of a tenant together; 0: no limit."
    )
    concurrency: int = Field(0, ge=0, le=1_000_000, description="Calls a tenant may have in progress; 0: no limit.")
    streams: int = Field(0, ge=0, le=1_000_000, description="Streams a tenant may hold open; 0: no limit.")
    keys: int = Field(0, ge=0, le=10**12, description="Keys of a tenant that are not destroyed; 0: no limit.")
    devices: int = Field(0, ge=0, le=10**12, description="Devices of a tenant that are not revoked; 0: no limit.")


class TenantChannelsConfig(Section):
    mode: Literal["require", "prefer", "allow"] = Field(
        "prefer",
        description="Post-quantum TLS: require it for everything; prefer it, so that other sessions may touch only "
        "what is of little sensitivity and move few bytes; allow does without.",
    )
    classical_sensitivity: Literal["low", "standard", "high", "maximum"] = Field(
        "standard", description="With prefer: the most that a session without post-quantum TLS may touch."
    )
    classical_bytes_per_day: int = Field(
        64 * 1024 * 1024,
        ge=1,
        le=2**50,
        description="With prefer: bytes of requests and answers that one caller may move without post-quantum TLS.",
    )


class TenantsConfig(Section):
    require_registered: bool = Field(
        False,
        description="Refuse certificates of tenants that `hallmark tenants create` never made. Otherwise a tenant is "
        "there when the authority has issued a certificate for it, with the defaults below.",
    )
    quotas: TenantQuotasConfig = Field(
        TenantQuotasConfig(), description="Quotas of tenants that have none of their own, at each replica."
    )
    channels: TenantChannelsConfig = Field(
        TenantChannelsConfig(), description="Channel rules of tenants that have none of their own."
    )


class LimitsConfig(Section):
    calls_per_caller: int = Field(256, ge=1, description="Calls one caller may have in progress, beside its streams.")
    calls_total: int = Field(
        4096,
        ge=16,
        description="Calls this process has in progress. Above three quarters of it nobody gets more than a fair "
        "share: tenants equal ones, and so the callers of a tenant.",
    )
