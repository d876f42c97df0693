"""What can go wrong between an app and the agent. What the vault refuses arrives as the vault raises it."""

from hallmark_client.device.errors import DeviceError


class AgentFailed(DeviceError):
    """Base: the agent could not be asked, or would not listen."""


class AgentUnavailable(AgentFailed):
    """AGENT_UNAVAILABLE: nobody listens on the socket, or the agent went away before it answered."""

    def __init__(self, message: str) -> None:
        super().__init__("AGENT_UNAVAILABLE", message)


class AgentRefused(AgentFailed):
    """AGENT_REFUSED: the agent knows no application by what the operating system says of this process."""

    def __init__(self, message: str) -> None:
        super().__init__("AGENT_REFUSED", message)


class AgentBusy(AgentFailed):
    """AGENT_BUSY: this application is over one of its limits. `retry_after_seconds` says when to come back."""

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        super().__init__("AGENT_BUSY", message, retry_after_seconds=retry_after_seconds)
        self.waits = retry_after_seconds


class AgentInvalid(AgentFailed):
    """AGENT_INVALID: what came over the socket is not this protocol."""

    def __init__(self, message: str) -> None:
        super().__init__("AGENT_INVALID", f"not the agent's protocol: {message}")
