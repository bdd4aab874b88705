"""Numbers as people read them.

Law: pure; three digits at most where a number is measured.
"""


def seconds(value: float) -> str:
    """A duration in the unit that fits it."""
    if value < 0.001:
        return f"{value * 1e6:.0f} µs"
    if value < 1:
        return f"{value * 1e3:.3g} ms"
    if value < 120:
        return f"{value:.3g} s"
    return f"{value / 60:.3g} min" if value < 7200 else f"{value / 3600:.3g} h"


def share(value: float) -> str:
    """A part of one, in per cent."""
    return f"{100 * value:.2g}%"
