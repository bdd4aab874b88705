"""From traffic back to a spec: one inferred from traffic alone, and a known one brought up to what traffic shows."""

from collections.abc import Iterable

from qqlab.exchange import Exchange
from qqlab.infer.conclude import drafted
from qqlab.infer.draft import Draft
from qqlab.infer.fold import Learned, learn
from qqlab.infer.write import toml
from qqlab.spec import Source

__all__ = ["Draft", "Learned", "drafted", "infer", "learn", "toml"]


def infer(exchanges: Iterable[tuple[str, Exchange]], name: str = "inferred", title: str = "Captured traffic") -> str:
    """The text of a spec file inferred from exchanges, each given with the id by which it is cited. `title` says what
    the traffic is."""
    learned = learn(exchanges)
    trust = f"{learned.exchanges} exchanges, read by a program and by nobody yet"
    return toml(drafted(learned, name, "traffic", Source(title=title, trust=trust, primary=True)))
