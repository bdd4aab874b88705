"""Who else looks at what passes, or may change it: mitmproxy's own addons, and scripts of users.

Law: what is not known to look on counts as looking on. An addon is let pass only where it has no hook that is called
for the traffic in question, or is one of mitmproxy's that acts by an option alone, and no such option is set. It is
asked for each connection: what was found is kept until an option or the chain of addons changes.
"""

from collections.abc import Iterable

from mitmproxy import ctx, hooks
from mitmproxy.addonmanager import traverse
from mitmproxy.addons import dumper

from qqlab.proxy.known import are_kept

_OURS = "qqlab."
_THEIRS = "mitmproxy.addons."
_OF_BYTES = ("tcp_message", "update")

# Hooks that tell nothing of messages, or that are called for what is relayed as well.
_BESIDE = {
    "load", "configure", "running", "done", "add_log", "client_connected", "client_disconnected",
    "server_connect", "server_connected", "server_connect_error", "server_disconnected",
}  # fmt: skip

# Those of mitmproxy's addons that are there always, have other hooks, and do nothing to plain HTTP/1 unless an option
# says so. Four do without: `disable_h2c` and `onboarding`, whose requests are not relayed; `tlsconfig`, for a path that
# only a certificate of mitmproxy's names; and `update_alt_svc`, for a header that no client heeds without TLS.
_BY_OPTION = {
    "anticache", "anticomp", "blocklist", "disable_h2c", "dns_resolver", "maplocal", "mapremote", "modifybody",
    "modifyheaders", "next_layer", "onboarding", "proxyauth", "save", "savehar", "serverplayback", "stickyauth",
    "stickycookie", "strip_dns_https_records", "tlsconfig", "update_alt_svc", "upstream_auth",
}  # fmt: skip

# Options that change nothing about messages, whatever they are set to: where to listen and to connect, what is printed
# beside traffic, how long silence may last. `flow_detail` is asked for with the dumper.
HARMLESS = {
    "block_global", "block_private", "command_history", "confdir", "connect_addr", "connection_strategy",
    "content_view_lines_cutoff", "dumper_default_contentview", "flow_detail", "keep_host_header", "listen_host",
    "listen_port", "mode", "onboarding", "scripts", "server", "showhost", "tcp_timeout", "termlog_verbosity",
}  # fmt: skip
_OUR_OPTIONS = "qq_"


class Others:
    """Everybody but the one who asks. `see_bytes` tells whether anybody else would do anything with bytes that are
    relayed, now or once the connection is over; `see_messages` whether anybody would with HTTP taken apart."""

    def __init__(self, who_asks: object) -> None:
        self._who_asks = who_asks
        self._chain: tuple[object, ...] | None = None
        self._see_bytes = self._see_messages = True

    def forget(self) -> None:
        """Options have changed: look anew."""
        self._chain = None

    @property
    def see_bytes(self) -> bool:
        """See the class."""
        self._look()
        return self._see_bytes

    @property
    def see_messages(self) -> bool:
        """See the class."""
        self._look()
        return self._see_messages

    def _look(self) -> None:
        # A script that is loaded anew changes the chain, and no option.
        chain = tuple(traverse(ctx.master.addons.chain))
        if chain == self._chain:
            return
        self._chain = chain
        others = [addon for addon in chain if addon is not self._who_asks]
        self._see_bytes = are_kept() or any(_has(addon, _OF_BYTES) and not _is_silent(addon) for addon in others)
        self._see_messages = self._see_bytes or _is_told() or any(map(_sees_messages, others))


def _is_told() -> bool:
    """Whether an option asks for something that only HTTP taken apart can give."""
    options = ctx.options
    asking = (name for name, _ in options.items() if name not in HARMLESS and not name.startswith(_OUR_OPTIONS))
    return any(map(options.has_changed, asking))


def _sees_messages(addon: object) -> bool:
    module = type(addon).__module__
    if module.startswith(_OURS) or _is_silent(addon):
        return False
    if module.startswith(_THEIRS) and module.removeprefix(_THEIRS) in _BY_OPTION:
        return False
    return _has(addon, hooks.all_hooks.keys() - _BESIDE)


def _is_silent(addon: object) -> bool:
    """Whether it only prints what passes, and would print nothing."""
    return type(addon) is dumper.Dumper and not ctx.options.flow_detail


def _has(addon: object, names: Iterable[str]) -> bool:
    return any(getattr(addon, name, None) is not None for name in names)
