"""What runs inside mitmproxy: the addon that records live traffic.

Law: the traffic comes first. Nothing here changes, delays or drops what passes, whatever the codec thinks of it;
the one thing that stops the proxy is a capture that cannot be written.
"""
