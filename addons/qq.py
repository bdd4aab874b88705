"""Records HTTP QQ traffic: `mitmdump -s addons/qq.py --set qq_capture=FILE` (or mitmproxy, or mitmweb)."""

from qqlab.proxy.script import addons

__all__ = ["addons"]
