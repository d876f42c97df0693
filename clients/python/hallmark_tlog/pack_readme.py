"""The README.txt inside an evidence pack: for a reader who knows neither the log nor its makers."""

from datetime import UTC, datetime
from hashlib import sha256

from hallmark_tlog.policy import Policy
from hallmark_tlog.proof import VerifiedEntry
from hallmark_tlog.verify import Signer
from hallmark_tlog.vkey import KeyType, VerifierKey

_TYPES: dict[int, str] = {
    KeyType.ED25519: "Ed25519",
    KeyType.ED25519_COSIGNATURE: "Ed25519 cosignature",
    KeyType.ML_DSA_44: "ML-DSA-44",
}


def fingerprint(key: VerifierKey) -> str:
    """SHA-256 of the vkey line without newline, in hex: what people compare over another channel."""
    return sha256(str(key).encode()).hexdigest()


def type_name(key_type: int) -> str:
    return _TYPES.get(key_type, f"type {key_type:#04x}")


def listed_keys(policy: Policy) -> tuple[VerifierKey, ...]:
    """The keys as the lines of the policy have them."""
    return (*(log.vkey for log in policy.logs), *(witness.vkey for witness in policy.witnesses))


def readme(verified: VerifiedEntry, policy: Policy) -> str:
    checkpoint = verified.checkpoint.checkpoint
    return _TEXT.format(
        origin=checkpoint.origin,
        index=verified.index,
        size=checkpoint.size,
        root=checkpoint.root.hex(),
        entry_sha256=sha256(verified.entry).hexdigest(),
        signers="\n".join(f"  {_signer(signer)}" for signer in verified.checkpoint.signers),
        keys="\n".join(f"  {fingerprint(key)}  {key.name} ({type_name(key.type)})" for key in listed_keys(policy)),
    )


def _signer(signer: Signer) -> str:
    when = ""
    if signer.timestamp:
        try:
            when = f", at {datetime.fromtimestamp(signer.timestamp, UTC):%Y-%m-%d %H:%M:%S} UTC"
        except (OverflowError, ValueError, OSError):  # a time no calendar has
            when = f", at POSIX time {signer.timestamp}"
    return f"{signer.name} ({type_name(signer.type)}, key ID {signer.key_id.hex()}){when}"


_TEXT = """\
EVIDENCE: AN ENTRY IS IN A TRANSPARENCY LOG

A transparency log is a list that can only grow. Its operator signs checkpoints: short statements of how many entries
the log has and what the hash over all of them (the root) is. From a checkpoint nobody, not even the operator, can
remove or change an entry without it being noticed. This pack shows that one entry is in the log:

  log             {origin}
  entry           number {index} of {size}, counted from 0
  SHA-256         {entry_sha256}  (of entry.json)
  root            {root}

The checkpoint was signed by:

{signers}

WHAT IS IN HERE

  entry.json        the entry, byte for byte as it was logged
  entry.tlog-proof  the proof and the checkpoint         https://c2sp.org/tlog-proof
  checkpoint        the checkpoint alone, with signatures https://c2sp.org/tlog-checkpoint
  log.vkey          the log's public keys, one a line     https://c2sp.org/signed-note
  policy            whose signatures were asked for       https://c2sp.org/tlog-policy

FIRST: WHOSE KEYS ARE THESE?

Everything below shows only that the holders of the keys in this pack signed. Whether they are the keys of the log and
of its witnesses, this pack cannot show about itself: ask the operator, a witness or an expert, over a channel that did
not come with this pack. SHA-256 of each key's line in log.vkey or policy, without the line's end:

{keys}

CHECKING IT WITH SOFTWARE

Any tool that reads C2SP tlog-proof can check entry.tlog-proof against entry.json and the keys. With this one:

  hallmark log check-pack PACK --policy POLICY-YOU-TRUST
  hallmark log check-proof entry.tlog-proof --entry entry.json --vkey KEYS-YOU-TRUST

CHECKING IT BY HAND

|| joins bytes. SHA-256 is FIPS 180-4. Base64 is RFC 4648 section 4.

1. The leaf hash is SHA-256(byte 0x00 || the bytes of entry.json) (RFC 6962, 2.1).
2. entry.tlog-proof has a line "index N", then one base64 hash a line, until an empty line. Begin with h = the leaf
   hash, i = N, and last = the number of entries in the checkpoint, minus 1. For each hash p in order (RFC 9162,
   2.1.3.2):
     - if i is odd or i equals last:  h = SHA-256(byte 0x01 || p || h); then, if i is even, halve both i and last
       (dropping the remainder) until i is odd or 0;
     - otherwise:                     h = SHA-256(byte 0x01 || h || p);
     - halve both i and last, dropping the remainder.
   At the end last must be 0, and h must be the root: the third line of the checkpoint, in base64.
3. The checkpoint is a text, an empty line and signature lines. The text has three lines: name of the log, number of
   entries, root. A signature line is a dash, a name, and base64 of: key ID (4 bytes), then the signature. A line of
   log.vkey is name+key ID+base64 of: type (1 byte), then the public key. The key ID is the first 4 bytes of
   SHA-256(name || byte 0x0A || type || public key). Lines with other names and key IDs than yours say nothing.
   The text goes up to the line end before the empty line, and includes it.
     - type 0x01: the signature is Ed25519 (RFC 8032) over the text.
     - type 0x04: it is 8 bytes, the time in seconds since 1970, and then Ed25519 over the line "cosignature/v1", the
       line "time T" with the time in decimal, each with its line end (byte 0x0A), and the text.
     - type 0x06: it is 8 bytes, the time, and then ML-DSA-44 (FIPS 204, empty context) over "subtree/v1" ||
       bytes 0x0A 0x00 || length of the signer's name (1 byte) || signer's name || time (8 bytes) || length of the log's
       name (1 byte) || log's name || 8 bytes 0x00 || number of entries (8 bytes) || root (32 bytes).
   Numbers in bytes begin with the most significant one. https://c2sp.org/tlog-cosignature
4. policy says which signatures are enough: one of a "log" key, and the witnesses that its "quorum" names. A "group"
   has signed when as many of its members have as the number behind its name says; "any" is one of them. A witness
   that is listed with type 0x01 signs with type 0x04.

WHAT THE ENTRY SAYS

entry.json is JSON (RFC 8785): what was done ("type"), to what ("subject"), when ("time"), and more in "details". A
value in "commitments" is HMAC-SHA256(salt, its name || byte 0x00 || a fact), in base64url (RFC 4648 section 5): whoever
is given the salt and the fact can check that the entry was made for this fact.
"""
