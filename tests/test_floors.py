"""Imports go down only: the floors of the architecture, held against the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

from conftest import ROOT

# A module may import from floors below its own, and within its own package or, on the first two floors, beside it.
FLOORS = [
    {"errors"},
    {"wire", "visible", "files", "spec", "exchange", "failures"},
    {"bodies"},
    {"http1", "lines", "hunt", "pseudonyms"},
    {"codec"},
    {"wording"},
    {"sheet"},
    {"conversation"},
    {"capture", "redact", "diff", "profile", "testserver"},
    {"replay", "report", "verify", "findings", "publish", "infer", "generate"},
    {"engine"},
    {"net", "proxy"},
    {"formats"},
    {"demo"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(FLOORS) for name in names}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / "qqlab").rglob("*.py")):
        parts = path.relative_to(ROOT / "qqlab").with_suffix("").parts
        if parts != ("__init__",):
            yield parts[0], path


def imported(path: Path) -> Iterator[str]:
    """The parts of the package that a module imports: the name after `qqlab.`, empty for the package itself."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "qqlab":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("qqlab."):
            yield (node.module or "").split(".")[1]
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield "a relative import"
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("qqlab."))


def test_every_part_has_its_floor() -> None:
    assert {part for part, _ in modules()} <= RANK.keys()


def test_imports_go_down_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {other}"
        for part, path in modules()
        for other in imported(path)
        if other != part and not RANK.get(other, 99) < RANK[part]
    ]
    assert wrong == []


def test_only_the_rim_does_io() -> None:
    """Sockets, processes and the event loop belong to the upper floors."""
    forbidden = {"asyncio", "socket", "subprocess", "threading", "mitmproxy", "httptools"}
    wrong = []
    for part, path in modules():
        if RANK[part] >= RANK["engine"]:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            wrong += [f"{path.relative_to(ROOT)} imports {n}" for n in names if n.split(".")[0] in forbidden]
    assert wrong == []


def test_every_module_opens_with_its_law() -> None:
    bare = [str(path) for _, path in modules() if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert bare == []
