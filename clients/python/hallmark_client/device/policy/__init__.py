"""Who may do what with which artifact on this device, default deny, each clause with who enforces it.

The document, its clauses and what each is worth: docs/device-policy.md.
"""

from hallmark_client.device.policy.asking import NOTHING_HELD, Held, Operation, Uses
from hallmark_client.device.policy.clauses import (
    Callers,
    ConcurrentReaders,
    MaxBytes,
    MaxUses,
    MinimumVersion,
    NotAfter,
    RequiresLease,
    TimeToLive,
    UserPresent,
)
from hallmark_client.device.policy.errors import PolicyInvalid, PolicyRolledBack
from hallmark_client.device.policy.rule import Rule
from hallmark_client.device.policy.signed import SignedPolicy, VerifiedPolicy
from hallmark_client.device.policy.uses import UseCounts
from hallmark_client.device.policy.vault_policy import DENY_ALL, VaultPolicy

__all__ = [
    "DENY_ALL",
    "NOTHING_HELD",
    "Callers",
    "ConcurrentReaders",
    "Held",
    "MaxBytes",
    "MaxUses",
    "MinimumVersion",
    "NotAfter",
    "Operation",
    "PolicyInvalid",
    "PolicyRolledBack",
    "RequiresLease",
    "Rule",
    "SignedPolicy",
    "TimeToLive",
    "UseCounts",
    "UserPresent",
    "Uses",
    "VaultPolicy",
    "VerifiedPolicy",
]
