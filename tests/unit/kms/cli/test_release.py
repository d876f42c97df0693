from pathlib import Path

import click
import pytest

from hallmark_events.canonical import canonical_json
from hallmark_release.roles import Role
from kms.cli.failure import CommandError
from kms.cli.release.group import release
from kms.cli.release.service_keys import KeyNames
from kms.cli.release.workspace import CONTENT_KEY_FILE, SealedContentKey, is_built, is_signed


def test_every_command_teaches() -> None:
    for name, command in release.commands.items():
        assert "Example:" in (command.help or ""), name
        assert isinstance(command, click.Command)


def test_a_sealed_content_key_is_read_as_it_was_written(tmp_path: Path) -> None:
    sealed = SealedContentKey("tenants/default/keys/release-content/versions/1", b"envelope", b"info")
    sealed.write(tmp_path)
    assert SealedContentKey.read(tmp_path) == sealed


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        canonical_json({"envelope": "AA==", "info": "", "key_version": 1}),
        canonical_json({"envelope": "?", "info": "", "key_version": "v"}),
        canonical_json({"envelope": "AA==", "info": "", "key_version": "v", "more": 1}),
    ],
)
def test_a_damaged_content_key(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CONTENT_KEY_FILE).write_bytes(content)
    with pytest.raises(CommandError) as refused:
        SealedContentKey.read(tmp_path)
    assert refused.value.reason == "BUILD_DAMAGED"


def test_names_of_keys() -> None:
    names = KeyNames("release")
    assert names.role(Role.ROOT) == ("release-tuf-root-ecdsa", "release-tuf-root-mldsa")
    assert names.role(Role.ROOT, 2) == ("release-tuf-root-ecdsa-2", "release-tuf-root-mldsa-2")
    every = {names.ecdsa, names.composite, names.content, *(key for role in Role for key in names.role(role))}
    assert len(every) == 11


def test_a_folder_that_is_no_build(tmp_path: Path) -> None:
    assert not is_built(tmp_path)
    assert not is_signed(tmp_path)
