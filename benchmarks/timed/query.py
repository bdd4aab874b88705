"""DuckDB as it reads JSON lines into a table, with the columns that it finds by itself, on one thread.

Argument: a capture, whose first line is a header and no exchange.
"""

import sys

import duckdb
from timed.saying import timed

_READ = "create table capture as select * from read_json(?, format='newline_delimited', maximum_object_size=67108864)"


def _read() -> int:
    with duckdb.connect() as connection:
        connection.execute("set threads to 1")
        connection.execute(_READ, [sys.argv[1]])
        found = connection.execute("select count(id) from capture").fetchone()
        return int(found[0]) if found else 0


if __name__ == "__main__":
    timed(_read)
