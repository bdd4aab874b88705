"""A comparison as one versioned JSON document, for other programs.

Law: the document's form is a promise: a change that breaks readers raises `qqlab_diff`. Captured text stands in it
as it was.
"""

from typing import Any

import msgspec

from qqlab.diff.compare import Comparison

FORMAT = 2


def document(comparison: Comparison, *, equivalent: bool = False) -> dict[str, Any]:
    """The document; equivalences are listed where asked for, and counted in any case."""
    listed = comparison.findings if equivalent else comparison.differences
    return {
        "qqlab_diff": FORMAT,
        "summary": {
            "exchanges": comparison.total,
            "compared": comparison.compared,
            "equal": comparison.equal,
            "equivalent": comparison.equivalent,
            "different": comparison.different,
            "not_compared": comparison.skipped,
        },
        "causes": [
            {"finding": cause.finding, "why": cause.why, "consequences": cause.consequences}
            for cause in comparison.causes
        ],
        "findings": [msgspec.to_builtins(finding) for finding in listed],
    }
