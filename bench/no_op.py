"""(a) An `apply` with nothing to do, probes fresh, beside `python -c pass`.  python bench/no_op.py [NEEDS ...]"""

import sys

from appliance import NOTHING, appliance, head, interleaved, process, row, timed


def main(sizes: list[int]) -> None:
    head("no-op apply", "python -c pass")
    for needs in sizes:
        with appliance() as made:
            made.toy(needs)
            first = timed(process(*made.command("apply")))
            process(*made.command("apply"))()
            times = interleaved(21, bare=process(*NOTHING), apply=process(*made.command("apply")))
            row(f"{needs} needs", times["apply"], times["bare"])
            print(f"  (python -c pass {times['bare'].wall * 1000:.1f} ms; the apply that did everything {first:.1f} s)")


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]] or [1, 100, 1000, 10_000])
