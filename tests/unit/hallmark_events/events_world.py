"""A small service for tests of its readers: real keys, a real log with a witness, events, manifests and their files."""

import hashlib
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from composite_keys import SoftwareCompositeKey
from hallmark_composite import MLDSA44_ECDSA_P256_SHA256
from hallmark_events.batch import BatchPath, BatchTree
from hallmark_events.canonical import canonical_json, format_time
from hallmark_events.event_set import EventSet, encode
from hallmark_events.manifest import FileRef, ListRef, Manifest, encode_manifest_signature, sha256_hex
from hallmark_events.snapshot import evidence_paths
from hallmark_events.snapshot_files import encode_state, pack_event
from hallmark_events.state import FeedState
from hallmark_events.status_list import StatusList
from hallmark_events.trust import LogEvidence, Signature
from hallmark_events.types import ARTIFACT_STATUS_CHANGE, EVENT_CONTEXT, MANIFEST_CONTEXT, Initiator, StatusValue
from hallmark_events.verified import EventEvidence, EventVerifier
from hallmark_tlog.policy import parse_policy
from hallmark_tlog.proof import TlogProof
from hallmark_tlog.prove import inclusion_proof
from unit.hallmark_tlog.virtual_log import LOG_ED25519, WITNESS_ED25519, VirtualLog, sign_note

START = datetime(2026, 11, 22, 10, tzinfo=UTC)
ISSUER = "https://hallmark.example"
PARENT = "tenants/acme"
KEY_VERSION = "tenants/system/keys/revocation-events/versions/1"
KEY = SoftwareCompositeKey(MLDSA44_ECDSA_P256_SHA256)
OTHER_KEY = SoftwareCompositeKey(MLDSA44_ECDSA_P256_SHA256)
POLICY = parse_policy(f"log {LOG_ED25519.vkey}\nwitness one {WITNESS_ED25519.vkey}\nquorum one\n")
EPOCH = (1).to_bytes(8, "big") + b"a" * 8
LATER_EPOCH = (2).to_bytes(8, "big") + b"b" * 8


def verifier(**others) -> EventVerifier:
    told = {"trusted_keys": {KEY_VERSION: KEY.public_key}, "log_policy": POLICY, "issuer": ISSUER, "parent": PARENT}
    return EventVerifier(**{**told, **others})


def uuid7(number: int) -> str:
    """Grows with `number`, as it does with time."""
    return f"{number:08x}-0000-7000-8000-{number:012x}"


def event(number: int, subject: str, status: StatusValue, **others) -> EventSet:
    """The event with jti `number`; revision `number` unless another is given."""
    told = {
        "issuer": ISSUER,
        "jti": uuid7(number),
        "uri": ARTIFACT_STATUS_CHANGE,
        "subject": f"{PARENT}/{subject}",
        "revision": number,
        "status": status,
        "event_time": START + timedelta(seconds=number),
        "initiating_entity": Initiator.ADMIN,
    }
    return EventSet.parse(encode(**{**told, **others}))


def sign(data: bytes, context: bytes = EVENT_CONTEXT, key: SoftwareCompositeKey = KEY) -> Signature:
    return Signature(key_version=KEY_VERSION, signature=key.sign(data, context))


def log_entry(event_type: str, details: dict, number: int = 1) -> bytes:
    return canonical_json(
        {
            "details": details,
            "id": uuid7(number),
            "subject": PARENT,
            "tenant": "acme",
            "time": format_time(START),
            "type": event_type,
            "v": 1,
        }
    )


def logged(entry: bytes, *, witnessed: bool = True, extra: bytes = b"") -> LogEvidence:
    """The entry in a log of five, with its proof."""
    log = VirtualLog([b"a", b"b", entry, b"d", b"e"])
    keys = (LOG_ED25519, WITNESS_ED25519) if witnessed else (LOG_ED25519,)
    path = tuple(inclusion_proof(2, 5, log.read_hash))
    return LogEvidence(entry, bytes(TlogProof(2, path, sign_note(log.checkpoint, *keys), extra)))


def logged_payload(data: bytes, event_type: str = "artifact.changed", **others) -> LogEvidence:
    return logged(log_entry(event_type, {"payload_sha256": hashlib.sha256(data).hexdigest()}), **others)


def signed_evidence(found: EventSet, *, proved: bool = True) -> EventEvidence:
    log = logged_payload(found.data) if proved else LogEvidence()
    return EventEvidence(signature=sign(found.data), log=log)


def batched(found: EventSet, others: int = 4) -> EventEvidence:
    """The event as the second leaf of a batch."""
    tree = BatchTree([b"first", found.data, *(b"other %d" % number for number in range(others))])
    place: BatchPath = tree.path(1)
    entry = log_entry("leases.issued", {"root_sha256": tree.root.hex(), "tree_size": len(tree)})
    return EventEvidence(batch=place, log=logged(entry))


def of_order(pieces: list, seed: int) -> list:
    return random.Random(seed).sample(pieces, len(pieces))


@dataclass
class ReadPlane:
    """The files of one tenant, published again and again."""

    files: dict[str, bytes] = field(default_factory=dict)
    epoch: bytes = EPOCH
    number: int = 0
    reads: list[str] = field(default_factory=list)

    def put(self, data: bytes) -> FileRef:
        ref = FileRef(sha256_hex(data), len(data))
        self.files[ref.path] = data
        return ref

    def read(self, path: str) -> bytes:
        self.reads.append(path)
        return self.files[path]

    def publish(self, events: list[EventSet], lists: dict[int, StatusList] | None = None, **others) -> Manifest:
        """A manifest over the newest events given (one for each subject) and lists, signed and logged."""
        self.number += 1
        packed = [
            pack_event(one.data, signature=sign(one.data), log=logged_payload(one.data))
            for one in sorted(events, key=lambda one: one.subject)
        ]
        state = FeedState()
        for one in events:
            state.apply(one)
        refs = []
        for number, one in (lists or {}).items():
            file = self.put(one.compress())
            refs.append(
                ListRef(
                    number=number,
                    uri=f"{ISSUER}/lists/{number}",
                    bits=one.bits,
                    size=len(one),
                    sha256=file.sha256,
                    raw_sha256=sha256_hex(one.raw),
                )
            )
        told = {
            "issuer": ISSUER,
            "tenant": "acme",
            "epoch": self.epoch,
            "number": self.number,
            "sequence": self.number,
            "issued_at": START + timedelta(minutes=self.number),
            "not_after": START + timedelta(minutes=self.number + 60),
            "previous": "",
            "state": self.put(encode_state(packed)),
            "state_digest": state.digest(),
            "lists": tuple(refs),
        }
        manifest = Manifest(**{**told, **others})
        self.show(manifest)
        return manifest

    def show(self, manifest: Manifest) -> None:
        data = manifest.encode()
        entry = log_entry("status.published", {"payload_sha256": sha256_hex(data)})
        self.files["manifest.json"] = data
        signature, proof = encode_manifest_signature(sign(data, MANIFEST_CONTEXT), START), logged(entry, extra=entry)
        signature_path, proof_path = evidence_paths(data)
        self.files["manifest.sig"] = self.files[signature_path] = signature
        self.files["manifest.tlog-proof"] = self.files[proof_path] = proof.tlog_proof
