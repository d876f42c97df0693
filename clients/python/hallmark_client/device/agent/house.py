"""What all sessions of an agent share."""

import threading
from dataclasses import dataclass

from hallmark_client.device.agent.accounts import Accounts
from hallmark_client.device.agent.changes import Changes
from hallmark_client.device.vault import Vault
from hallmark_client.system import System
from hallmark_client.watch.clocks import DeviceClock


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """stopping: set once, when the agent ends."""

    vault: Vault
    accounts: Accounts
    changes: Changes
    system: System
    clock: DeviceClock
    stopping: threading.Event
