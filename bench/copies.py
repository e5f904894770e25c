"""A copy of the database: time, size and memory.  python bench/copies.py [CHAINS]"""

import resource
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.model.events import Event, EventKind
from agent.pki.authority import Root
from agent.pki.chain import KeyType, Purpose
from agent.store import Store
from agent.store.copies import DAILY, make_copy, open_copy
from agent.store.events import KEPT
from agent.system.layout import Layout


def main(chains: int) -> None:
    now = datetime.now(UTC)
    root = Root.create("Bench", "", now, now)
    with tempfile.TemporaryDirectory() as directory, Store.open(Layout(Path(directory))) as store:
        with store.write():
            store.roots.add(root, now)
            for number in range(chains):
                chain = root.issue((f"{number}.test",), KeyType.ECDSA_P256, Purpose.SERVER, now, timedelta(days=90))
                store.chains.add(chain, source="local", now=now, request=f"r{number}", root=root.sha256)
            for _ in range(KEPT):
                store.journal.add(
                    Event(
                        at=now,
                        kind=EventKind.STEP,
                        text="a step",
                        job="abcd",
                        module="reverse_proxy",
                        detail={"chain": chain.id},
                    )
                )
        times = []
        for _ in range(5):
            begun = time.perf_counter()
            copy = make_copy(store.layout, store.database, store.sealer, DAILY, now)
            times.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        open_copy(copy, store.sealer, Path(directory) / "opened")
        opened = time.perf_counter() - begun
        size, sealed = store.layout.database.stat().st_size, copy.path.stat().st_size
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{chains} chains: {size / 1e6:.1f} MB, copied to {sealed / 1e6:.1f} MB in {statistics.median(times):.2f} s")
    print(f"opened in {opened:.2f} s; most memory {memory:.0f} MiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
