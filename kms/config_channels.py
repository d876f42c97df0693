"""Settings of the rules about post-quantum connections. The rules themselves belong to tenants (docs/channels.md)."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import Field, StringConstraints

from kms.config_section import Section
from kms.core.names import ID_PATTERN

RegionName = Annotated[str, StringConstraints(pattern=f"^{ID_PATTERN}$")]


class ChannelsConfig(Section):
    regions: dict[RegionName, tuple[IPv4Network | IPv6Network, ...]] = Field(
        {},
        description="Names for networks, such as office = ['10.20.0.0/16', 'fd00:20::/32']: triggers of tenants use "
        "them. All replicas need the same. A trigger that names a region nobody defined here fits every address.",
    )
    use_interval_seconds: float = Field(
        3,
        ge=0.1,
        le=60,
        description="How often this replica tells the others what classical sessions have moved, and hears of theirs: "
        "so long they may overdraw a caller's daily budget.",
    )
