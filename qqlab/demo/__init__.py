"""The demonstration: the whole loop on real parts, in under a minute, leaving nothing behind but its results."""

from qqlab.demo.run import DEVIATIONS, NOTE, Demo, Results, missed

__all__ = ["DEVIATIONS", "NOTE", "Demo", "Results", "missed"]
