"""What to do next, by the reason of a refusal."""

from collections.abc import Mapping
from typing import Final

ADVICE: Final = {
    "ACCESS_DENIED": "`hallmark access test` tells why; an admin of your tenant can grant it",
    "ACCESS_FORBIDDEN": "`hallmark access test` tells which statement; only another policy changes that",
    "LOCKOUT": "Permit AccessService to admins in it; docs/access.md begins with such a statement",
    "QUOTA_EXCEEDED": "Destroy what is not needed, or ask the operators: `hallmark tenants update TENANT --keys N`",
    "TENANT_EXISTS": "`hallmark tenants list` shows those that there are",
    "EPOCH_NOT_NEWER": "Build it again without --epoch: the next one is taken",
    "RELEASE_EXISTS": "The service has this very statement already: build the release again",
    "RECEIVER_EXISTS": "Take another id, or delete it first: `hallmark ssf receivers list`",
    "KEY_EXISTS": "Take another name, or make a new version with `hallmark keys rotate`",
    "KEY_REVOKED": "A revoked key never signs again: create another with `hallmark keys create`",
    "ROLE_NOT_ALLOWED": "Use another identity with --as; `hallmark COMMAND --help` names the usual one",
    "CERTIFICATE_UNKNOWN": "Use a profile with a certificate that this server knows: its own are in HOME/clients/",
    "TENANT_UNKNOWN": "Operators make it: `hallmark tenants create`",
    "TENANT_SUSPENDED": "Operators can say why: `hallmark tenants get`, and resume it",
    "TOKEN_EXPIRED": "Get a new token from your issuer; a `token-file` of the profile is read again at each call",
    "TOKEN_INVALID": "Compare the token's iss, aud and times with the server's settings: docs/identity.md",
    "TOKEN_NOT_BOUND": "Use the token on the port for tokens, with a profile that has no certificate: docs/identity.md",
    "ETAG_MISMATCH": "Look at it again (`hallmark keys show`, `hallmark tenants get`), then decide again",
    "CURSOR_INVALID": "The position is of another server: remove the cursor file to begin from the start",
    "CURSOR_EPOCH": "The server's history was replaced: remove the cursor file to begin from the start",
    "PQ_TLS_REQUIRED": "Connect again with a client that offers X25519MLKEM768, such as grpcio 1.85: docs/channels.md",
    "HSM_UNAVAILABLE": "Look into the server's log; it says what its token answered",
    "APPROVAL_REQUIRED": "`hallmark approvals propose --help` says how; then give --proposal ID",
    "EXPORT_FORBIDDEN": "What was made to stay stays: make another with `hallmark keys create NAME --export wrapped`",
    "IMPORT_REFUSED": "Check --algorithm, and that --public-key is that of the private key",
    "ALGORITHM_UNSUPPORTED": "`hallmark hsm doctor` says what the token can; take another --algorithm",
    "KEY_FILE_INVALID": "`hallmark keys wrapping-key --output` and `hallmark keys export` write such files",
    "WRAPPING_KEY_EXPIRED": "Get it again: hallmark keys wrapping-key --output FILE",
    "PROPOSAL_NOT_APPROVED": "`hallmark approvals show ID` tells who approved it and how many it takes",
    "PROPOSAL_EXPIRED": "Propose it again with `hallmark approvals propose`",
    "PROPOSAL_USED": "A proposal is good for one act: propose it again with `hallmark approvals propose`",
    "ENVELOPE_INVALID": "Check --info and the file; which of the two is wrong is never told",
    "COLLATERAL_INVALID": "Fetch it again from its vendor; `hallmark collateral add --help` says what each kind is",
    "COLLATERAL_OUTDATED": "`hallmark collateral list` shows what is in force; fetch the newest from the vendor",
    "ANCHOR_EXISTS": "Keys that the vendors' table or the settings name count already: `hallmark anchors list`",
    "ANCHOR_BUILT_IN": "Refuse formats you do not want by policy: `hallmark policy show --default`",
    "CHALLENGE_MISMATCH": "A challenge is good for the purpose and the key it was made for: ask for another",
    "ATTESTATION_REQUIRED": "Give --device NAME: `hallmark devices list` shows them, `hallmark keys show` the gate",
    "VERDICT_REFUSED": "`hallmark devices show` has the reasons; let the device attest again once they are gone",
    "VERDICT_TOO_OLD": "Let the device attest again (or assert, with App Attest), then repeat the command",
    "VERDICT_INSUFFICIENT": "Compare the gate (`hallmark keys show`) with the device (`hallmark devices show`)",
    "VERDICT_CHANGED": "Repeat the command",
    "DEVICE_REVOKED": "A revoked device comes back only with a new key: attest it anew",
    "REMOVAL_OVERDUE": "`hallmark consent removals --state overdue` shows what it owes; its receipt ends that",
    "ARCHIVE_INCOMPLETE": "What this verdict rested on is not kept any more; let the device attest again",
    "QUEUE_FULL": "The server is busy: try again in a moment",
    "POLICY_INVALID": "`hallmark policy check FILE` finds mistakes offline; `policy show --default` is a start",
    "SIGNATURE_INVALID": "Is it the right key, and the --context it was signed with?",
    "PROOF_MISSING": "Ask for it when signing: `hallmark sign FILE --key NAME --proof`",
}


_LISTS: Final = {
    "accessPolicies": "`hallmark access list` shows the versions that there are",
    "grants": "`hallmark access grant list` shows the grants that there are",
    "ssfReceivers": "`hallmark ssf receivers list` shows those that there are",
    "keys": "`hallmark keys list` shows the keys that there are",
    "aliases": "`hallmark keys alias list` shows the aliases that there are",
    "devices": "`hallmark devices list` shows the devices that there are",
    "verdicts": "`hallmark devices list` and `hallmark devices show ID` lead to the newest verdict of each device",
    "policies": "`hallmark policy list` shows the versions that there are",
    "consents": "`hallmark consent list` shows the consents that there are",
    "leases": "`hallmark consent leases` shows the leases that there are",
    "removals": "`hallmark consent removals` shows the removals that there are",
    "proposals": "`hallmark approvals list` shows the proposals that there are",
    "anchors": "`hallmark anchors list` shows the keys that count",
    "collateral": "`hallmark collateral list` shows what is in force",
    "releases": "`hallmark release list` shows those that there are",
    "challenges": "A challenge is good once and for a short while: ask for another",
}
"""By the collection of what was not found."""


def where_to_look(resource: str) -> str:
    """tenants/{tenant}/{collection}/..., as the error names it."""
    parts = resource.split("/")
    if len(parts) == 2:
        return "`hallmark tenants list` shows the tenants that there are"
    return _LISTS.get(parts[2], "") if len(parts) > 2 else ""


def how_to_propose(metadata: Mapping[str, str]) -> str:
    """The very command that asks for what the server refused."""
    words = ["hallmark approvals propose", metadata["act"].replace("_", "-"), metadata.get("subject", "")]
    if metadata.get("parameters_sha256"):
        words.append(f"--parameters {metadata['parameters_sha256']}")
    return f"Ask others: {' '.join(words)}; once they approved it, repeat this with --proposal ID"
