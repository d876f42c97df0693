"""Makes what is made from the settings again: docs/settings.md and the chart's values.schema.json. Also brings the
alerts into the chart, whose files must lie in its folder. Run it after changing a setting, its text, or an alert.

    python scripts/render_settings.py            writes them
    python scripts/render_settings.py --check    ends with 1 where one is not current
"""

import json
import sys
from pathlib import Path
from typing import Any

from kms.cli.settings_text import as_page
from kms.cli.settings_tree import all_settings, settings_schema

ROOT = Path(__file__).resolve().parent.parent
BASE = ROOT / "helm" / "values.base.schema.json"
ALERTS = ROOT / "ops" / "prometheus" / "alerts.yaml"
PASSWORD_IN_URL = "://[^/@]*:[^/@]*@"
"""A pattern of ECMA 262 and of RE2."""


def rendered() -> dict[Path, str]:
    """What each file has to be."""
    return {
        ROOT / "docs" / "settings.md": as_page(all_settings()),
        ROOT / "helm" / "hallmark" / "values.schema.json": values_schema(),
        ROOT / "helm" / "hallmark" / "files" / "alerts.yaml": ALERTS.read_text(),
    }


def values_schema() -> str:
    """The chart's own values, and the settings in them: a wrong key fails `helm lint`."""
    values: dict[str, Any] = json.loads(BASE.read_text())
    settings = settings_schema()
    known: dict[str, Any] = settings.pop("$defs")
    del settings["properties"]["home"]  # the chart says where
    for section in settings["properties"].values():
        section.pop("default", None)
    # A password belongs into a Secret: database.existingSecret.
    known["DatabaseConfig"]["properties"]["url"]["not"] = {"pattern": PASSWORD_IN_URL}
    values["$defs"] |= {"settings": settings, **known}
    return json.dumps(values, indent=2) + "\n"


def main() -> int:
    old = [path for path, text in rendered().items() if not path.is_file() or path.read_text() != text]
    if "--check" in sys.argv:
        for path in old:
            print(f"{path.relative_to(ROOT)} is not current: run python scripts/render_settings.py")
        return 1 if old else 0
    for path, text in rendered().items():
        path.write_text(text)
    print("made: " + (", ".join(str(path.relative_to(ROOT)) for path in old) or "nothing, all are current"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
