"""Settings of what is remembered of calls and sessions for auditors."""

from pydantic import Field

from kms.config_section import Section


class AuditConfig(Section):
    session_days: int = Field(
        30, ge=1, le=3650, description="How long sessions, and hourly counts of the calls that were seen, are kept."
    )
    signature_days: int = Field(
        400, ge=1, le=3650, description="How long hourly counts of signatures are kept. They name nobody."
    )
    sessions_max: int = Field(
        1_000_000, ge=1000, description="Of more sessions than so many, the oldest go before their days are over."
    )
    flush_seconds: float = Field(
        5, gt=0, le=300, description="How often what was counted is written, many rows in one transaction."
    )
    full_addresses: bool = Field(
        False,
        description="Keep whole client addresses with the calls that were seen; false: only their /24 (IPv4) or /48 "
        "(IPv6) network.",
    )
