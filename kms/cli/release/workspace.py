"""The folder of one release on its way: what the library built, the sealed content key, signatures, the log proof.

statement.json, index.json, parts/     hallmark_release.build
content-key.json                       the content key, sealed to the service; the info it was sealed with
model.sig, model.sig.composite         after `sign`; model.files.sig: for `model_signing verify key`
release.tlog-proof                     after the release was made known
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hallmark_events.canonical import canonical_json, encode_base64, parse_base64, parse_canonical
from hallmark_release.build import INDEX_FILE, STATEMENT_FILE, BuiltRelease
from hallmark_release.bundle import BUNDLE_BYTES_MAX, write_bundle
from hallmark_release.client import BUNDLE_NAME, COMPOSITE_BUNDLE_NAME, INDEX_NAME, PROOF_NAME, TARGET_SIZES
from hallmark_release.composite_bundle import write_composite_bundle
from hallmark_release.dsse import pae
from hallmark_release.errors import WrongKey
from hallmark_release.files_bundle import files_payload, write_files_bundle
from hallmark_release.trust import ReleaseTrust
from hallmark_release.verify import verify_content, verify_statement
from kms.cli.failure import CommandError, not_usable
from kms.cli.output import read_file, write_file
from kms.cli.release.service_keys import KeyNames, composite_key, ecdsa_key, sign_composite, sign_ecdsa

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_client.model.envelopes import DataKey

FILES_BUNDLE_NAME: Final = "model.files.sig"
CONTENT_KEY_FILE: Final = "content-key.json"
_CONTENT_KEY_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class SealedContentKey:
    """As EnvelopeService.GenerateDataKey gave it. info: what it was sealed with."""

    key_version: str
    envelope: bytes
    info: bytes

    @classmethod
    def of(cls, key: "DataKey", info: bytes) -> "SealedContentKey":
        return cls(key.key_version, key.envelope, info)

    def write(self, folder: Path) -> None:
        """Sealed: whoever reads the file has nothing without the service."""
        fields = {
            "envelope": encode_base64(self.envelope),
            "info": encode_base64(self.info),
            "key_version": self.key_version,
        }
        write_file(folder / CONTENT_KEY_FILE, canonical_json(fields))

    @classmethod
    def read(cls, folder: Path) -> "SealedContentKey":
        """Raises CommandError, OSError."""
        data = read_file(folder / CONTENT_KEY_FILE, _CONTENT_KEY_BYTES_MAX)
        found = parse_canonical(data, what="the content key", max_bytes=_CONTENT_KEY_BYTES_MAX, refuse=_damaged)
        if found.keys() != {"envelope", "info", "key_version"} or not isinstance(found["key_version"], str):
            raise _damaged("the content key's file has other members than it should")
        return cls(
            found["key_version"],
            parse_base64(found["envelope"], what="the envelope", refuse=_damaged),
            parse_base64(found["info"], what="the info", refuse=_damaged),
        )


def is_built(folder: Path) -> bool:
    return (folder / STATEMENT_FILE).is_file() and (folder / INDEX_FILE).is_file()


def is_signed(folder: Path) -> bool:
    return (folder / BUNDLE_NAME).is_file() and (folder / COMPOSITE_BUNDLE_NAME).is_file()


def sign_built(client: "Client", names: KeyNames, folder: Path, built: BuiltRelease) -> None:
    """Both bundles over the one statement, and one of whole files. Raises HallmarkError, ReleaseError, OSError."""
    message = pae(built.statement.payload)
    ecdsa = sign_ecdsa(client, names.ecdsa, message)
    write_file(folder / BUNDLE_NAME, write_bundle(built.statement, ecdsa, ecdsa_key(client, names)))
    whole = sign_ecdsa(client, names.ecdsa, pae(files_payload(built)))
    write_file(folder / FILES_BUNDLE_NAME, write_files_bundle(built, whole, ecdsa_key(client, names)))
    composite = sign_composite(client, names.composite, message)
    write_file(
        folder / COMPOSITE_BUNDLE_NAME,
        write_composite_bundle(built.statement, composite, composite_key(client, names)),
    )


def check_signed(folder: Path, built: BuiltRelease, trust: ReleaseTrust) -> None:
    """Both signatures are there as devices will ask for them, and of this statement. Raises ReleaseError, OSError."""
    bundle, composite = [read_file(folder / name, BUNDLE_BYTES_MAX) for name in (BUNDLE_NAME, COMPOSITE_BUNDLE_NAME)]
    try:
        signed = verify_statement(bundle, composite, trust)
    except WrongKey as error:
        advice = f"Sign it with the keys of this repository: hallmark release sign {folder} --keys PREFIX"
        raise not_usable(
            error.reason, f"{folder} was signed with other keys than those of the trust folder", advice
        ) from None
    if signed.payload != built.statement.payload:
        raise _damaged(f"{folder / BUNDLE_NAME} is of another statement")


def release_files(folder: Path) -> dict[str, bytes]:
    """The four files that TUF will vouch for. Raises OSError, CommandError."""
    return {name: read_file(folder / name, limit) for name, limit in TARGET_SIZES.items()}


def verified_files(folder: Path, trust: ReleaseTrust) -> dict[str, bytes]:
    """They, as devices will verify them. Raises ReleaseError, OSError, CommandError."""
    files = release_files(folder)
    verify_content(
        bundle=files[BUNDLE_NAME],
        composite_bundle=files[COMPOSITE_BUNDLE_NAME],
        index=files[INDEX_NAME],
        log_proof=files[PROOF_NAME],
        trust=trust,
    )
    return files


def _damaged(message: str) -> CommandError:
    return not_usable("BUILD_DAMAGED", message, "Build the release again")
