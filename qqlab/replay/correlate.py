"""Values that a reply produced and a later request used: found in a recording, carried over from the new replies.

Law: pure. A value is carried over only where the recording shows that the request got it from the reply; what might
be a coincidence is not, and is listed with the reason. Values of secret fields are pseudonyms in a capture, equal where
the secrets were, so they are found like others; neither they nor what takes their place is ever shown.
"""

from typing import Literal, NamedTuple


class Produced(NamedTuple):
    """A value of a reply: the id of the exchange, the reply's field, and of a list which item (-1 the last); None: the
    whole value."""

    source: str
    field: str
    item: int | None


class Hole(NamedTuple):
    """A value of a request that a reply before it produced.

    `position` is the pair's place in the request's body, `name` its field. The others say which value of which reply
    it is, as `Produced` does; `recorded` is the value when recorded.
    """

    position: int
    name: str
    source: str
    field: str
    item: int | None
    recorded: str

    @property
    def produced(self) -> Produced:
        """What fills it."""
        return Produced(self.source, self.field, self.item)


class Link(NamedTuple):
    """A field of a command's requests that takes its values from a field of another's replies, all of its cases
    together.

    `item` as in `Hole`, but for `None` and -1 any number stands for its place in a list. `seen` is how many requests
    show it, `of` how many requests with that field came after such a reply; `examples` are pairs of ids (request,
    reply). `verdict` says whether it is carried over, `reason` why or why not.
    """

    command: str
    field: str
    source_command: str
    source_field: str
    item: int | None
    seen: int
    of: int
    examples: tuple[tuple[str, str], ...]
    verdict: Literal["carried", "pinned", "dropped"]
    reason: str
