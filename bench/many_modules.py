"""A boot with many modules, where nothing differs, and where links or files are gone.  python bench/many_modules.py [MODULES]"""

import sys
import tempfile
import time
from pathlib import Path

from appliance import Appliance, process

TABLE = '[modules.m{0}]\nplugin = "toy"'


def main(modules: int) -> None:
    with tempfile.TemporaryDirectory(prefix="chainwright-bench-") as directory:
        made = Appliance(Path(directory) / "a")
        made.toy(1)
        made.settings(
            "plugins.toy.enabled = true", 'sources = ["uploaded", "local"]', *map(TABLE.format, range(modules))
        )
        boot = process(*made.command("boot", "--timeout", "3600"))
        state = made.root / "var/lib/chainwright/modules"
        for what, pattern in (
            ("first boot", ""),
            ("nothing differs", ""),
            ("links are gone", "*/live"),
            ("files are gone", "*/*/s0.pem"),
        ):
            for path in list(state.glob(pattern)) if pattern else ():
                path.unlink(missing_ok=True)
            begun = time.monotonic()
            boot()
            there = len(list(state.glob("*/live/s0.pem")))
            print(f"{what}: {time.monotonic() - begun:.1f} s, {there} of {modules} modules have their files")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
