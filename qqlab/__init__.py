"""qqlab: record, replay and document HTTP QQ traffic."""

__version__ = "0.1.0"
