import pytest

from composite_keys import SoftwareCompositeKey
from hallmark_client.manifest import build_manifest
from hallmark_composite import MLDSA65_ECDSA_P256_SHA512

KEY = SoftwareCompositeKey(MLDSA65_ECDSA_P256_SHA512)
OTHER = SoftwareCompositeKey(MLDSA65_ECDSA_P256_SHA512)


@pytest.fixture
def folder(tmp_path):
    """A signed file, the key that signed it, and another key."""
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "file.sig").write_bytes(KEY.sign(b"content"))
    (tmp_path / "key.pem").write_text(KEY.public_key.to_spki_pem())
    (tmp_path / "other.pem").write_text(OTHER.public_key.to_spki_pem())
    return tmp_path


def test_a_good_signature_ends_0(hallmark, folder) -> None:
    outcome = hallmark("verify", folder / "file", "--key", folder / "key.pem", "--json")
    assert outcome.code == 0
    assert outcome.document["verified"] is True
    assert outcome.document["public_key_sha256"] == KEY.public_key.fingerprint().hex()
    assert "Verified" in hallmark("verify", folder / "file", "--key", folder / "key.pem").out


def test_a_changed_file_ends_1(hallmark, folder) -> None:
    (folder / "file").write_bytes(b"Content")
    outcome = hallmark("verify", folder / "file", "--key", folder / "key.pem", "--json")
    assert (outcome.code, outcome.document["error"]["reason"]) == (1, "SIGNATURE_INVALID")


def test_another_key_ends_1(hallmark, folder) -> None:
    assert hallmark("verify", folder / "file", "--key", folder / "other.pem").code == 1


def test_the_context_must_be_the_one_that_was_signed(hallmark, folder) -> None:
    (folder / "file.sig").write_bytes(KEY.sign(b"content", b"models/v1"))
    given = ("verify", folder / "file", "--key", folder / "key.pem")
    assert hallmark(*given).code == 1
    assert hallmark(*given, "--context", "models/v1").code == 0


def test_a_signature_may_be_elsewhere(hallmark, folder) -> None:
    (folder / "file.sig").rename(folder / "elsewhere")
    given = ("verify", folder / "file", "--key", folder / "key.pem")
    missing = hallmark(*given)
    assert (missing.code, "--signature" in missing.err) == (2, True)
    assert hallmark(*given, "--signature", folder / "elsewhere").code == 0


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_key_is_refused_in_a_sentence(hallmark, folder, content: bytes) -> None:
    (folder / "key.pem").write_bytes(content)
    outcome = hallmark("verify", folder / "file", "--key", folder / "key.pem")
    assert outcome.code == 2
    assert "Traceback" not in outcome.err


def test_a_folder_is_held_against_its_manifest(hallmark, folder, tmp_path_factory) -> None:
    content = tmp_path_factory.mktemp("content")
    (content / "a").write_text("a")
    manifest = folder / "m.json"
    manifest.write_bytes(build_manifest(content))
    (folder / "m.json.sig").write_bytes(KEY.sign(manifest.read_bytes()))
    given = ("verify", manifest, "--key", folder / "key.pem", "--manifest", content, "--json")
    assert hallmark(*given).document["manifest"]["files"] == 1
    (content / "a").write_text("b")
    outcome = hallmark(*given)
    assert (outcome.code, outcome.document["error"]["reason"]) == (1, "MANIFEST_MISMATCH")


def test_a_proof_needs_the_key_of_the_log(hallmark, folder) -> None:
    (folder / "proof").write_bytes(b"x")
    assert hallmark("verify", folder / "file", "--key", folder / "key.pem", "--proof", folder / "proof").code == 2
