"""Several apps of a device share one vault, one stream and one chip: docs/device-agent.md."""

from hallmark_client.device.agent.accounts import AgentLimits
from hallmark_client.device.agent.agent import Agent
from hallmark_client.device.agent.client import AgentClient
from hallmark_client.device.agent.errors import AgentBusy, AgentFailed, AgentInvalid, AgentRefused, AgentUnavailable
from hallmark_client.device.agent.peers import PeerRule
from hallmark_client.device.agent.reader import AgentReader
from hallmark_client.device.agent.values import AgentStatus, PermissionChange, Standing

__all__ = [
    "Agent",
    "AgentBusy",
    "AgentClient",
    "AgentFailed",
    "AgentInvalid",
    "AgentLimits",
    "AgentReader",
    "AgentRefused",
    "AgentStatus",
    "AgentUnavailable",
    "PeerRule",
    "PermissionChange",
    "Standing",
]
