"""A cluster of two workers on this machine, for tests: prints its address, and ends with its input."""

import sys

from distributed import LocalCluster


def main() -> None:
    """Be one."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
