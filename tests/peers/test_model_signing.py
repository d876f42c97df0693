"""OpenSSF Model Signing reads what we sign: the same shards in the same order, the same digest, the same refusals."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from hallmark_release import ReleaseId, Statement, build_release, pae, verify_bundle, verify_folder, write_bundle
from hallmark_release.errors import FilesMismatch, FolderUnusable
from hallmark_release.files_bundle import files_payload, write_files_bundle
from hallmark_release.folder import hash_folder
from hallmark_release.scan import GIT_PATHS, scan_folder
from hallmark_release.statement import SHARD_SIZE
from peers.tools import Outcome, Peers, run

KEY = ec.derive_private_key(7, ec.SECP256R1())
_VERIFY = """
import sys
from model_signing import verifying

folder, bundle, key = sys.argv[1:]
verifying.Config().use_elliptic_key_verifier(public_key=key).verify(folder, bundle)
"""
_SIGN = """
import sys
from model_signing import hashing, signing

folder, key, target = sys.argv[1:]
shards = hashing.Config().use_shard_serialization(hashing_algorithm="sha256", shard_size=4 * 1024 * 1024)
signing.Config().use_elliptic_key_signer(private_key=key).set_hashing_config(shards).sign(folder, target)
"""


@pytest.fixture
def python(peers: Peers) -> Path:
    return peers.model_signing()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Names whose order tells folders from prefixes, letters beyond ASCII, and sizes at the edges of shards."""
    folder = tmp_path / "model"
    files = {
        "a.b": 1,
        "a/z": 2,
        "a.txt": 3,
        "B": 4,
        "sub.x": SHARD_SIZE - 1,
        "sub/x": SHARD_SIZE,
        "sub/deeper/y": SHARD_SIZE + 1,
        "sub-1": 2 * SHARD_SIZE + 5,
        "\u00fcn\u00ef/\u03b2.bin": 5,
        "\U0001f600": 6,
        "with space & 'quotes'": 7,
        ".hidden": 8,
        ".git/config": 9,
        "scratch/notes": 10,
    }
    for number, (path, size) in enumerate(files.items()):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(bytes([number]) * size)
    (tmp_path / "key.pem").write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "private.pem").write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder


def statement_of(folder: Path, *ignored: str) -> Statement:
    paths = tuple(sorted((*GIT_PATHS, *ignored)))
    release = ReleaseId(tenant="default", model="model", version="1", epoch=3, minimum_epoch=1)
    return Statement(release, hash_folder(scan_folder(folder, paths)), paths)


def sign(statement: Statement, target: Path) -> None:
    signature = KEY.sign(pae(statement.payload), ec.ECDSA(hashes.SHA256()))
    target.write_bytes(write_bundle(statement, signature, KEY.public_key()))


def verify(python: Path, folder: Path) -> Outcome:
    """By its Python interface, which finds out from the statement how to hash."""
    return run(python, "-c", _VERIFY, folder, folder.parent / "model.sig", folder.parent / "key.pem")


def verify_by_command(python: Path, folder: Path) -> Outcome:
    return run(
        python.with_name("model_signing"),
        "verify",
        "key",
        folder,
        f"--signature={folder.parent / 'model.files.sig'}",
        f"--public_key={folder.parent / 'key.pem'}",
    )


def test_our_bundle_verifies_there(python: Path, model: Path, tmp_path: Path) -> None:
    statement = statement_of(model, "scratch")
    sign(statement, tmp_path / "model.sig")
    verify(python, model).must_succeed()
    (model / "scratch/more").write_bytes(b"is ignored")
    verify(python, model).must_succeed()
    verify_folder(model, statement)


@pytest.mark.parametrize("change", ["byte", "extra", "missing", "signature", "order"])
def test_what_they_refuse_we_refuse(python: Path, model: Path, tmp_path: Path, change: str) -> None:
    statement = statement_of(model)
    sign(statement, tmp_path / "model.sig")
    verify(python, model).must_succeed()
    match change:
        case "byte":
            data = bytearray((model / "sub-1").read_bytes())
            data[SHARD_SIZE] ^= 1
            (model / "sub-1").write_bytes(data)
        case "extra":
            (model / "sub/more").write_bytes(b"x")
        case "missing":
            (model / "B").unlink()
        case "signature":
            (tmp_path / "key.pem").write_bytes(
                ec.derive_private_key(8, ec.SECP256R1())
                .public_key()
                .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            )
        case "order":
            swapped = statement.payload.replace(b'"a.b:0:1"', b'"a.c:0:1"')
            bundle = json.loads((tmp_path / "model.sig").read_bytes())
            bundle["dsseEnvelope"]["payload"] = base64.b64encode(swapped).decode()
            (tmp_path / "model.sig").write_text(json.dumps(bundle))
    assert verify(python, model).status != 0
    if change in ("byte", "extra", "missing"):
        with pytest.raises(FilesMismatch):
            verify_folder(model, statement)


def test_they_list_the_same_shards(python: Path, model: Path, tmp_path: Path) -> None:
    """Their own statement of the folder: equal but for the spelling of JSON and our member `release`."""
    run(python, "-c", _SIGN, model, tmp_path / "private.pem", tmp_path / "theirs.sig").must_succeed()
    theirs = json.loads(base64.b64decode(json.loads((tmp_path / "theirs.sig").read_bytes())["dsseEnvelope"]["payload"]))
    ours = json.loads(statement_of(model).payload)
    assert ours["subject"] == theirs["subject"]
    assert ours["predicate"]["resources"] == theirs["predicate"]["resources"]
    serialization = theirs["predicate"]["serialization"]
    serialization["ignore_paths"].sort()
    assert ours["predicate"]["serialization"] == serialization
    assert (ours["_type"], ours["predicateType"]) == (theirs["_type"], theirs["predicateType"])


def test_both_refuse_links(python: Path, model: Path, tmp_path: Path) -> None:
    sign(statement_of(model), tmp_path / "model.sig")
    (model / "link").symlink_to("B")
    assert verify(python, model).status != 0
    with pytest.raises(FolderUnusable, match="link"):
        statement_of(model)


def test_the_command_line_verifies_the_bundle_of_whole_files(python: Path, model: Path, tmp_path: Path) -> None:
    release = ReleaseId(tenant="default", model="model", version="1", epoch=3, minimum_epoch=1)
    built = build_release(model, tmp_path / "built", release=release, release_id="ab" * 16, kind="other", key=bytes(32))
    signature = KEY.sign(pae(files_payload(built)), ec.ECDSA(hashes.SHA256()))
    (tmp_path / "model.files.sig").write_bytes(write_files_bundle(built, signature, KEY.public_key()))
    verify_by_command(python, model).must_succeed()
    (model / "a/z").write_bytes(b"??")
    assert verify_by_command(python, model).status != 0


def test_our_reader_of_bundles(python: Path, model: Path, tmp_path: Path) -> None:
    """What their verifier accepted is the statement that ours reads."""
    statement = statement_of(model)
    sign(statement, tmp_path / "model.sig")
    verify(python, model).must_succeed()
    assert verify_bundle((tmp_path / "model.sig").read_bytes(), KEY.public_key()) == statement
