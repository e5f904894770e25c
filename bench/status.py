"""(e) `status` with many chains, beside `python -c pass`.  python bench/status.py [CHAINS]"""

import sys

from appliance import NOTHING, appliance, head, interleaved, process, row


def main(chains: int) -> None:
    head("status", "python -c pass")
    for needs in (1, chains):
        with appliance() as made:
            made.toy(needs)
            process(*made.command("apply"))()
            times = interleaved(
                15,
                bare=process(*NOTHING),
                text=process(*made.command("status")),
                machine=process(*made.command("status", "--json")),
            )
        row(f"status, {needs} chains", times["text"], times["bare"])
        row(f"status --json, {needs} chains", times["machine"], times["bare"])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
