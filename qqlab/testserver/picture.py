"""The picture of a verification code: a few letters as a PNG.

Law: pure; the same letters always give the same bytes, whatever library packs them (so they are not packed at all).
It is for people and programs that read pictures to have something true to read; it resists nobody.
"""

import zlib

_SCALE = 4  # a dot is so many pixels wide and high, so that its row in a picture of one bit a pixel is a hex digit
_ROWS = 5
# Three by five dots a letter: a digit for each row, a bit for each dot.
_LETTERS = {
    **{"A": "25755", "B": "65656", "C": "34443", "D": "65556", "E": "74647", "F": "74644", "G": "34553", "H": "55755"},
    **{"I": "72227", "J": "11152", "K": "55655", "L": "44447", "M": "57755", "N": "65555", "O": "25552", "P": "65644"},
    **{"Q": "25573", "R": "65655", "S": "34216", "T": "72222", "U": "55557", "V": "55552", "W": "55775", "X": "55255"},
    **{"Y": "55222", "Z": "71247", "0": "75557", "1": "26227", "2": "61247", "3": "61216", "4": "55711", "5": "74616"},
    **{"6": "34757", "7": "71122", "8": "75757", "9": "75716"},
}


def png(letters: str) -> bytes:
    """A picture of capital letters and digits, black on white; of anything else a white space."""
    width = len(letters) * 4 + 1
    dots = ["".join(f"{_dots(letter, row):03b}0" for letter in letters) for row in range(_ROWS)]
    lines = [f"{line:0<{width}}" for line in ("", *(f"0{line}" for line in dots), "")]
    pixels = b"".join(_pixels(line) * _SCALE for line in lines)
    size = (width * _SCALE).to_bytes(4, "big") + (len(lines) * _SCALE).to_bytes(4, "big")
    grey_of_one_bit = bytes((1, 0, 0, 0, 0))
    parts = (b"IHDR", size + grey_of_one_bit), (b"IDAT", zlib.compress(pixels, 0)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_part(name, data) for name, data in parts)


def _dots(letter: str, row: int) -> int:
    return int(_LETTERS.get(letter, "00000")[row])


def _pixels(line: str) -> bytes:
    """One line of pixels, behind the byte that says it stands for itself."""
    digits = line.translate({ord("0"): "f", ord("1"): "0"})
    return b"\0" + bytes.fromhex(digits + "f" * (len(digits) % 2))


def _part(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
