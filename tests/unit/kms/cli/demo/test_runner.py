from pathlib import Path
from types import SimpleNamespace

import pytest

from hallmark_client.manifest import build_manifest, parse_manifest
from kms.cli.demo.devices import GENUINE_FILE, find_genuine, judge_genuine
from kms.cli.demo.runner import SOURCES, subject_of
from kms.cli.failure import CommandError


def test_without_a_folder_the_projects_own_sources_are_signed() -> None:
    subject = subject_of(None)
    manifest = parse_manifest(build_manifest(subject.folder, exclude=subject.exclude))
    tops = {file.path.partition("/")[0] for file in manifest.files}
    assert tops == set(SOURCES)
    assert "kms/cli/demo/runner.py" in {file.path for file in manifest.files}
    assert not [file.path for file in manifest.files if "__pycache__" in file.path]


def test_a_folder_that_is_given_is_signed_as_it_is(tmp_path) -> None:
    subject = subject_of(tmp_path)
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / "seen").write_text("x")
    assert len(parse_manifest(build_manifest(subject.folder, exclude=subject.exclude)).files) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--at", "2026-01-01"],
        ["--challenge", "00"],
        ["--evidence", "FILE"],
        ["--evidence", "FILE", "--at", "2026-01-01"],
    ],
)
def test_evidence_needs_its_time_and_its_challenge(hallmark, tmp_path, arguments: list[str]) -> None:
    (tmp_path / "FILE").write_text("x")
    given = [str(tmp_path / word) if word == "FILE" else word for word in arguments]
    outcome = hallmark("demo", *given)
    assert (outcome.code, "--evidence" in outcome.err) == (2, True)


def test_vectors_without_the_genuine_chain_are_refused(tmp_path) -> None:
    folder = tmp_path / "attestation" / "android"
    folder.mkdir(parents=True)
    for content in ("{}", "[]", '{"vectors": []}', "no json"):
        (folder / "expected.json").write_text(content)
        with pytest.raises(CommandError, match=GENUINE_FILE):
            find_genuine(tmp_path)


def test_the_genuine_chain_of_the_vectors_is_judged_at_its_own_time(vectors: Path) -> None:
    found = find_genuine(vectors)
    lines = judge_genuine(SimpleNamespace(genuine=found))
    assert "authentic and appraised" in lines[0]
    assert "Pixel 9 Pro" in lines[1]
    assert "STATUS_LIST" in lines[2], "what was not checked is said"
