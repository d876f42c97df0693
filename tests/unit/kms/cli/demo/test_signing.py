from hallmark_client.manifest import build_manifest, parse_manifest
from kms.cli.demo.signing import with_another_digit


def test_the_changed_manifest_is_still_one_but_says_something_else(tmp_path) -> None:
    for number in range(40):  # hashes that begin with 0 among them
        (tmp_path / "file").write_text(str(number))
        manifest = build_manifest(tmp_path)
        changed = with_another_digit(manifest)
        (was,), (now,) = parse_manifest(manifest).files, parse_manifest(changed).files
        assert (was.path, was.size, was.sha256[1:]) == (now.path, now.size, now.sha256[1:])
        assert was.sha256 != now.sha256
