"""An evidence pack: one file that shows, offline and without its maker, that an entry is in a log.

A ZIP archive (PKWARE APPNOTE 6.3.10) that any tool opens, with six members in this order, stored without compression:

entry.json          the entry, byte for byte what was logged
entry.tlog-proof    its inclusion proof with the checkpoint (C2SP tlog-proof v1)
checkpoint          the same checkpoint, signed and cosigned (C2SP tlog-checkpoint)
log.vkey            the log's verifier keys, one a line (C2SP signed-note)
policy              who must have signed (C2SP tlog-policy)
README.txt          what this is and how to check it, in plain words

One pack has exactly one spelling: times are 1980-01-01, nothing is compressed, no other field is used. So the same
evidence is the same file everywhere, and a reader that writes the pack again and compares finds every odd name,
duplicate, hidden byte and wrong checksum at once; nothing can inflate.
"""

import struct
import zlib
from dataclasses import dataclass, replace

from hallmark_tlog.acceptance import Accept, accept_by_policy
from hallmark_tlog.bundles import MAX_ENTRY_BYTES
from hallmark_tlog.errors import FormatError
from hallmark_tlog.locate import ProvedEntry
from hallmark_tlog.note import MAX_NOTE_BYTES
from hallmark_tlog.pack_readme import readme
from hallmark_tlog.policy import MAX_POLICY_CHARACTERS, Policy, parse_policy
from hallmark_tlog.proof import MAX_PROOF_BYTES, VerifiedEntry, parse_proof, verify_entry

ENTRY, PROOF, CHECKPOINT, VKEYS, POLICY, README = MEMBERS = (
    "entry.json",
    "entry.tlog-proof",
    "checkpoint",
    "log.vkey",
    "policy",
    "README.txt",
)
_MAX_README_BYTES = 64 * 1024
_LIMITS = {
    ENTRY: MAX_ENTRY_BYTES,
    PROOF: MAX_PROOF_BYTES,
    CHECKPOINT: MAX_NOTE_BYTES,
    VKEYS: MAX_POLICY_CHARACTERS,
    POLICY: MAX_POLICY_CHARACTERS,
    README: _MAX_README_BYTES,
}
MAX_PACK_BYTES = sum(_LIMITS.values()) + 1024

# APPNOTE 4.3.7, 4.3.12, 4.3.16. Version 2.0, no flags, stored, 1980-01-01 00:00:00; external attributes: a file, 0644.
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION, _MADE_BY_UNIX, _DATE, _MODE = 20, 3 << 8 | 20, 1 << 5 | 1, 0o100644 << 16


@dataclass(frozen=True, slots=True)
class EvidencePack:
    """The members. Consistent in itself once parsed; what it shows is said by `verify_pack`."""

    entry: bytes
    proof: bytes
    checkpoint: bytes
    vkeys: bytes
    policy: bytes
    readme: bytes

    def __bytes__(self) -> bytes:
        contents = (self.entry, self.proof, self.checkpoint, self.vkeys, self.policy, self.readme)
        return _zip(dict(zip(MEMBERS, contents, strict=True)))

    @property
    def claimed_policy(self) -> Policy:
        """The keys inside. Anybody could have put them there: compare their fingerprints with published ones."""
        return parse_policy(_text(POLICY, self.policy))


def make_pack(proved: ProvedEntry, policy: Policy, policy_text: str) -> EvidencePack:
    """A pack about a proved entry. `policy_text` is what `policy` was read from. Raises TlogError if it does not hold.

    The pack is read and verified again before it is returned.
    """
    proof, verified = replace(proved.proof, extra=b""), proved.verified
    origin = verified.checkpoint.checkpoint.origin
    keys = [log.vkey for log in policy.logs if log.vkey.name == origin]
    pack = EvidencePack(
        entry=verified.entry,
        proof=bytes(proof),
        checkpoint=proof.checkpoint,
        vkeys="".join(f"{key}\n" for key in keys).encode(),
        policy=policy_text.encode(),
        readme=readme(verified, policy).encode(),
    )
    verify_pack(parse_pack(bytes(pack)), accept_by_policy(policy, origin=origin))
    return pack


def parse_pack(data: bytes) -> EvidencePack:
    """Read a pack and check that its members belong together. Raises FormatError for any other bytes."""
    if len(data) > MAX_PACK_BYTES:
        raise FormatError(f"an evidence pack is larger than {MAX_PACK_BYTES} bytes")
    contents = _members(data)
    pack = EvidencePack(*contents.values())
    if bytes(pack) != data:
        raise FormatError("an evidence pack has a wrong checksum, or bytes that no member accounts for")
    if parse_proof(pack.proof).checkpoint != pack.checkpoint:
        raise FormatError("the checkpoint of an evidence pack is not that of its proof")
    lines = {str(log.vkey) for log in pack.claimed_policy.logs}
    if not set(_text(VKEYS, pack.vkeys).splitlines()) <= lines:
        raise FormatError("the verifier keys of an evidence pack are not those of its policy")
    return pack


def verify_pack(pack: EvidencePack, accept: Accept) -> VerifiedEntry:
    """The entry is in the log whose checkpoints `accept` opens. The README is not looked at: nothing vouches for it.

    Raises FormatError, SignatureError, OriginMismatch, InclusionError.
    """
    return verify_entry(parse_proof(pack.proof), pack.entry, accept(pack.checkpoint))


def _zip(contents: dict[str, bytes]) -> bytes:
    local, central = bytearray(), bytearray()
    for name, content in contents.items():
        encoded = name.encode()
        facts = (zlib.crc32(content), len(content), len(content), len(encoded), 0)
        offset = len(local)
        local += _LOCAL.pack(b"PK\x03\x04", _VERSION, 0, 0, 0, _DATE, *facts) + encoded + content
        head = (b"PK\x01\x02", _MADE_BY_UNIX, _VERSION, 0, 0, 0, _DATE)
        central += _CENTRAL.pack(*head, *facts, 0, 0, 0, _MODE, offset) + encoded
    end = _END.pack(b"PK\x05\x06", 0, 0, len(contents), len(contents), len(central), len(local), 0)
    return bytes(local + central + end)


def _members(data: bytes) -> dict[str, bytes]:
    """The contents by the local headers alone; whatever else is wrong shows when the pack is written again."""
    contents: dict[str, bytes] = {}
    position = 0
    for name in MEMBERS:
        header = data[position : position + _LOCAL.size]
        if len(header) != _LOCAL.size:
            raise FormatError(f"an evidence pack ends before {name}")
        signature, *_, stored, size, name_size, extra_size = _LOCAL.unpack(header)
        start = position + _LOCAL.size + len(name)
        found = data[position + _LOCAL.size : start]
        if signature != b"PK\x03\x04" or found != name.encode() or (name_size, extra_size) != (len(name), 0):
            raise FormatError(f"an evidence pack has {name} at another place, or under another name")
        position = start + size
        if stored != size or size > _LIMITS[name] or position > len(data):
            raise FormatError(f"the member {name} of an evidence pack is compressed, cut off or too large")
        contents[name] = data[start:position]
    return contents


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"the member {name} of an evidence pack is not UTF-8") from error
