"""Every sentence that a report can say, found where it stands: in templates, in code, in the catalogue of notes."""

import ast
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, nodes

from qqlab.codec import CATALOGUE
from qqlab.report.retold import INNER, LACKS, SHAPES
from qqlab.report.say import counting

TEMPLATES = "qqlab/report/templates"
# Code that says sentences of a report.
CODE = ("qqlab/report", "qqlab/cli/spec.py")


def everywhere(root: Path) -> dict[str, str]:
    """All sentences, each with a place where it stands."""
    found = {sentence: "the notes" for _, sentence in CATALOGUE.values()}
    found |= {sentence: "the notes' shapes" for shapes in SHAPES.values() for sentence in shapes}
    found |= dict.fromkeys(LACKS, "what a capture lacks")
    found |= {sentence: "the notes' shapes" for parts in INNER.values() for _, sentence in parts if " " in sentence}
    for path in sorted((root / TEMPLATES).glob("*.j2")):
        for sentence, line in in_template(path.read_text(encoding="utf-8")):
            found.setdefault(sentence, f"{path.name}:{line}")
    for place in CODE:
        for path in sorted((root / place).rglob("*.py")) if (root / place).is_dir() else [root / place]:
            for sentence, line in in_code(path.read_text(encoding="utf-8")):
                found.setdefault(sentence, f"{path.name}:{line}")
    return found


def in_template(text: str) -> Iterator[tuple[str, int]]:
    """The sentences of a template; raises for one that is no literal, which would be trusted though it is a value."""
    for call in Environment().parse(text).find_all(nodes.Call):
        if not isinstance(call.node, nodes.Name) or call.node.name not in ("_", "count"):
            continue
        said = call.args[0] if call.node.name == "_" else call.args[1]
        if not isinstance(said, nodes.Const):
            raise AssertionError(f"line {call.lineno}: {call.node.name}() is given what is no literal")
        yield said.value if call.node.name == "_" else counting(said.value), call.lineno


def in_code(text: str) -> Iterator[tuple[str, int]]:
    """The sentences of a module: literals given to `say`, `say.translated`, `say.count`, or `_` for one of them."""
    for call in ast.walk(ast.parse(text)):
        if not isinstance(call, ast.Call):
            continue
        name = ast.unparse(call.func)
        if name in ("say", "_", "say.translated") or name.endswith((".say", ".say.translated")):
            yield from ((one, call.lineno) for one in _literals(call.args[0]))
        elif name == "say.count" or name.endswith(".say.count"):
            yield from ((counting(one), call.lineno) for one in _literals(call.args[1]))
        elif name.endswith("say.several"):
            yield ", ", call.lineno


def _literals(node: ast.expr) -> Iterator[str]:
    """What an argument can be: a literal, or one of two; nothing for what is said of a note, which is elsewhere."""
    if isinstance(node, ast.IfExp):
        yield from (*_literals(node.body), *_literals(node.orelse))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
