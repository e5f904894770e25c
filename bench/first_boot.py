"""(b) The first boot with many local chains, beside a bare loop.  python bench/first_boot.py [CHAINS]"""

import itertools
import sys
import tempfile
from pathlib import Path

from appliance import HERE, Appliance, head, interleaved, process, row

TIMES = 5


def main(chains: int) -> None:
    with tempfile.TemporaryDirectory(prefix="chainwright-bench-") as directory:
        fresh = (Path(directory) / str(number) for number in itertools.count())

        def bare() -> None:
            process(sys.executable, str(HERE / "bare_ca.py"), str(next(fresh)), str(chains))()

        def toy() -> None:
            process(*toys.pop().command("boot"))()

        def proxy() -> None:
            process(*proxies.pop().command("boot"))()

        toys = [Appliance(next(fresh)) for _ in range(TIMES)]
        proxies = [Appliance(next(fresh)) for _ in range(TIMES)]
        for each in toys:
            each.toy(chains)
        for each in proxies:
            each.proxy(chains, start=False)
        times = interleaved(TIMES, bare=bare, toy=toy, proxy=proxy)
    head(f"first boot, {chains} chains", "the bare loop")
    row("bare loop: 2 files a chain", times["bare"], times["bare"])
    row("boot, 1 file a chain", times["toy"], times["bare"])
    row("boot, reverse proxy: 3 files a site", times["proxy"], times["bare"])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
