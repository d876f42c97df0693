"""Everything that can be wrong with a release, as one tree. Each class has a reason, and an exit code of its own.

ReleaseError
├── FormatInvalid            10  bytes are not in the format they claim to be in
├── WrongKey                 11  signed with another key than the one that is trusted
├── SignatureInvalid         12  the ECDSA signature of the statement does not verify
├── CompositeInvalid         13  the composite signature of the statement does not verify
├── ReleaseMismatch          14  statement, bundles, index and log do not speak of one release
├── FilesMismatch            15  a folder is not what the statement says
├── PieceInvalid             16  a piece of an encrypted part is not the one that was published
├── ContentInvalid           17  a part does not open with this key, or is not the plaintext that was signed
├── MetadataUnsigned         20  TUF: a role is not signed by both of its keys
├── MetadataExpired          21  TUF: what the repository says is too old (frozen, or nobody refreshed it)
├── MetadataRolledBack       22  TUF: older than what was seen before
├── MetadataInvalid          23  TUF: anything else that is wrong with the metadata
├── TargetInvalid            24  TUF: a file has another size or digest than the metadata says
├── ReleaseUnknown           25  the repository has no release of this model
├── LogProofInvalid          30  the release is not proved to be in the log, or witnesses are missing
├── EpochTooOld              31  below the smallest epoch that may still be used
├── SourceFailed             40  the repository can not be read now
│   ├── SourceMissing        41  it has no such file
│   └── SourceTooSlow        42  it sends, but next to nothing
├── FolderUnusable           50  a folder can not be released as it is: links, names, empty files
├── TrustUnusable            51  what the verifier was given to trust can not be used
└── RepositoryUnusable       52  a repository can not be written: another publisher, missing keys, no metadata
"""

from typing import ClassVar, Final

NOT_SO: Final = 1
NOT_USABLE: Final = 2
NOT_REACHABLE: Final = 4

_DO_NOT_USE: Final = "Do not use it. Fetch it again, elsewhere if you can; where it stays so, tell whoever publishes"


class ReleaseError(Exception):
    """Base. reason: UPPER_SNAKE, for programs. exit_code: of `python -m hallmark_release`. category: exit code of
    `hallmark release` (1 not so, 2 not usable, 4 not reachable). advice: what to do next; else `next_step`.
    """

    reason: ClassVar[str] = "RELEASE"
    exit_code: ClassVar[int] = 1
    category: ClassVar[int] = NOT_SO
    next_step: ClassVar[str] = ""

    def __init__(self, message: str, *, advice: str = "") -> None:
        # Servers and metadata are quoted in it: nothing of theirs may steer a terminal or break a line of a log.
        super().__init__("".join(each if each.isprintable() else ascii(each)[1:-1] for each in message))
        self.advice = advice or self.next_step


class FormatInvalid(ReleaseError):
    reason = "FORMAT_INVALID"
    exit_code = 10
    next_step = _DO_NOT_USE


class WrongKey(ReleaseError):
    reason = "WRONG_KEY"
    exit_code = 11
    next_step = (
        "Compare the key with the publisher's, over a safe way: the trust folder may be of another one, or too old"
    )


class SignatureInvalid(ReleaseError):
    reason = "SIGNATURE_INVALID"
    exit_code = 12
    next_step = _DO_NOT_USE


class CompositeInvalid(ReleaseError):
    reason = "COMPOSITE_SIGNATURE_INVALID"
    exit_code = 13
    next_step = _DO_NOT_USE


class ReleaseMismatch(ReleaseError):
    reason = "RELEASE_MISMATCH"
    exit_code = 14
    next_step = _DO_NOT_USE


class FilesMismatch(ReleaseError):
    """`changed`, `missing`, `extra`: relative POSIX paths, sorted."""

    reason = "FILES_MISMATCH"
    exit_code = 15
    next_step = "Fetch the folder again from where it was released"

    def __init__(self, *, changed: tuple[str, ...], missing: tuple[str, ...], extra: tuple[str, ...]) -> None:
        self.changed, self.missing, self.extra = changed, missing, extra
        found = (("changed", changed), ("missing", missing), ("not signed", extra))
        told = "; ".join(f"{len(paths)} {word} ({_some(paths)})" for word, paths in found if paths)
        super().__init__(f"the folder is not what the statement says: {told}")


class PieceInvalid(ReleaseError):
    reason = "PIECE_INVALID"
    exit_code = 16
    next_step = _DO_NOT_USE


class ContentInvalid(ReleaseError):
    reason = "CONTENT_INVALID"
    exit_code = 17
    next_step = _DO_NOT_USE


class MetadataUnsigned(ReleaseError):
    reason = "METADATA_UNSIGNED"
    exit_code = 20
    next_step = _DO_NOT_USE


class MetadataExpired(ReleaseError):
    reason = "METADATA_EXPIRED"
    exit_code = 21
    next_step = "Whoever publishes runs `hallmark release refresh`; is this machine's clock right?"


class MetadataRolledBack(ReleaseError):
    reason = "METADATA_ROLLED_BACK"
    exit_code = 22
    next_step = "Fetch it elsewhere: what is served here is older than what was seen before"


class MetadataInvalid(ReleaseError):
    reason = "METADATA_INVALID"
    exit_code = 23
    next_step = _DO_NOT_USE


class TargetInvalid(ReleaseError):
    reason = "TARGET_INVALID"
    exit_code = 24
    next_step = _DO_NOT_USE


class ReleaseUnknown(ReleaseError):
    reason = "RELEASE_UNKNOWN"
    exit_code = 25
    next_step = "Check the model's name, and that this is the repository it is in"


class LogProofInvalid(ReleaseError):
    reason = "LOG_PROOF_INVALID"
    exit_code = 30
    next_step = _DO_NOT_USE


class EpochTooOld(ReleaseError):
    reason = "EPOCH_TOO_OLD"
    exit_code = 31
    next_step = "Only a newer release may be used: ask whoever publishes"


class SourceFailed(ReleaseError):
    reason = "SOURCE_FAILED"
    exit_code = 40
    next_step = "Check the folder or the URL, and try again"
    category = NOT_REACHABLE


class SourceMissing(SourceFailed):
    reason = "SOURCE_MISSING"
    exit_code = 41
    next_step = "Check the folder or the URL: metadata/timestamp.json is in it"


class SourceTooSlow(SourceFailed):
    reason = "SOURCE_TOO_SLOW"
    exit_code = 42


class FolderUnusable(ReleaseError):
    reason = "FOLDER_UNUSABLE"
    exit_code = 50
    category = NOT_USABLE


class TrustUnusable(ReleaseError):
    reason = "TRUST_UNUSABLE"
    exit_code = 51
    category = NOT_USABLE


class RepositoryUnusable(ReleaseError):
    reason = "REPOSITORY_UNUSABLE"
    exit_code = 52
    category = NOT_USABLE


def _some(paths: tuple[str, ...]) -> str:
    """The first few; `repr` because a file name may hold line breaks or terminal escapes."""
    shown = ", ".join(repr(path) for path in paths[:5])
    return f"{shown}, ..." if len(paths) > 5 else shown
