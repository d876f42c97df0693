import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hallmark_client import Profile, ProfileInvalid, Unavailable
from hallmark_client.testing import TestAuthority

AUTHORITY = TestAuthority(datetime.now(UTC))
ADMIN = AUTHORITY.client("admin")
BACKEND = AUTHORITY.client("backend")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem)
    (tmp_path / "cert.pem").write_bytes(ADMIN.cert_pem)
    (tmp_path / "key.pem").write_bytes(ADMIN.key_pem)
    (tmp_path / "key.pem").chmod(0o600)
    settings = {"address": "localhost:7443", "tenant": "acme", "public_url": "http://127.0.0.1:7480"}
    (tmp_path / "profile.json").write_text(json.dumps(settings))
    return tmp_path


def test_a_folder_becomes_a_profile(folder: Path) -> None:
    profile = Profile.load(folder)
    assert (profile.address, profile.tenant) == ("localhost:7443", "acme")
    assert profile.public_url == "http://127.0.0.1:7480"
    assert (profile.ca_pem, profile.cert_pem, profile.key_pem) == (AUTHORITY.pem, ADMIN.cert_pem, ADMIN.key_pem)


def test_tenant_and_public_url_may_be_left_out(folder: Path) -> None:
    (folder / "profile.json").write_text('{"address": "h:1", "added_by_a_newer_server": 1}')
    profile = Profile.load(folder)
    assert (profile.tenant, profile.public_url) == ("default", None)


def test_the_private_key_never_shows(folder: Path) -> None:
    shown = repr(Profile.load(folder))
    assert "PRIVATE" not in shown
    assert "key_pem" not in shown


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileInvalid, match="hallmark serve") as refused:
        Profile.load(tmp_path / "clients" / "admin")
    assert refused.value.reason == "PROFILE_MISSING"
    assert str(tmp_path / "clients" / "admin") in refused.value.message


@pytest.mark.parametrize("name", ["ca.pem", "cert.pem", "key.pem", "profile.json"])
def test_a_missing_file_is_named_with_what_to_do(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ProfileInvalid) as refused:
        Profile.load(folder)
    assert refused.value.reason == "PROFILE_FILE_MISSING"
    assert str(folder / name) in refused.value.message


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o620, 0o666])
def test_a_key_that_others_may_touch_is_refused(folder: Path, mode: int) -> None:
    (folder / "key.pem").chmod(mode)
    with pytest.raises(ProfileInvalid, match="chmod 600") as refused:
        Profile.load(folder)
    assert refused.value.reason == "PROFILE_KEY_EXPOSED"
    assert f"{mode:04o}" in refused.value.message


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", "[" * 100_000, "{}", '{"address": 1}', '{"address": ""}', '{"address":"a","tenant":1}'],
)
def test_settings_that_make_no_sense_are_refused(folder: Path, text: str) -> None:
    (folder / "profile.json").write_text(text)
    with pytest.raises(ProfileInvalid, match=r"profile\.json") as refused:
        Profile.load(folder)
    assert refused.value.reason == "PROFILE_FILE_INVALID"


def test_a_huge_file_is_not_read(folder: Path) -> None:
    (folder / "ca.pem").write_bytes(bytes(1 << 20))
    with pytest.raises(ProfileInvalid, match="larger"):
        Profile.load(folder)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ca.pem", "PROFILE_CA_INVALID"),
        ("cert.pem", "PROFILE_CERTIFICATE_INVALID"),
        ("key.pem", "PROFILE_KEY_INVALID"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"no pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_pem_that_does_not_parse_is_refused(folder: Path, name: str, reason: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(ProfileInvalid) as refused:
        Profile.load(folder)
    assert refused.value.reason == reason


def test_the_key_must_be_the_certificates(folder: Path) -> None:
    (folder / "key.pem").write_bytes(BACKEND.key_pem)
    with pytest.raises(ProfileInvalid) as refused:
        Profile.load(folder)
    assert refused.value.reason == "PROFILE_KEY_MISMATCH"


@pytest.fixture
def token_folder(folder: Path) -> Path:
    """A token in place of the certificate."""
    for name in ("cert.pem", "key.pem"):
        (folder / name).unlink()
    (folder / "token").write_text("a.b.c\n")
    (folder / "token").chmod(0o600)
    return folder


def _token_of(profile: Profile) -> str:
    bearer = profile.bearer()
    assert bearer is not None
    return bearer()


def test_a_token_takes_the_place_of_a_certificate(token_folder: Path) -> None:
    profile = Profile.load(token_folder)
    assert (profile.cert_pem, profile.key_pem) == (b"", b"")
    assert _token_of(profile) == "a.b.c"


def test_a_token_may_lie_elsewhere(token_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("mounted") / "token"
    elsewhere.write_text("d.e.f")
    (token_folder / "token").unlink()
    for said in (str(elsewhere), f"../{elsewhere.parent.name}/token"):
        (token_folder / "token-file").write_text(f"{said}\n")
        assert _token_of(Profile.load(token_folder)) == "d.e.f"


def test_a_bound_token_comes_with_its_certificate(folder: Path) -> None:
    (folder / "token").write_text("a.b.c")
    (folder / "token").chmod(0o600)
    profile = Profile.load(folder)
    assert profile.cert_pem == ADMIN.cert_pem
    assert _token_of(profile) == "a.b.c"


def test_a_token_is_read_again_when_it_changes(token_folder: Path) -> None:
    bearer = Profile.load(token_folder).bearer()
    assert bearer is not None
    assert bearer() == bearer() == "a.b.c"
    (token_folder / "token").write_text("another.b.c")
    assert bearer() == "another.b.c"
    for spoil in (lambda: (token_folder / "token").write_text(""), (token_folder / "token").unlink):
        spoil()
        assert bearer() == "another.b.c", "the last one stays"
    with pytest.raises(ProfileInvalid) as refused:
        _token_of(Profile(address="h:1", ca_pem=AUTHORITY.pem, token_file=token_folder / "token"))
    assert refused.value.reason == "TOKEN_FILE_UNREADABLE"


def test_a_function_that_fails_is_asked_again_within_the_deadline() -> None:
    def fail() -> str:
        raise LookupError("a secret")

    with pytest.raises(Unavailable, match="LookupError") as refused:
        _token_of(Profile(address="h:1", ca_pem=AUTHORITY.pem, token=fail))
    assert "a secret" not in refused.value.message
    with pytest.raises(ProfileInvalid):
        _token_of(Profile(address="h:1", ca_pem=AUTHORITY.pem, token=lambda: "no token"))


@pytest.mark.parametrize("content", ["", "two words", "a\nb", "ü", "a" * 17_000])
def test_what_is_no_token_is_refused_and_not_repeated(token_folder: Path, content: str) -> None:
    (token_folder / "token").write_text(content)
    with pytest.raises(ProfileInvalid) as refused:
        _token_of(Profile.load(token_folder))
    assert refused.value.reason == "TOKEN_FILE_INVALID"
    assert not content or content not in refused.value.message


def test_a_token_that_others_may_read_is_refused(token_folder: Path) -> None:
    (token_folder / "token").chmod(0o644)
    with pytest.raises(ProfileInvalid, match="chmod 600"):
        Profile.load(token_folder)


def test_a_function_may_give_the_token_and_it_never_shows() -> None:
    profile = Profile(address="h:1", ca_pem=AUTHORITY.pem, token=lambda: "secret.b.c")
    assert _token_of(profile) == "secret.b.c"
    assert "secret" not in repr(profile)
    assert Profile(address="h:1", ca_pem=AUTHORITY.pem, cert_pem=ADMIN.cert_pem, key_pem=ADMIN.key_pem).bearer() is None


def test_somebody_one_must_be(tmp_path: Path) -> None:
    with pytest.raises(ProfileInvalid):
        Profile(address="h:1", ca_pem=AUTHORITY.pem)
    with pytest.raises(ProfileInvalid) as refused:
        Profile(address="h:1", ca_pem=AUTHORITY.pem, token=lambda: "a", token_file=tmp_path / "token")
    assert refused.value.reason == "PROFILE_TOKEN_TWICE"
