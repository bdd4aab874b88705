"""Names for the parts of a report, by which links lead to them.

Law: pure; distinct parts have distinct names, of an alphabet that is safe in an attribute and in a link.
"""

import re


def anchor(*parts: object) -> str:
    """The name of a part of the report: distinct for distinct parts, and safe in an attribute and in a link."""
    return "-".join(re.sub(r"[^A-Za-z0-9_]", lambda match: f".{ord(match[0]):x}.", str(part)) for part in parts)
