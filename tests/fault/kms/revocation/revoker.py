"""Revokes one key after the other and says so on standard output, until it is killed. Run by test_kill.py."""

import asyncio
import sys
from pathlib import Path

from unit.kms.revocation.bench import running


async def main(folder: Path) -> None:
    async with running(folder) as bench:
        for number in range(10_000):
            key = await bench.create_key(f"key-{number}")
            response = await bench.revoke(str(key.name))
            print(response.event.name, response.event.subject, flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
