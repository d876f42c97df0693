from pathlib import Path

import pytest

from unit.hallmark_release.release_world import Publisher


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)
