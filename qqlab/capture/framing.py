"""A pandas frame out of the columns of a dataset.

Law: the frame is the one that `qqlab.capture.frame.frame` makes of the exchanges, column by column, dtypes and all;
only nothing is decoded for it. Where the columns cannot tell, because another spec or another version of qqlab made
them, the exchanges are decoded anew.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from qqlab.capture import frame, stored
from qqlab.capture.columns import REST, Columns
from qqlab.capture.dataset import fingerprint
from qqlab.capture.stored import Dataset
from qqlab.spec import Spec

_TEXTS = ("session", "client", "server", "transport", "command", "version", "account", "sequence")
_OTHERS = ("id", "time", "elapsed", "error", "status", "notes", REST)


def read(path: Path | str, spec: Spec) -> pd.DataFrame | None:
    """The frame of a dataset; None where its columns were made otherwise. Raises InputError as reading it does."""
    found = stored.open_dataset(path)
    names = found.manifest.fields
    if found.manifest.fingerprint != fingerprint(spec) or names is None or not found.manifest.count:
        return None
    return _Framing(found, spec, names).frame()


class _Framing:
    """A frame being made."""

    def __init__(self, dataset: Dataset, spec: Spec, names: tuple[str, ...]) -> None:
        known = Columns(spec).fields
        wanted = [column for name in names for column in (name, f"{name}[]") if column in known]
        self._names = names
        self._known = known
        self._table = stored.table(dataset, (*_TEXTS, *_OTHERS, *wanted))
        self._numbers, self._lists = frame.kinds(spec)
        self._rest = self._read_rest()

    def frame(self) -> pd.DataFrame:
        """The frame."""
        columns = {name: self._column(name) for name in frame.FIRST if name != "id"}
        columns |= {name: self._column(name) for name in self._names}
        index = pd.Index(_typed(self._array("id"), number=False), name="id", dtype="str")
        return pd.DataFrame(columns, index=index)

    def _read_rest(self) -> dict[str, dict[int, Any]]:
        """What fits into no column: values by row, by column of a frame."""
        made: dict[str, dict[int, Any]] = {}
        for row, text in _present(self._array(REST)):
            for name, value in msgspec.json.decode(text).items():
                if isinstance(value, dict):
                    for field, inner in value.items():
                        one = tuple(inner) if isinstance(inner, list) else inner
                        made.setdefault(f"{name}.{field}", {})[row] = one
                else:
                    made.setdefault(name, {})[row] = value
        return made

    def _array(self, name: str) -> Any:
        found: Any = self._table.column(name)
        array = found.chunk(0) if found.num_chunks == 1 else found.combine_chunks()
        return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array

    def _column(self, name: str) -> Any:
        if name == "time":
            naive = self._array(name).cast(pa.timestamp("us")).to_numpy(zero_copy_only=False)
            return pd.array(pd.to_datetime(naive, utc=True).as_unit("us"))
        if name == "elapsed":
            return self._array(name).to_numpy(zero_copy_only=False)
        if name == "notes":
            lengths: Any = pc.list_value_length(self._array(name))
            odd = pc.greater(pc.fill_null(lengths, 0), pa.scalar(0))
            return self._of_objects({}, dict(_chosen(self._array(name), odd)), missing=())
        return self._values(name)

    def _values(self, name: str) -> Any:
        number, rest = name in self._numbers, self._rest.get(name, {})
        plain = self._array(name) if name in self._table.column_names else None
        listed = self._array(f"{name}[]") if f"{name}[]" in self._table.column_names else None
        lists = {} if listed is None or listed.null_count == len(listed) else dict(_present(listed))
        kind = int if number else str
        fits = plain is None or plain.null_count == len(plain) or pa.types.is_integer(plain.type) == number
        if name in self._lists or lists or not fits or not all(isinstance(one, kind) for one in rest.values()):
            values = {} if plain is None else dict(_present(plain))
            return self._of_objects(values | rest, lists)
        if rest:
            values = {} if plain is None else dict(_present(plain))
            return pd.array(self._spread(values | rest), dtype="Int64" if number else "str")
        if plain is None or plain.null_count == len(plain):
            return pd.array([None] * self._table.num_rows, dtype="Int64" if number else "str")
        return _typed(plain, number)

    def _of_objects(self, values: Mapping[int, Any], lists: Mapping[int, Any], missing: Any = None) -> Any:
        made = self._spread(values, missing)
        for row, items in lists.items():
            made[row] = tuple(items)
        return pd.array(made, dtype="object")

    def _spread(self, values: Mapping[int, Any], missing: Any = None) -> list[Any]:
        made = [missing] * self._table.num_rows
        for row, value in values.items():
            made[row] = value
        return made


def _present(array: Any) -> Iterable[tuple[int, Any]]:
    """The values that are not null, each with its row."""
    return _chosen(array, array.is_valid())


def _chosen(array: Any, chosen: Any) -> Iterable[tuple[int, Any]]:
    """The values in chosen rows, each with its row."""
    rows = np.flatnonzero(chosen.to_numpy(zero_copy_only=False))
    return zip(rows.tolist(), array.filter(chosen).to_pylist(), strict=True)


def _typed(array: Any, number: bool) -> Any:
    """An array as pandas has it, without a look at its values."""
    kind: Any = pd.Int64Dtype() if number else pd.StringDtype(na_value=np.nan)
    return kind.__from_arrow__(array)
