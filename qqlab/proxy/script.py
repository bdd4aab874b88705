"""The script for `mitmdump -s`, for those who have the package but not the repository's `addons/`."""

from qqlab.proxy.recorder import Recorder

addons = [Recorder()]
