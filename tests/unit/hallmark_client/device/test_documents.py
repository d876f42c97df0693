"""Examples of the documents that need no service."""

from pathlib import Path

import pytest

from support.documents import blocks, run_python


@pytest.mark.parametrize("document", ["device-policy.md", "device-roots.md", "compat-pqc-enclave-sdk.md"])
def test_its_examples_run_one_after_the_other(document: str, tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse battery staple\n")
    passphrase.chmod(0o600)
    examples = blocks(document, "python")
    assert examples
    run_python("\n".join(examples), tmp_path)
