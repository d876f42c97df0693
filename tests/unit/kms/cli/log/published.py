"""A virtual log in a folder, as a static server would have it."""

from pathlib import Path

from unit.hallmark_tlog.virtual_log import LOG_ED25519, LOG_ML_DSA, VirtualLog

KEYS = ("--vkey", LOG_ED25519.vkey, "--vkey", LOG_ML_DSA.vkey)


def publish(log: VirtualLog, folder: Path) -> Path:
    for path, data in log.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def json_log(size: int) -> VirtualLog:
    """Entries as the service writes them, as far as searching goes."""
    return VirtualLog([json_entry(index) for index in range(size)])


def json_entry(index: int) -> bytes:
    kind = "key.created" if index % 100 == 0 else "key.used"
    return (
        f'{{"details":{{"n":{index}}},"id":"{event_key(index)}","subject":"tenants/default/keys/key-{index % 7}",'
        f'"tenant":"default","time":"2026-11-21T10:00:00.000000Z","type":"{kind}","v":1}}'
    ).encode()


def event_key(index: int) -> str:
    return f"01930000-0000-7000-8000-{index:012x}"
