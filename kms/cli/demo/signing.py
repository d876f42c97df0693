"""Steps: the service, a hybrid key, a signed folder, verification offline, rotation."""

from collections.abc import Sequence

from kms.cli.child import ask
from kms.cli.demo.stage import KEY_ID, Stage, hold
from kms.cli.output import short, write_file
from kms.cli.receipt import receipt_file

_CONTEXT = b"demo/v1"


def start_service(stage: Stage) -> Sequence[str]:
    """The real server, as a process of its own; asked for what it can do over mutual TLS."""
    stage.server.start()
    found = stage.client("admin").capabilities()
    stage.log = found.log
    signs = next((engine for engine in found.engines if engine.signs), None)
    hold(signs is not None and found.hsm.usable, f"the HSM is not usable: {found.hsm.problem}")
    assert signs is not None
    stage.findings.tls_group = found.tls_group
    stage.findings.engine = f"{signs.name} {signs.version}"
    write_file(stage.vkeys, "".join(f"{line}\n" for line in found.log.verifier_keys).encode())
    checks = next((engine.name for engine in found.engines if engine.verifies_releases), "none")
    return (
        f"gRPC with mutual TLS on {stage.server.address}, key exchange {found.tls_group}",
        f"{found.hsm.token_model} token {found.hsm.token_label!r}, {found.hsm.signer_processes} signer processes",
        f"ML-DSA by {stage.findings.engine}; every signature is checked by {checks} before it leaves",
    )


def create_key(stage: Stage) -> Sequence[str]:
    stage.key = stage.client("admin").keys.create(KEY_ID, labels={"purpose": "demonstration"}, wait="published")
    version = stage.key.versions[0]
    halves = " and ".join(f"{half.algorithm} ({half.protection_level})" for half in version.components)
    pem = stage.client("backend").keys.public_key(version.name)
    pem.composite()
    write_file(stage.public_key, pem.pem.encode())
    return (f"{short(version.name)}: {stage.key.algorithm}", f"two halves that sign together: {halves}")


def sign_folder(stage: Stage) -> Sequence[str]:
    from hallmark_client.manifest import build_manifest, parse_manifest

    content = build_manifest(stage.subject.folder, exclude=stage.subject.exclude)
    files = len(parse_manifest(content).files)
    hold(files, f"there is no file to sign in {stage.subject.folder}")
    write_file(stage.manifest, content)
    backend = stage.client("backend")
    stage.first = backend.signing.sign_file(KEY_ID, stage.manifest, context=_CONTEXT, wait="published")
    write_file(stage.manifest.with_suffix(".json.sig"), stage.first.signature)
    write_file(stage.manifest.with_suffix(".json.tlog-proof"), receipt_file(stage.first.log))
    write_file(stage.early_checkpoint, backend.log.checkpoint().note)
    stage.findings.signed_files = files
    return (
        f"{files} files of {stage.subject.folder}, SHA-256 each",
        f"signed by {short(stage.first.key_version)}, {len(stage.first.signature)} bytes",
        f"logged as entry {stage.first.log.leaf_index}, with a proof to check offline",
    )


def verify_offline(stage: Stage) -> Sequence[str]:
    """Another process, in a folder with public material only; it is told no server. And a changed copy is refused."""
    arguments = ("--key", "key.pem", "--context", _CONTEXT.decode())
    answer = ask(
        *("verify", "manifest.json", *arguments, "--manifest", str(stage.subject.folder.resolve())),
        *("--proof", "manifest.json.tlog-proof", "--vkey", "log.vkey"),
        folder=stage.outside,
    )
    hold(answer.document.get("verified") is True, f"the signature does not verify offline: {answer.words}")
    changed = stage.outside / "changed.json"
    write_file(changed, with_another_digit(stage.manifest.read_bytes()))
    refused = ask("verify", "changed.json", "--signature", "manifest.json.sig", *arguments, folder=stage.outside)
    reason = refused.document.get("error", {}).get("reason")
    hold(refused.exit_code == 1 and reason == "SIGNATURE_INVALID", f"a changed manifest was not refused: {refused}")
    changed.unlink()
    stage.findings.offline_verified = True
    return (
        f"key.pem, manifest, signature: both halves hold, and all {answer.document['manifest']['files']} files match",
        f"the log's proof holds as well: entry {answer.document['log']['leaf_index']}",
        "the same signature over a manifest with one digit changed is refused",
    )


def with_another_digit(manifest: bytes) -> bytes:
    """The first digit of the first file's hash is another one."""
    start, mark, rest = manifest.partition(b'"sha256":"')
    return start + mark + (b"1" if rest.startswith(b"0") else b"0") + rest[1:]


def rotate_key(stage: Stage) -> Sequence[str]:
    from hallmark_client.bundle import load_public_key, signed_input, verify_file

    backend, old = stage.client("backend"), stage.first
    stage.key = stage.client("admin").keys.rotate(KEY_ID, etag=stage.key.etag)
    new = backend.signing.sign_file(KEY_ID, stage.manifest, context=_CONTEXT)
    hold(new.key_version == stage.key.primary_version != old.key_version, "the old version still signs")
    verify_file(load_public_key(stage.public_key), stage.manifest, old.signature, _CONTEXT)
    verify_file(backend.keys.public_key(new.key_version).composite(), stage.manifest, new.signature, _CONTEXT)
    digest = signed_input(load_public_key(stage.public_key), stage.manifest)
    told = backend.signing.verify(KEY_ID, old.signature, digest=digest, context=_CONTEXT)
    hold(told.key_version == old.key_version, "the server verifies the old signature with another version")
    stage.findings.rotated = True
    return (
        f"{short(new.key_version)} signs now, {short(old.key_version)} is {told.state}",
        "the old signature still verifies: offline, and by the server",
    )
