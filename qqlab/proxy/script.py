"""The script for `mitmdump -s`, for those who have the package but not the repository's `addons/`."""

from qqlab.proxy import marks, options, view
from qqlab.proxy.commands import Commands
from qqlab.proxy.known import Known
from qqlab.proxy.marks import Marks
from qqlab.proxy.recorder import Recorder
from qqlab.proxy.view import Views

# All options of the addons, for the reference.
OPTIONS = (*options.OPTIONS, *view.OPTIONS, *marks.OPTIONS)

_known = Known()

# The recorder comes first: it reads the options, and says what is wrong with them.
addons = [Recorder(), _known, Views(_known), Marks(_known), Commands(_known)]
