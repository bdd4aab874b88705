"""The script for `mitmdump -s`, for those who have the package but not the repository's `addons/`."""

from qqlab.proxy import marks, options, view
from qqlab.proxy.inside import Inside
from qqlab.proxy.recorder import Recorder

# All options of the addons, for the reference.
OPTIONS = (*options.OPTIONS, *view.OPTIONS, *marks.OPTIONS)

# The recorder comes first: it reads the options, and says what is wrong with them.
addons = [Recorder(), Inside()]
