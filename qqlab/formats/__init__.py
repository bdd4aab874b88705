"""Other people's formats: read into exchanges, and written from them.

Law: one module a format, with `read` and `write` where it makes sense. What a format has no place for is counted, and
said; a mark keeps it where the format has a place for marks, so that import, export and import again change nothing.
"""

from qqlab.formats.exporting import EXPORTS, Export, export
from qqlab.formats.importing import Wanted, imported
from qqlab.formats.sniff import FORMATS, Format, sniff
from qqlab.formats.tally import Tally

__all__ = ["EXPORTS", "FORMATS", "Export", "Format", "Tally", "Wanted", "export", "imported", "sniff"]
