"""What a cluster's workers do in the benchmarks beside what they do for a report: nothing."""


def nothing(number: int) -> int:
    """Give it back."""
    return number
