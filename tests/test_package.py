"""The package as a whole: what it says it offers is there."""

import importlib
import pkgutil

import qqlab


def test_every_public_name_exists() -> None:
    missing = []
    for module in pkgutil.walk_packages(qqlab.__path__, "qqlab."):
        if module.name == "qqlab.__main__":
            continue
        loaded = importlib.import_module(module.name)
        missing += [f"{module.name}.{name}" for name in getattr(loaded, "__all__", ()) if not hasattr(loaded, name)]
    assert missing == []
