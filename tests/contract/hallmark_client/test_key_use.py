import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hallmark_client import (
    Client,
    FailedPrecondition,
    InvalidArgument,
    KeyPurpose,
    UsageLimits,
    build_manifest,
)
from hallmark_composite import verify


def fresh_name() -> str:
    return f"key-{uuid.uuid4().hex[:12]}"


def test_a_total_is_exact_and_repeated_answers_do_not_count(admin: Client) -> None:
    name, request_id = fresh_name(), str(uuid.uuid4())
    admin.keys.create(name, usage_limits=UsageLimits(total=2))
    for _ in range(3):
        admin.signing.sign(name, b"m", request_id=request_id)
    admin.signing.sign(name, b"m")
    with pytest.raises(FailedPrecondition) as refused:
        admin.signing.sign(name, b"m")
    assert refused.value.reason == "USAGE_LIMIT_REACHED"
    assert admin.keys.get(name).use_count == 2
    admin.keys.update(name, usage_limits=UsageLimits(total=3))
    admin.signing.sign(name, b"m")


def test_after_its_end_a_key_is_not_used(admin: Client) -> None:
    name = fresh_name()
    admin.keys.create(name, usage_limits=UsageLimits(not_after=datetime.now(UTC) - timedelta(minutes=1)))
    with pytest.raises(FailedPrecondition) as refused:
        admin.signing.sign(name, b"m")
    assert refused.value.reason == "KEY_EXPIRED"


def test_a_manifest_key_signs_manifests_and_nothing_else(admin: Client, tmp_path: Path) -> None:
    name = fresh_name()
    key = admin.keys.create(name, purpose=KeyPurpose.MANIFEST)
    assert key.purpose is KeyPurpose.MANIFEST
    (tmp_path / "weights.bin").write_bytes(b"weights")
    manifest = build_manifest(tmp_path)
    signature = admin.signing.sign(name, manifest)
    public_key = admin.keys.public_key(name).composite()
    verify(public_key, signature.signature, message=manifest, context=b"hallmark/manifest/v1")
    assert admin.signing.verify(name, signature.signature, manifest).key_version == signature.key_version
    for data, context in ((b"anything else", b""), (manifest, b"another context"), (manifest + b" ", b"")):
        with pytest.raises(InvalidArgument) as refused:
            admin.signing.sign(name, data, context=context)
        assert refused.value.reason == "PURPOSE_MISMATCH"
