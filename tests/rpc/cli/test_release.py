"""`hallmark release` against the real service: from its keys to a repository that a stranger verifies."""

import base64
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hallmark_client.envelopes import Envelopes
from hallmark_client.model.envelopes import DataKey
from hallmark_release import load_built, open_part
from hallmark_release.errors import (
    FilesMismatch,
    FolderUnusable,
    MetadataExpired,
    MetadataRolledBack,
    ReleaseMismatch,
    RepositoryUnusable,
    SourceMissing,
    TrustUnusable,
)
from kms.cli.failure import CommandError
from kms.cli.release.group import release
from kms.cli.release.workspace import SealedContentKey
from support.service import RunningService


@dataclass(frozen=True)
class Names:
    keys: str
    model: str


@pytest.fixture
def names(service: RunningService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Names:
    """In an empty folder with a model in it; keys and a model's name of this test's own."""
    monkeypatch.setenv("HALLMARK_HOME", str(service.home))
    monkeypatch.chdir(tmp_path)
    for path, data in {"model/config.json": b"{}", "model/weights/w.bin": b"w" * 5_000_000}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    unique = secrets.token_hex(4)
    return Names(f"keys-{unique}", f"model-{unique}")


@pytest.fixture
def made(names: Names) -> Names:
    """With a repository."""
    assert "11 keys" in run("init", "--keys", names.keys).output
    return names


def run(*arguments: object, fails: type[BaseException] | None = None) -> Result:
    result = CliRunner().invoke(release, [str(argument) for argument in arguments])
    if fails is None:
        assert result.exit_code == 0, (result.output, result.exception)
    else:
        assert isinstance(result.exception, fails), (result.output, result.exception)
    return result


def refusal(*arguments: object) -> str:
    """The reason of a CommandError."""
    error = run(*arguments, fails=CommandError).exception
    assert isinstance(error, CommandError)
    return error.reason


def publish(names: Names, version: str, *more: object, fails: type[BaseException] | None = None) -> Result:
    arguments = ("--model", names.model, "--version", version, "--keys", names.keys, *more)
    return run("publish", "model", *arguments, fails=fails)


def test_from_nothing_to_verified(made: Names) -> None:
    assert "epoch 1" in publish(made, "1.0.0").output
    told = run("verify", made.model, "--parts", "--folder", "model", "--state", "state").output
    assert "holds" in told
    assert "files compared" in told
    assert "epoch 2" in publish(made, "1.0.1", "--minimum-epoch", "2", "--as", "admin").output
    run("refresh")
    run("rotate", "timestamp", "--keys", made.keys)
    run("rotate", "root", "--keys", made.keys)
    assert "1.0.1" in run("verify", made.model, "--minimum-epoch", "2", "--state", "state").output
    assert f"{made.keys}-tuf-root-ecdsa-3" in run("status").output
    listed = run("list", "--model", made.model).output.splitlines()
    assert len(listed) == 3
    assert "1.0.1" in run("show", listed[1].split()[-1]).output


def test_step_by_step_and_again(made: Names) -> None:
    kind = ("--epoch", "5", "--kind", "lora-adapter", "-o", "built", "--keys", made.keys)
    run("build", "model", "--model", made.model, "--version", "1", *kind)
    run("build", "model", "--model", made.model, "--version", "1", *kind, fails=CommandError)
    run("sign", "built", "--keys", made.keys)
    assert Path("built/model.files.sig").is_file()
    run("publish", "built", "--epoch", "6", fails=SystemExit)
    run("publish", "built")
    proof = Path("built/release.tlog-proof").read_bytes()
    run("publish", "built")  # what was done is not done again
    assert Path("built/release.tlog-proof").read_bytes() == proof
    Path("built/release.tlog-proof").unlink()
    run("publish", "built")  # the service answers the same request as before
    assert len(json.loads(run("list", "--model", made.model, "--json").output)) == 1
    sealed = SealedContentKey.read(Path("built"))
    assert b"hallmark/release-key/v1" in sealed.info
    assert json.loads(run("verify", made.model, "--parts", "--json").output)["epoch"] == 5


def test_the_content_key_is_kept_sealed_only(
    made: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: RunningService
) -> None:
    given: list[bytes] = []
    data_key = Envelopes.data_key

    def remember(self: Envelopes, *arguments: object, **options: object) -> DataKey:
        answer = data_key(self, *arguments, **options)
        given.append(answer.plaintext)
        return answer

    monkeypatch.setattr(Envelopes, "data_key", remember)
    publish(made, "1.0.0")
    (secret,) = given
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        content = path.read_bytes()
        assert not any(each in content for each in (secret, secret.hex().encode(), base64.b64encode(secret)))
    built = load_built(Path(f"{made.model}-1.0.0.release"))
    part, signed = built.index.parts[0], built.statement.files[0]
    with Path("release-repository", part.location).open("rb") as encrypted:  # the very key it was encrypted with
        open_part(part, signed, encrypted=encrypted, key=secret, context=built.index.context(part))


def test_what_can_go_wrong(names: Names, tmp_path: Path) -> None:
    publish(names, "1", fails=TrustUnusable)
    run("init", "--keys", names.keys)
    run("publish", "model", fails=SystemExit)
    publish(names, "1", "--repository", "nowhere", fails=RepositoryUnusable)
    publish(names, "1\n", fails=SystemExit)
    publish(names, "1", "--minimum-epoch", "2", "--as", "admin", fails=SystemExit)
    assert "lower-case" in run("verify", "Model_7B", fails=SystemExit).output
    run("verify", names.model, "--trust", "nowhere", fails=TrustUnusable)
    (tmp_path / "model/link").symlink_to("config.json")
    publish(names, "1", fails=FolderUnusable)
    assert not Path(f"{names.model}-1.release").exists()
    publish(names, "1", "--ignore", "link")
    (tmp_path / "model/link").unlink()
    (tmp_path / "model/config.json").write_bytes(b"[]")
    run("verify", names.model, "--folder", "model", fails=FilesMismatch)
    for part in (tmp_path / "release-repository/parts").rglob("*"):
        if part.is_file():
            part.unlink()
    run("verify", names.model)
    run("verify", names.model, "--parts", fails=SourceMissing)


def test_init_writes_over_nothing(names: Names, tmp_path: Path) -> None:
    """Devices were given that root; and a repository without a trust folder is one that nobody can use."""
    (tmp_path / "file").write_bytes(b"")
    run("init", "--keys", names.keys, "--trust", "file/trust", fails=OSError)
    assert not (tmp_path / "release-repository").exists()
    assert "give each its own" in run("init", "--keys", names.keys).stderr
    root = Path("release-trust/root.json").read_bytes()
    assert refusal("init", "--keys", names.keys) == "TRUST_EXISTS"
    assert refusal("init", "--keys", names.keys, "--repository", "other") == "TRUST_EXISTS"
    assert refusal("init", "--keys", names.keys, "--trust", "other") == "REPOSITORY_EXISTS"
    assert Path("release-trust/root.json").read_bytes() == root
    assert not (tmp_path / "other").exists()


def test_nothing_is_written_into_the_models_folder(
    made: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next release would have taken it for a file of the model."""
    named = ("--model", made.model, "--version", "1", "--keys", made.keys)
    before = sorted((tmp_path / "model").rglob("*"))
    for out in ("model", "model/out", "model/weights/../out"):
        assert refusal("build", "model", *named, "-o", out) == "FOLDER_UNUSABLE"
    monkeypatch.chdir("model")
    places = ("--repository", "../release-repository", "--trust", "../release-trust")
    assert refusal("publish", ".", *named, *places) == "FOLDER_UNUSABLE"
    assert sorted((tmp_path / "model").rglob("*")) == before


def test_a_build_that_was_killed_leaves_nothing_in_the_next_one(made: Names) -> None:
    named = ("--model", made.model, "--version", "1", "--keys", made.keys, "-o", "built")
    Path("built/parts/ab").mkdir(parents=True)
    Path("built/parts/ab/mine").write_bytes(b"not of a build")
    run("build", "model", *named)
    assert Path("built/parts/ab/mine").is_file(), "only what a build left is removed"
    Path("built/index.json").unlink()
    Path("built/parts/.0123.new").write_bytes(b"half")
    run("build", "model", *named)
    kept = [path for path in Path("built/parts").rglob("*") if path.is_file()]
    assert sorted(kept) == sorted(Path("built", part.location) for part in load_built(Path("built")).index.parts)


def test_what_other_keys_signed_is_signed_again(made: Names) -> None:
    run("init", "--keys", f"{made.keys}-b", "--repository", "other", "--trust", "other-trust")
    run("build", "model", "--model", made.model, "--version", "1", "-o", "built", "--keys", made.keys)
    run("sign", "built", "--keys", f"{made.keys}-b")
    assert refusal("publish", "built", "--keys", made.keys) == "WRONG_KEY"
    run("sign", "built", "--keys", made.keys)
    run("publish", "built", "--keys", made.keys)


def test_an_epoch_that_the_service_would_refuse_is_refused_before_the_work(made: Names) -> None:
    publish(made, "1")
    named = ("--model", made.model, "--version", "2", "--keys", made.keys, "-o", "two")
    assert "2 or more" in run("build", "model", *named, "--epoch", "1", fails=SystemExit).output
    assert not Path("two").exists()


def test_a_version_is_no_path(made: Names, tmp_path: Path) -> None:
    before = set(tmp_path.parent.iterdir())
    publish(made, "../../1/2")
    assert (tmp_path / f"{made.model}-.._.._1_2.release").is_dir()
    assert set(tmp_path.parent.iterdir()) == before


def test_what_no_device_would_take_is_neither_made_known_nor_listed(made: Names, tmp_path: Path) -> None:
    publish(made, "1")
    built = tmp_path / f"{made.model}-1.release"
    kind = ("-o", "two", "--keys", made.keys)
    run("build", "model", "--model", made.model, "--version", "2", "--minimum-epoch", "2", *kind)
    run("sign", "two", "--keys", made.keys)
    right = (tmp_path / "two/model.sig").read_bytes()
    (tmp_path / "two/model.sig").write_bytes((built / "model.sig").read_bytes())
    run("publish", "two", fails=ReleaseMismatch)
    (tmp_path / "two/model.sig.composite").write_bytes((built / "model.sig.composite").read_bytes())
    run("publish", "two", fails=CommandError)
    assert len(json.loads(run("list", "--model", made.model, "--json").output)) == 1, "epoch 1 was not closed for it"
    (tmp_path / "two/model.sig").write_bytes(right)
    run("sign", "two", "--keys", made.keys)
    (tmp_path / "two/release.tlog-proof").write_bytes((built / "release.tlog-proof").read_bytes())
    run("publish", "two", "--as", "admin", fails=ReleaseMismatch)
    assert json.loads(run("verify", made.model, "--json").output)["epoch"] == 1
    (tmp_path / "two/release.tlog-proof").unlink()
    run("publish", "two", "--as", "admin")
    run("publish", "two", "--requires-consent", fails=CommandError)
    for changed in (("--minimum-epoch", "2"), ("--ignore", "a"), ("--kind", "lora-adapter")):
        run("publish", "two", *changed, fails=SystemExit)


def test_the_folder_is_not_believed(made: Names, tmp_path: Path) -> None:
    publish(made, "1")
    timestamp = tmp_path / "release-repository/metadata/timestamp.json"
    old = timestamp.read_bytes()
    publish(made, "2")
    timestamp.write_bytes(old)
    run("refresh", fails=RepositoryUnusable)
    run("status", fails=RepositoryUnusable)
    assert timestamp.read_bytes() == old


def test_old_metadata(names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("init", "--keys", names.keys, "--timestamp-life", "1h")
    publish(names, "1.0.0")
    timestamp = tmp_path / "release-repository/metadata/timestamp.json"
    old = timestamp.read_bytes()
    run("refresh")
    run("verify", names.model, "--state", "state")
    timestamp.write_bytes(old)
    run("verify", names.model, "--state", "state", fails=MetadataRolledBack)
    late = datetime.now(UTC) + timedelta(hours=2)
    monkeypatch.setattr("kms.cli.release.verify.system_now", lambda: late)
    run("verify", names.model, fails=MetadataExpired)
