"""A comparison in shares is the comparison: whatever the captures, and whoever does the work."""

import json
import re
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from random import Random

import msgspec
import pytest
import zstandard
from conftest import ROOT, qqlab
from hypothesis import given, settings
from hypothesis import strategies as st

from qqlab.capture import header, load, open_capture
from qqlab.capture.file import encode_header, encode_line, parse_line
from qqlab.capture.share import Met, NotSharedError, Share
from qqlab.diff import Comparison, compare, is_push
from qqlab.exchange import Exchange
from qqlab.findings import Seen
from qqlab.findings.apart import Asked, compare_share, together
from qqlab.findings.stretches import compare_stretch, joined, stretches
from qqlab.generate import generate, people, plan
from qqlab.spec import builtin

SPEC = builtin()


def made(exchanges: int) -> list[Exchange]:
    """Exchanges of all kinds, pushes among them."""
    wanted = plan(exchanges, accounts=15, errors=0.05)
    lines = [*generate(wanted, people(wanted))][1:]
    path = ROOT / "captures" / "lines.jsonl"
    recorded = [msgspec.structs.replace(one, id=f"l{one.id}") for one in load(path).exchanges]
    return [*(exchange_of(line) for line in lines), *recorded]


def exchange_of(line: bytes) -> Exchange:
    return parse_line(line, "test")


EXCHANGES = made(250)


def spoiled(exchanges: list[Exchange], random: Random, window: float = 30) -> list[Exchange]:
    """The same again, with what goes wrong: replies that differ or are missing, another order."""
    changed = []
    for place, one in enumerate(exchanges):
        exchange, drawn, reply = one, random.random(), one.reply
        if drawn < 0.05:
            continue
        if drawn < 0.2 and reply is not None:
            body = reply.body.replace(b"RS=0", b"RS=1").replace(b"RES=0", b"RES=20")
            exchange = msgspec.structs.replace(exchange, reply=msgspec.structs.replace(reply, body=body))
        changed.append((place + random.uniform(0, window), exchange))
    return [exchange for _, exchange in sorted(changed, key=lambda one: one[0])]


def write(path: Path, exchanges: list[Exchange], *, loose: bool = False) -> Path:
    """A capture of them; `loose` ones are written as other tools do."""
    lines = [encode_line(exchange, SPEC) for exchange in exchanges]
    if loose:
        lines = [
            json.dumps(json.loads(line), ensure_ascii=place % 2 == 0).encode() + b"\n\n"
            for place, line in enumerate(lines)
        ]
    path.write_bytes(encode_header(header(SPEC, redacted="none")) + b"".join(lines))
    return path


def in_shares(asked: Asked, of: int) -> tuple[Comparison, Seen]:
    pieces = [compare_share(asked, (number, of)) for number in range(of)]
    assert None not in pieces
    seen = Seen(SPEC)
    tally, _, _ = together([piece for piece in pieces if piece is not None], seen)
    return tally.comparison(SPEC), seen


def asked(expected: Path, actual: Path) -> Asked:
    return Asked(str(expected), str(actual), None, None, (True, True))


@settings(max_examples=40)
@given(st.integers(0, 10**9), st.integers(2, 7), st.booleans())
def test_shares_make_the_whole(tmp_path_factory: pytest.TempPathFactory, seed: int, of: int, loose: bool) -> None:
    folder, random = tmp_path_factory.mktemp("shares"), Random(seed)
    first = random.randrange(len(EXCHANGES) - 60)
    left = EXCHANGES[first : first + 60]
    right = spoiled(left, random)
    paths = write(folder / "a.jsonl", left, loose=loose), write(folder / "b.jsonl", right)
    whole, seen = in_shares(asked(*paths), 1)
    parted, other = in_shares(asked(*paths), of)
    assert parted == whole
    assert (other.cases, other.sides) == (seen.cases, seen.sides)
    assert {*whole.findings} == {*compare(left, right, SPEC).findings}


def test_a_login_ends_what_one_before_it_explains_in_whatever_order_captures_are_read() -> None:
    left = EXCHANGES[:120]
    for seed in range(20):
        random = Random(seed)
        right = spoiled(left, random)
        in_order = sorted(right, key=lambda exchange: left.index(next(one for one in left if one.id == exchange.id)))
        assert compare(left, right, SPEC).causes == compare(left, in_order, SPEC).causes


@settings(max_examples=40)
@given(st.integers(0, 10**9), st.integers(2, 9), st.integers(0, 40))
def test_stretches_make_the_whole(
    tmp_path_factory: pytest.TempPathFactory, seed: int, number: int, window: int
) -> None:
    folder, random = tmp_path_factory.mktemp("stretches"), Random(seed)
    left = [msgspec.structs.replace(one, id=str(place)) for place, one in enumerate(EXCHANGES[-120:])]
    right = spoiled(left, random, window)
    paths = write(folder / "a.jsonl", left), write(folder / "b.jsonl", right)
    whole, seen = in_shares(asked(*paths), 1)
    cut = stretches(asked(*paths), number)
    assert cut is not None
    assert len(cut) == number
    other = Seen(SPEC)
    tally, _, _ = together(joined([compare_stretch(asked(*paths), one) for one in cut], asked(*paths)), other)
    assert tally.comparison(SPEC) == whole
    assert (other.cases, other.sides) == (seen.cases, seen.sides)


def test_captures_that_lie_otherwise_are_not_cut(tmp_path: Path) -> None:
    left, packed = write(tmp_path / "a.jsonl", EXCHANGES), tmp_path / "b.jsonl.zst"
    packed.write_bytes(zstandard.ZstdCompressor().compress(left.read_bytes()))
    assert stretches(asked(left, packed), 3) is None
    named = [msgspec.structs.replace(one, id=f"x{place}") for place, one in enumerate(EXCHANGES)]
    assert stretches(asked(write(tmp_path / "c.jsonl", named), left), 3) is None


def test_what_belongs_together_and_lies_apart_is_compared_in_shares(tmp_path: Path) -> None:
    left = [msgspec.structs.replace(EXCHANGES[0], id=str(place)) for place in range(600)]
    paths = write(tmp_path / "a.jsonl", left), write(tmp_path / "b.jsonl", left[::-1])
    cut = stretches(asked(*paths), 2)
    assert cut is not None
    few = [one._replace(most=100) for one in cut]
    assert compare_stretch(asked(*paths), few[0]) is None
    with pytest.raises(NotSharedError):
        joined([None], asked(*paths))
    assert told(*paths, "--json", "--workers", "2") == told(*paths, "--json")


@pytest.mark.parametrize("of", [1, 2, 5])
def test_every_exchange_is_in_one_share(tmp_path: Path, of: int) -> None:
    path = write(tmp_path / "a.jsonl", EXCHANGES)
    shares = [list(open_capture(path).shared(Share(number, of, is_push))) for number in range(of)]
    numbered = sorted((one for share in shares for one in share), key=lambda one: one[0])
    assert [exchange for _, exchange in numbered] == EXCHANGES
    assert all(not is_push(exchange) for share in shares[1:] for _, exchange in share)


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":"1","session":"","request":{"body":"A","head":""},"id":"2"}',
        b'{"id":"1","session":"","note":{"request":{}},"transport":"lines","request":null,"reply":{"head":"","body":"A=1"}}',
        b'{"id":"3","session":""}\n{"id":"3","session":""}',
    ],
)
def test_what_is_not_what_it_looks_like_is_noticed(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(encode_header(header(SPEC, redacted="none")) + line + b"\n")
    shares = [open_capture(path).shared(Share(number, 3, is_push)) for number in range(3)]
    with pytest.raises(NotSharedError):
        list(chain.from_iterable(shares))


@given(st.lists(st.one_of(st.integers(0, 30).map(lambda n: b"%d" % (3 * n)), st.sampled_from([b"a", b"b", b""]))))
def test_an_id_is_new_once(identifiers: list[bytes]) -> None:
    met, seen = Met(Share(0, 3, is_push)), set[bytes]()
    for identifier in identifiers:
        assert met.add(identifier) is (identifier not in seen)
        seen.add(identifier)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("sides")
    return write(folder / "a.jsonl", EXCHANGES), write(folder / "b.jsonl", spoiled(EXCHANGES, Random(5)))


def told(*options: str | Path) -> tuple[int, str, str]:
    done = qqlab("diff", *options)
    return done.returncode, done.stdout, done.stderr


def test_workers_and_a_cluster_tell_the_same_to_the_byte(sides: tuple[Path, Path], tmp_path: Path) -> None:
    pages = [tmp_path / f"{number}.xml" for number in range(3)]
    alone, several, far = (
        told(*sides, "--json", "--report", f"junit={page}", *options)
        for page, options in zip(pages, [(), ("--workers", "3"), ("--workers", "2", "--cluster", "local")], strict=True)
    )
    assert alone[0] == 1
    assert (several[:2], far[:2]) == (alone[:2], alone[:2])
    assert len({re.sub(r' timestamp="[^"]*"', "", page.read_text()) for page in pages}) == 1


def test_datasets_and_compressed_captures_are_shared_too(sides: tuple[Path, Path], tmp_path: Path) -> None:
    dataset, packed = tmp_path / "a.parquet", tmp_path / "b.jsonl.zst"
    qqlab("export", sides[0], "--format", "parquet", "-o", dataset)
    packed.write_bytes(zstandard.ZstdCompressor().compress(sides[1].read_bytes()))
    assert in_shares(asked(dataset, packed), 3)[0] == in_shares(asked(*sides), 1)[0]
    assert told(dataset, packed, "--json", "--workers", "2") == told(dataset, packed, "--json")


def test_one_exchange_can_be_asked_for(sides: tuple[Path, Path]) -> None:
    assert told(*sides, "--only", "7", "--workers", "2") == told(*sides, "--only", "7")
    assert told(*sides, "--only", "none", "--workers", "2") == told(*sides, "--only", "none")


@pytest.mark.parametrize("spoil", [lambda lines: [*lines[:-1], lines[-1][:40]], lambda lines: [*lines, lines[3]]])
def test_trouble_is_told_as_one_reader_does(
    sides: tuple[Path, Path], tmp_path: Path, spoil: Callable[[list[bytes]], list[bytes]]
) -> None:
    path = tmp_path / "spoiled.jsonl"
    path.write_bytes(b"".join(spoil(sides[0].read_bytes().splitlines(keepends=True))))
    assert told(path, sides[1], "--workers", "2") == told(path, sides[1])


def test_a_damaged_line_is_told_with_its_number(sides: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "damaged.jsonl"
    lines = sides[0].read_bytes().splitlines(keepends=True)
    lines[100] = b'{"id":"100",\n'
    path.write_bytes(b"".join(lines))
    alone = told(path, sides[1])
    assert (alone[0], "damaged.jsonl:101" in alone[2]) == (3, True)
    assert told(path, sides[1], "--workers", "2") == alone


def test_standard_input_is_for_one_process(sides: tuple[Path, Path]) -> None:
    code, _, said = told("-", sides[1], "--workers", "2")
    assert (code, "one process alone" in said) == (2, True)
