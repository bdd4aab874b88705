"""Holds one of the laws against inputs that atheris makes: `python fuzz/run.py LAW [options of libFuzzer]`.

The folder of seeds comes from `captures/` and the vectors; new inputs that reach new code are kept beside them. The
README of this folder says how to install what is needed.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["qqlab"]):
    import laws

    from qqlab import capture

HERE = Path(__file__).parent


def seeds(folder: Path) -> None:
    """Write seeds: what the committed captures hold as it was sent, and the inputs that were found before."""
    for path in sorted((HERE.parent / "captures").glob("*.jsonl")):
        for exchange in capture.load(path).exchanges:
            sides = [(b"\xff>", exchange.request), (b"\xff<", exchange.reply)]
            sent = b"".join(mark + one.head + one.body + one.end for mark, one in sides if one is not None)
            (folder / f"{path.stem}-{exchange.id}").write_bytes(b"\x06" + sent.removeprefix(b"\xff>"))
    for path in sorted((HERE / "vectors").glob("*/*")):
        (folder / f"{path.parent.name}-{path.name}").write_bytes(path.read_bytes())


def main() -> None:
    """Run the law that the first argument names, until libFuzzer ends."""
    law = getattr(laws, sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        seeds(Path(folder))
        atheris.Setup([sys.argv[0], *sys.argv[2:], f"-dict={HERE / 'words.dict'}", folder], law)
        atheris.Fuzz()


main()
