"""What a cluster's workers do in the benchmarks: nothing, or what a report does with a chunk."""

from qqlab.capture.chunks import Chunk, read_chunk


def nothing(number: int) -> int:
    """Give it back."""
    return number


def counted(chunk: Chunk) -> int:
    """How many exchanges a chunk has."""
    return sum(1 for _ in read_chunk(chunk))
