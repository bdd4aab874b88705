"""Sockets: asyncio on one side, the pure parts of the package on the other.

Law: bytes, connections, clocks and time-outs live here; what the bytes mean does not. Nothing here dies of what
the other side sends.
"""
