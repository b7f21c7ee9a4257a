"""A process of its own that renders chat templates: what a template does in it ends with it.

It is run as a file, and imports nothing of the package: a JSON object comes in, one goes out.

    {"path", "source", "marks": [begin, end], "variables", "calls": [{"messages", "add_generation_prompt"}], "most"}
    {"texts": [[[piece, whether the template wrote it], ...], ...]}  or  {"error": "..."}

A template sees texts as they are. Who wrote each character is known beside it: `Told` is a string with that knowledge,
which what is done to strings keeps; where a way to lose it was found, the text is nobody's, and as harmless as what
people say. Templates have what the renderer of the transformers library offers them.

jinja2's sandbox keeps a template away from the machine; time and memory are bounded from outside and by the system.
"""

from __future__ import annotations

import json
import re
import string
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn, SupportsIndex

if TYPE_CHECKING:
    from jinja2 import Environment, nodes
    from jinja2.compiler import CodeGenerator, Frame
    from jinja2.ext import Extension
    from jinja2.parser import Parser

_FORMAT = re.compile(r"%(?:\((?P<key>\w+)\))?(?P<how>[-+ #0]*[\d*]*(?:\.[\d*]+)?)(?P<kind>[a-zA-Z%])")


class Told(str):
    """A text, and which characters of it the template itself wrote."""

    _own: bytes  # a byte a character: 1 if the template's

    def __new__(cls, text: object = "", own: bytes | None = None) -> Told:
        made = str.__new__(cls, text)
        made._own = bytes(len(made)) if own is None else own
        return made

    def __str__(self) -> str:
        return self

    def __add__(self, other: str) -> Told:
        return joined((self, other)) if isinstance(other, str) else NotImplemented

    def __radd__(self, other: str) -> Told:
        return joined((other, self)) if isinstance(other, str) else NotImplemented

    def __mul__(self, times: SupportsIndex) -> Told:
        return Told(str.__mul__(self, times), self._own * times)

    __rmul__ = __mul__

    def __getitem__(self, where: SupportsIndex | slice) -> Told:
        own = self._own[where] if isinstance(where, slice) else bytes([self._own[where]])
        return Told(str.__getitem__(self, where), own)

    def __iter__(self) -> Iterator[str]:
        return (self[i] for i in range(len(self)))

    def __mod__(self, given: object) -> Told:
        return _filled(self, given)

    def __rmod__(self, pattern: str) -> Told:
        return _filled(Told(pattern), self)

    def __format__(self, how: str) -> str:
        return self if not how else Told(str.__format__(self, how))

    def join(self, parts: Iterable[object]) -> Told:
        found: list[str] = []
        for part in parts:
            if not isinstance(part, str):
                raise TypeError(f"a text was wanted, this is {type(part).__name__}")
            found += [self, part] if found else [part]
        return joined(found)

    def replace(self, old: str, new: str, count: SupportsIndex = -1) -> Told:
        if not old:  # new stands before each character and at the end
            spread = [part for char in self for part in (new, char)] + [new]
            return joined(spread) if count == -1 else Told(str.replace(self, old, new, count))
        return (new if isinstance(new, Told) else Told(new)).join(self.split(old, count))

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        return self._cut(str.split(self, sep, maxsplit), len(sep or ""))

    def rsplit(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        return self._cut(str.rsplit(self, sep, maxsplit), len(sep or ""))

    def splitlines(self, keepends: bool = False) -> list[str]:
        return self._cut(str.splitlines(self, keepends))

    def partition(self, sep: str) -> tuple[str, str, str]:
        before, found, after = self._cut(str.partition(self, sep))
        return before, found, after

    def rpartition(self, sep: str) -> tuple[str, str, str]:
        before, found, after = self._cut(str.rpartition(self, sep))
        return before, found, after

    def strip(self, chars: str | None = None) -> Told:
        start = len(self) - len(str.lstrip(self, chars))
        return self[start : start + len(str.strip(self, chars))]

    def lstrip(self, chars: str | None = None) -> Told:
        return self._part(str.lstrip(self, chars), last=True)

    def rstrip(self, chars: str | None = None) -> Told:
        return self._part(str.rstrip(self, chars))

    def removeprefix(self, prefix: str) -> Told:
        return self._part(str.removeprefix(self, prefix), last=True)

    def removesuffix(self, suffix: str) -> Told:
        return self._part(str.removesuffix(self, suffix))

    def _part(self, text: str, *, last: bool = False) -> Told:
        """Its first characters, or its last ones."""
        return self[len(self) - len(text) :] if last else self[: len(text)]

    def _cut(self, parts: Iterable[str], between: int = 0) -> list[str]:
        """Its parts; `between` them are so many characters, or, if none, only blanks, with which no part begins."""
        found, start = list[str](), 0
        for part in parts:
            start = start if between else str.index(self, part, start)
            found.append(self[start : start + len(part)])
            start += len(part) + between
        return found


def _each(name: str) -> Callable[..., Told]:
    """A method that leaves each character where it stands; where it does not, nobody wrote the text."""

    def method(text: Told, *given: object) -> Told:
        made = getattr(str, name)(text, *given)
        return Told(made, text._own if len(made) == len(text) else None)

    return method


for _name in ("upper", "lower", "title", "capitalize", "casefold", "swapcase"):
    setattr(Told, _name, _each(_name))


def joined(parts: Iterable[object]) -> Told:
    """All of them in a row; the template counts as the writer of numbers."""
    told = [_told(part) for part in parts]
    return Told("".join(told), b"".join(part._own for part in told))


def _told(value: object) -> Told:
    if isinstance(value, Told):
        return value
    text = str(value)
    return Told(text, b"\1" * len(text) if value is None or isinstance(value, bool | int | float) else None)


@lru_cache(maxsize=1024)
def _own(text: str) -> Told:
    return Told(text, b"\1" * len(text))


def _pieces(text: Told) -> list[tuple[str, bool]]:
    """The stretches of one writer each."""
    stretches = re.finditer(rb"\x00+|\x01+", text._own)
    return [(str.__getitem__(text, slice(*found.span())), found[0][0] == 1) for found in stretches]


def _filled(pattern: Told, given: Any) -> Told:
    """pattern % given."""
    plain = str.__mod__(pattern, given)
    places, start, rest = list[object](), 0, iter(given if isinstance(given, tuple) else (given,))
    for found in _FORMAT.finditer(pattern):
        if "*" in found["how"]:
            return Told(plain)
        places.append(pattern[start : found.start()])
        start = found.end()
        if found["kind"] == "%":
            places.append(pattern[start - 1 : start])
            continue
        value = given[found["key"]] if found["key"] else next(rest)
        one = f"%{found['how']}{found['kind']}"
        places.append(value if one == "%s" else Told(str.__mod__(one, (value,))))
    made = joined([*places, pattern[start:]])
    return made if made == plain else Told(plain)


def _formatted(
    formatter: string.Formatter, pattern: Told, given: Sequence[object], named: Mapping[str, object]
) -> Told:
    """pattern.format(...), as the sandbox allows it; fields of a form of their own are nobody's."""
    plain = formatter.vformat(pattern, given, named)
    literal = _own if all(pattern._own) else Told
    parts, number = list[object](), 0
    for text, field, how, conversion in formatter.parse(pattern):
        parts.append(literal(text))
        if field is not None:
            if how or conversion:
                return Told(plain)
            value, _ = formatter.get_field(field or str(number), given, named)
            parts.append(value)
            number += 1
    made = joined(parts)
    return made if made == plain else Told(plain)


def main() -> None:
    """Answer one question."""
    asked = json.load(sys.stdin)
    sys.path += asked["path"]
    answer: dict[str, object]
    try:
        answer = {"texts": _rendered(asked)}
    except Exception as error:  # whatever a template does wrong
        place = f", line {error.lineno}" if hasattr(error, "lineno") else ""
        answer = {"error": f"{type(error).__name__}{place}: {error}"}
    json.dump(answer, sys.stdout)


def _rendered(asked: dict[str, Any]) -> list[list[tuple[str, bool]]]:
    from jinja2.exceptions import TemplateError

    environment = _environment(*asked["marks"])
    _bound()
    template, texts, size = environment.from_string(asked["source"]), [], 0
    variables = {name: _own(value) for name, value in asked["variables"].items()}
    for call in asked["calls"]:
        messages = [{"role": _own(m["role"]), "content": Told(m["content"])} for m in call["messages"]]
        given = {**call, "messages": messages, "tools": None, "documents": None}
        pieces = []
        for piece in template.generate(**variables, **given):
            size += len(piece)
            if size > asked["most"]:
                raise TemplateError(f"it writes more than {asked['most']:,} characters")
            pieces.append(piece)
        texts.append(_pieces(joined(pieces)))
    return texts


def _environment(begin: str, end: str) -> Environment:
    """The sandbox, with what transformers offers in it."""
    environment = _sandbox()(
        trim_blocks=True,
        lstrip_blocks=True,
        optimized=False,
        finalize=_told,
        extensions=[_generation(begin, end), "jinja2.ext.loopcontrols"],
    )

    def join(value: Iterable[object], d: str = "", attribute: str | int | None = None) -> Told:
        return _told(d).join(map(_told, _under(environment, value, attribute)))

    environment.filters |= {
        "tojson": _tojson,
        "safe": _told,  # nothing is escaped
        "join": join,
    }
    environment.globals |= {
        "raise_exception": _refuse,
        "strftime_now": lambda form: Told(datetime.now().strftime(form)),
    }
    return environment


def _generation(begin: str, end: str) -> type[Extension]:
    """The tag that stands around what the assistant writes, which is rendered between these marks."""
    from jinja2 import nodes
    from jinja2.ext import Extension

    class Generation(Extension):
        """{% generation %} ... {% endgeneration %}"""

        tags = {"generation"}

        def parse(self, parser: Parser) -> list[nodes.Node]:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            marks = [nodes.Output([nodes.TemplateData(mark)]).set_lineno(line) for mark in (begin, end)]
            return [marks[0], *body, marks[1]]

    return Generation


def _sandbox() -> type[Environment]:
    """jinja2's sandbox, in which texts know who wrote them."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedFormatter

    class Sandbox(ImmutableSandboxedEnvironment):
        code_generator_class = _generator()
        concat = staticmethod(joined)
        own = staticmethod(_own)

        def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
            wrapped = super().wrap_str_format(value)
            if wrapped is None or value.__name__ != "format":
                return wrapped

            def formatted(*given: object, **named: object) -> Told:
                return _formatted(SandboxedFormatter(self), _told(value.__self__), given, named)

            return formatted

    return Sandbox


def _generator() -> type[CodeGenerator]:
    """What makes a template's code: what stands in the template's own source is its own."""
    from jinja2.compiler import CodeGenerator

    class Generator(CodeGenerator):
        def _output_const_repr(self, group: Iterable[object]) -> str:
            return f"environment.own({''.join(map(str, group))!r})"

        def visit_Const(self, node: nodes.Const, frame: Frame) -> None:
            value = node.as_const(frame.eval_ctx)
            self.write(f"environment.own({''.join(value)!r})" if isinstance(value, str) else repr(value))

        def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
            self.write("environment.concat((")
            for part in node.nodes:
                self.visit(part, frame)
                self.write(", ")
            self.write("))")

    return Generator


def _refuse(message: str) -> NoReturn:
    from jinja2.exceptions import TemplateError

    raise TemplateError(message)


def _tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> Told:
    said = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    return Told(said)


def _under(environment: Environment, values: Iterable[object], attribute: str | int | None) -> Iterable[object]:
    from jinja2.filters import make_attrgetter

    return values if attribute is None else map(make_attrgetter(environment, attribute), values)


def _bound() -> None:
    """No more than a gigabyte of memory, where the system can bound it."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))


if __name__ == "__main__":
    main()
