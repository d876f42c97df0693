"""What to do next when something goes wrong on a device itself, by the reason, and which reasons are a no (exit 1)."""

from typing import Final

DEVICE_ADVICE: Final = {
    "AGENT_UNAVAILABLE": "Give --socket another path, in a folder that only you can write to",
    "ARTIFACT_EXISTS": "Give --version a higher number, or delete it first: hallmark vault delete",
    "ARTIFACT_SUSPENDED": "`hallmark vault show NAME` says what it waits for",
    "ARTIFACT_UNKNOWN": "`hallmark vault list` shows what is there",
    "CONTENT_INVALID": "`hallmark vault check` finds all that is damaged; store those again",
    "LIMIT_REACHED": "`hallmark vault show NAME --as APPLICATION` shows each clause",
    "POLICY_INVALID": "`hallmark vault policy show` prints one; docs/device-policy.md says what may be in it",
    "POLICY_ROLLED_BACK": "Count `version` up in the file",
    "POLICY_VIOLATION": "`hallmark vault policy show` is what counts; --as names the application",
    "ROLLED_BACK": "Older files of the vault were put back: put the newest ones back, or make a new vault",
    "ROOT_ADDRESS_INVALID": "`hallmark vault init --help` has examples",
    "ROOT_LOST": "Was this vault made with another --root? With the right one gone, what it held is gone",
    "ROOT_UNAVAILABLE": "Check --root, and the passphrase or PIN",
    "VAULT_IN_USE": "Ask its agent, or end the process that has it open",
}
DEVICE_NOT_SO: Final = frozenset(
    {
        "ARTIFACT_EXISTS",
        "ARTIFACT_SUSPENDED",
        "ARTIFACT_UNKNOWN",
        "AUDIT_BROKEN",
        "CONTENT_INVALID",
        "LIMIT_REACHED",
        "POLICY_ROLLED_BACK",
        "POLICY_VIOLATION",
        "ROLLED_BACK",
    }
)
