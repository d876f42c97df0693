"""How the whole suite is shared out between workers: so that two cores are busy until the end.

Tests with real servers, browsers and clocks take seconds and mostly wait; thousands of others take milliseconds. The slow
ones come first, as many for each worker, and what is left for the end is small and evenly stolen. Modules stay whole:
their tests share servers. pytest-randomly has chosen the order before; within slow and quick it stays.
"""

import gc
import os
from itertools import groupby, islice

import pytest

SLOW = (
    "tests/rpc/",
    "tests/fault/",
    "tests/compat/",
    "tests/chaos/",
    "tests/peers/",
    "tests/web/",
    "tests/property/",
    "tests/unit/fleet/",
)
LONGEST = (
    "tests/rpc/cli/test_consent_demo.py",
    "tests/rpc/cli/test_demo.py",
    "tests/fault/kms/test_write_table.py",
    "tests/fault/service/",
    "tests/fault/deployment/",
    "tests/rpc/cli/",
    "tests/rpc/postgresql/",
)
"""By what they took; the rest of the slow ones follow."""


def pytest_xdist_auto_num_workers() -> int | None:
    """Half as many again as there are cores: one of three waits for something at any time. -n NUMBER says otherwise."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + cores // 2


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Only for several workers: alone, a test is found where it stands."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        items[:] = shared_out(items, workers)


def shared_out(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """As `--dist worksteal` cuts it: each worker begins with an equal share, which follow one another."""
    modules = [list(each) for _, each in groupby(items, key=lambda item: item.nodeid.partition("::")[0])]
    slow = sorted((module for module in modules if module[0].nodeid.startswith(SLOW)), key=_rank)
    quick = iter([item for module in modules if not module[0].nodeid.startswith(SLOW) for item in module])
    ordered: list[pytest.Item] = []
    for number in range(workers):
        share = (len(items) - len(ordered)) // (workers - number)
        own = [item for module in slow[number::workers] for item in module]
        ordered += [*own, *islice(quick, max(0, share - len(own)))]
    assert len(ordered) == len(items), "none is lost"
    return ordered


def _rank(module: list[pytest.Item]) -> int:
    return next((number for number, prefix in enumerate(LONGEST) if module[0].nodeid.startswith(prefix)), len(LONGEST))


def pytest_collection_finish() -> None:
    """What was collected stays to the end: the collector need not look through it again and again."""
    gc.collect()
    gc.freeze()
