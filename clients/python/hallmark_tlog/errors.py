"""Everything that can be wrong with a log, as one tree.

TlogError
├── FormatError               bytes are not in the format they claim to be in
│   ├── KeyIdMismatch         a verifier key whose key ID is not that of its own name, type and public key
│   └── UnknownEntryVersion   an entry in an encoding that this reader is too old for
├── SignatureError
│   ├── BadSignature          a line of a known key that does not verify: the whole note is refused
│   ├── NotSigned             a required signature is not there
│   └── QuorumNotReached      too few witnesses cosigned, by the policy
├── OriginMismatch            the checkpoint of another log
├── ProofError
│   ├── InclusionError        the entry is not proved to be at this index of this tree
│   ├── ConsistencyError      the smaller tree is not proved to be a prefix of the larger one
│   ├── CommitmentError       the value and salt are not those that an entry commits to
│   ├── UnsupportedVds        a COSE receipt over another verifiable data structure
│   └── SuccessionError       two entries do not tie one log to the next
├── FetchError                the log's files cannot be read now
│   └── MissingResource       the log does not have a file it must have
└── AuditError
    ├── ForkError             two signed checkpoints that cannot both be true
    ├── RollbackError         the log shows a smaller tree than one seen before
    └── TamperedError         published files contradict each other or the signed root
"""


class TlogError(Exception):
    """Base of all errors of this package."""


class FormatError(TlogError):
    pass


class KeyIdMismatch(FormatError):
    pass


class UnknownEntryVersion(FormatError):
    def __init__(self, version: int) -> None:
        super().__init__(f"the entry has version {version}, which this reader does not know")
        self.version = version


class SignatureError(TlogError):
    pass


class BadSignature(SignatureError):
    pass


class NotSigned(SignatureError):
    pass


class QuorumNotReached(SignatureError):
    """`missing` names the witnesses of the policy that could still make up the quorum."""

    def __init__(self, problem: str, missing: tuple[str, ...]) -> None:
        super().__init__(problem)
        self.missing = missing


class OriginMismatch(TlogError):
    pass


class ProofError(TlogError):
    pass


class InclusionError(ProofError):
    pass


class ConsistencyError(ProofError):
    pass


class CommitmentError(ProofError):
    pass


class UnsupportedVds(ProofError):
    """`vds` is the receipt's value of the COSE header parameter 395, None when it has none."""

    def __init__(self, vds: int | None) -> None:
        super().__init__(f"the receipt is over the verifiable data structure {vds}, which is not the one asked for")
        self.vds = vds


class SuccessionError(ProofError):
    pass


class FetchError(TlogError):
    """`path` is the resource below the log's prefix, such as `tile/0/000`."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


class MissingResource(FetchError):
    def __init__(self, path: str) -> None:
        super().__init__(path, "the log does not have this file")


class AuditError(TlogError):
    pass


class ForkError(AuditError):
    pass


class RollbackError(AuditError):
    pass


class TamperedError(AuditError):
    """`path` is the file that contradicts the others."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
