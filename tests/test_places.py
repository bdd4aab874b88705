"""Lines of a spec file: the packaged one, one written in every other way, and any document in any style."""

import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from qqlab import spec as specs
from qqlab.spec import Places
from qqlab.spec.places import Path, lines

TEXT = specs.text(None)


def paths(document: Any, here: Path = ()) -> Iterator[tuple[Path, Any]]:
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        yield (*here, key), value
        if isinstance(value, dict | list):
            yield from paths(value, (*here, key))


def test_every_path_of_the_packaged_spec_has_its_line() -> None:
    assert lines(TEXT).keys() == dict(paths(tomllib.loads(TEXT))).keys()


def test_every_field_and_code_of_the_packaged_spec_is_where_it_is_said_to_be() -> None:
    known, places, text = specs.builtin(), Places(TEXT), TEXT.splitlines()
    for command, direction, field in known.every_field():
        line = places.field("" if command is None else command.name, direction, field.name)
        header = next(one for one in reversed(text[:line]) if one.startswith("["))
        where = "common" if command is None else f"commands.{command.name}"
        assert (text[line - 1], header) == (f'name = "{field.name}"', f"[[{where}.{direction}]]")
    for name, table in known.codes.items():
        for value in table.values:
            line = places.code(name, value.value) or 0
            header = next(one for one in reversed(text[:line]) if one.startswith("["))
            assert (text[line - 1], header) == (f"value = {value.value}", f"[[codes.{name}.values]]")
    assert text[places.command("getinfo") - 1] == "[commands.GetInfo]"
    assert text[places.value(known, "Login", "reply", "RS", 1) - 1] == "value = 1"
    assert text[places.value(known, "Login", "reply", "RS", 99) - 1] == 'name = "RS"'


OTHERWISE = '''\
# [commands.Fake] name = "NK"
codes.add = { doc = """
[[codes.add.values]]
value = 2 ""\\"""", values = [ # ]
  { value = 1 }, { "value" = 2 },
  ] }
common."reply" = [{ name = "RES" }]

[ commands . "Odd [one]" ] # ] "
doc = \'\'\'name = "NK"\'\'\'
reply = [
  # { name = "NK" }
  { doc = 'it\\', "name" = "NK" },
  { "n\\u0061me" = \'ST\' }]

[[commands.Tail.request]]
name = "A"
when . x = [1]
[[commands.Tail.request]]

name = "B"
'''


def test_a_spec_may_be_written_in_any_way() -> None:
    places = Places(OTHERWISE)
    assert lines(OTHERWISE).keys() == dict(paths(tomllib.loads(OTHERWISE))).keys()
    assert (places.code("add", 1), places.code("add", 2), places.code("add", 3)) == (5, 5, None)
    assert [places.field("odd [ONE]", "reply", name) for name in ("NK", "st", "RES", "XX")] == [13, 14, 7, 9]
    assert [places.field("Tail", "request", name) for name in "AB"] == [17, 21]
    assert (places.command("Tail"), places.command("None"), Places("").command("None")) == (16, 1, 1)
    assert Places(OTHERWISE.replace("\n", "\r\n")).field("Tail", "request", "B") == 21


KEYS = st.text(st.sampled_from("aZ0-_ .#[]='\"\\é"), min_size=0, max_size=4)
DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(
        st.just(0),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)
NOISE = ["", "# [x]", '# "', "  # '''", "\t"]


class Writer:
    """Writes a document in styles that are drawn; the leaves become distinct marks."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.out: list[str] = []
        self.leaves = 0

    def pick(self, *options: str) -> str:
        return self.data.draw(st.sampled_from(options))

    def key(self, name: str) -> str:
        quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        bare = name and name.isascii() and name.replace("-", "").replace("_", "").isalnum()
        return self.pick(name, quoted) if bare else quoted

    def leaf(self) -> str:
        self.leaves += 1
        mark = f"<{self.leaves}>"
        return self.pick(
            f"'{mark}'", f'"{mark} \\" # "', f'"""{mark}\n[x]\n""\\"""""', f"'''{mark} \" =\n{{''''", f"'{mark}' # ]"
        )

    def inline(self, value: Any, *, flat: bool = False) -> str:
        if isinstance(value, dict):
            pairs = [f"{self.key(key)} = {self.inline(inner, flat=True)}" for key, inner in value.items()]
            return "{ " + ", ".join(pairs) + " }"
        if isinstance(value, list):
            gap = self.pick(" ", "\n", "\n  # ] }\n")
            return "[" + gap + f",{gap}".join(self.inline(inner, flat=True) for inner in value) + gap + "]"
        leaf = self.leaf()
        return leaf.removesuffix(" # ]") if flat else leaf

    def table(self, table: dict[str, Any], header: str) -> None:
        later = []
        for name, value in table.items():
            key = self.key(name)
            many = isinstance(value, list) and value and all(isinstance(item, dict) for item in value)
            if (isinstance(value, dict) or many) and self.pick("header", "inline") == "header":
                later.append((f"{header}.{key}" if header else key, value))
            else:
                self.out.append(f"{key} = {self.inline(value)}")
                self.out.append(self.pick(*NOISE))
        for path, value in later:
            for item in value if isinstance(value, list) else [value]:
                self.out.append(f"[[ {path} ]] # ]" if isinstance(value, list) else f"[{path}]")
                self.table(item, path)


@given(DOCUMENTS, st.data())
def test_any_document_in_any_style(document: dict[str, Any], data: st.DataObject) -> None:
    writer = Writer(data)
    writer.table(document, "")
    text = "\n".join(writer.out)
    read = tomllib.loads(text)
    found = lines(text)
    assert found.keys() == dict(paths(read)).keys()
    for path, value in paths(read):
        if isinstance(value, str):
            mark = value[: value.index(">") + 1]
            assert found[path] == text[: text.index(mark)].count("\n") + 1, path
