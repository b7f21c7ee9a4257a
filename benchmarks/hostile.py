"""Hostile values, and ways to spoil a file: as JSON field by field, as safetensors, as lines of text, as bytes."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What a number may be given as, and whether no number of any option may be that.
NUMBERS = {
    "nan": True, "inf": True, "-inf": True, "9223372036854775808": True, "18446744073709551616": True, "1e30": True,
    "-1e30": True, "-1": True, "": True, "x": True, "1e400": True, "9" * 5000: True, "\udcff": True, "1\0": True,
    "0": False, "1e-320": False, "1": False, "0x10": False, "1_0": False, "2147483648": False,
}  # fmt: skip
TEXTS = {
    "": False, " ": False, "\0": False, "a\0b": False, "\udcff": False, "a" * 100_000: False,
    "\u2028\u202e\ufeff": False, "-": False, "--": False, "nan": False, "\x1b[31m": False, "[bold]": False, "{}": False,
    "../..": False, "\n\n": False, "e\u0301" * 500: False, "\U0001f468\u200d\U0001f469": False,
}  # fmt: skip
NAMES = {
    "": True, "a\0b": True, "n" * 300: True, "/dev/null/x": True, "/proc/x": True, "loop": True,
    "\udcff": False, "/dev/full": False, "pipe": True, ".": False, "a/b/c": False, " ": False, "/dev/zero": True,
}  # fmt: skip
_RAW = {  # stands in JSON as it is
    "deep": "[" * 1000 + "]" * 1000,
    "digits": "9" * 5000,
    "1e400": "1e400",
    "NaN": "NaN",
    "-Infinity": "-Infinity",
    "half": '"\\ud800"',
    "deep object": '{"a":' * 1000 + "1" + "}" * 1000,
}
_VALUES: dict[str, Any] = {
    "null": None, "true": True, "text": "x", "no text": "", "list": [], "object": {}, "-1": -1, "0": 0,
    "2^63": 2**63, "2^70": 2**70, "1e30": 1e30, "0.5": 0.5, "1e9": 10**9, "long": "x" * 100_000, "list of 1": [1],
    "path": "../../../../etc/passwd", "NUL": "a\0b", "1e-320": 1e-320,
}  # fmt: skip
# Texts of templates: without an end, deep, too long, with what is not there.
_TEMPLATES = (
    "{% for i in range(999999999) %}{{ i }}{% endfor %}",
    "{{ 'x' * 999999999 }}",
    "{{ messages.__class__.__mro__ }}",
    "{{ nothing.at.all }}",
    "{% if %}",
    "{{ (" * 500 + "1" + ") }}" * 500,
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{{ messages[99].content }}",
    "",
    "{{ 9 ** 9 ** 9 }}",
    "{% for m in messages %}{{ m.content }}{% endfor %}\ud800",
)
Spoiled = str  # what was done, in words


def spoil_file(path: Path, chance: random.Random) -> Spoiled:
    """Spoil a file of a model folder where it stands."""
    ways = _FORMS.get(path.suffix, [])
    name, way = chance.choice([*ways, *ways, *ways, *_ANY])
    return f"{path.name}: {name} {way(path, chance) or ''}".rstrip()


def spoil_data(content: bytes, chance: random.Random) -> tuple[bytes, Spoiled]:
    """Spoil the bytes of a data file."""
    name, way = chance.choice(list(_DATA.items()))
    return way(content, chance), name


# Files as they are


def _instead(make: Callable[[Path], object]) -> Callable[[Path, random.Random], None]:
    """Something else stands in the place of the file."""

    def spoil(path: Path, _: random.Random) -> None:
        path.unlink()
        make(path)

    return spoil


def _bytes(way: Callable[[bytes, random.Random], bytes]) -> Callable[[Path, random.Random], None]:
    def spoil(path: Path, chance: random.Random) -> None:
        path.write_bytes(way(path.read_bytes(), chance))

    return spoil


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) or 1)]


def _flipped(content: bytes, chance: random.Random) -> bytes:
    spoiled = bytearray(content or b"\0")
    for _ in range(chance.choice((1, 3, 100))):
        spoiled[chance.randrange(len(spoiled))] ^= 1 << chance.randrange(8)
    return bytes(spoiled)


def _flipped_file(path: Path, chance: random.Random) -> None:
    """Of weights the header only: another finite weight is a weight, and people change them."""
    content = path.read_bytes()
    form = len(content)
    if path.suffix == ".safetensors" and form > 8:
        form = min(form, 8 + struct.unpack("<Q", content[:8])[0])
    path.write_bytes(_flipped(content[:form], chance) + content[form:])


_ANY = [
    ("gone", _instead(lambda _: None)),
    ("a folder", _instead(Path.mkdir)),
    ("a pipe", _instead(os.mkfifo)),
    ("an endless device", _instead(lambda path: path.symlink_to("/dev/zero"))),
    ("a link to itself", _instead(lambda path: path.symlink_to(path.name))),
    ("empty", _bytes(lambda *_: b"")),
    ("zeros", _bytes(lambda content, _: bytes(len(content)))),
    ("cut", _bytes(_cut)),
    ("flipped", _flipped_file),
    ("not UTF-8", _bytes(lambda content, _: b"\xff\xfe\xff" + content)),
]


# Files of a form


def _json(path: Path, chance: random.Random) -> str:
    text, said = _field(path.read_text(encoding="utf-8"), chance)
    path.write_text(text, encoding="utf-8")
    return said


def _json_line(path: Path, chance: random.Random) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    at = chance.randrange(len(lines))
    lines[at], said = _field(lines[at], chance)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"{at + 1}: {said}"


def _header(path: Path, chance: random.Random) -> str:
    text, rest = _parts(path)
    text, said = _field(text, chance)
    _put(path, text, rest)
    return said


def _metadata(path: Path, chance: random.Random) -> str:
    """A field of the JSON that stands as text in the metadata."""
    text, rest = _parts(path)
    header = json.loads(text)
    about = header.get("__metadata__", {})
    if not (names := sorted(name for name in about if about[name][:1] in "{[")):
        return _header(path, chance)
    name = chance.choice(names)
    about[name], said = _field(about[name], chance)
    _put(path, json.dumps(header), rest)
    return f"{name}.{said}"


def _parts(path: Path) -> tuple[str, bytes]:
    """(the header, the tensors) of a safetensors file."""
    content = path.read_bytes()
    end = 8 + struct.unpack("<Q", content[:8])[0]
    return content[8:end].decode(), content[end:]


def _put(path: Path, text: str, rest: bytes) -> None:
    head = text.encode(errors="surrogatepass")
    path.write_bytes(struct.pack("<Q", len(head)) + head + rest)


def _template(path: Path, chance: random.Random) -> str:
    text = chance.choice(_TEMPLATES)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return text[:60]


_FORMS = {
    ".json": [("field", _json)],
    ".jsonl": [("line", _json_line)],
    ".safetensors": [("header", _header), ("metadata", _metadata)],
    ".jinja": [("template", _template)],
}


def _field(text: str, chance: random.Random) -> tuple[str, str]:
    """JSON with one field spoiled, and which."""
    data = json.loads(text)
    holder, where = [data], ["it"]
    place: Any = holder
    key: Any = 0
    while isinstance(place[key], dict | list) and place[key] and chance.random() < 0.8:
        place = place[key]
        key = chance.choice(list(place)) if isinstance(place, dict) else chance.randrange(len(place))
        where.append(str(key)[:40])
    how = chance.choice(["deleted", "twice", *_VALUES, *_RAW])
    if how == "deleted" and place is not holder:
        del place[key]
    elif how == "twice" and isinstance(place, list) and place is not holder:
        place.append(place[key])
    elif how in _RAW:
        place[key] = "@@raw@@"
    else:
        place[key] = _VALUES.get(how)
    return json.dumps(holder[0]).replace('"@@raw@@"', _RAW.get(how, "")), f"{'.'.join(where)} -> {how}"


# Data

_DATA: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "as it is": lambda content, _: content,
    "CRLF": lambda content, _: content.replace(b"\n", b"\r\n"),
    "CR": lambda content, _: content.replace(b"\n", b"\r"),
    "BOM": lambda content, _: b"\xef\xbb\xbf" + content,
    "UTF-16": lambda content, _: content.decode(errors="replace").encode("utf-16"),
    "Latin-1": lambda content, _: content.replace(b"e", b"\xe9"),
    "half character": lambda content, _: content.replace(b"e", b"\xed\xa0\x80", 1),
    "escaped half": lambda content, _: content.replace(b"e", rb"\ud800", 3),
    "NUL": lambda content, _: content.replace(b"a", b"\0"),
    "quotes": lambda content, _: content.replace(b"t", b'"', 5),
    "tabs": lambda content, _: content.replace(b" ", b"\t"),
    "no ends": lambda content, _: content.replace(b"\n", b""),
    "empty lines": lambda content, _: content.replace(b"\n", b"\n\n \n"),
    "empty": lambda *_: b"",
    "blank": lambda *_: b" \n\t\n",
    "deep": lambda content, _: content + b"[" * 2000 + b"]" * 2000 + b"\n",
    "deep row": lambda content, _: content + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"\n",
    "long line": lambda content, _: content + b"word " * 400_000 + b"\n",
    "long run": lambda content, _: content + b"a" * 300_000 + b"\n",
    "control": lambda content, _: content.replace(b"o", b"\x01\x1b[2J"),
    "separators": lambda content, _: content.replace(b" ", "\u2028".encode()),
    "cut": _cut,
    "flipped": _flipped,
    "random": lambda _, chance: chance.randbytes(1000),
    "twice": lambda content, _: content * 2,
    "numbers": lambda content, _: content.replace(b"the", b"1e999"),
    "entities": lambda content, _: content.replace(b"the", b"&lol;&#0;<x>"),
}
