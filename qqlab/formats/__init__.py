"""Other people's formats: read into exchanges, and written from them.

Law: one module a format, with `read` and `write` where it makes sense; `importing` and `exporting` are the ways in.
What a format has no place for is counted, and said; a mark keeps it where the format has a place for marks, so that
import, export and import again change nothing.
"""
