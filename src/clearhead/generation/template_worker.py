"""A process of its own that renders chat templates: what a template does in it ends with it.

It is run as a file, and imports nothing of the package: a JSON object comes in, one goes out.

    {"path", "source", "marks": [begin, end], "variables", "calls": [{"messages", "add_generation_prompt"}], "most"}
    {"texts": [...]}  or  {"error": "..."}

jinja2's sandbox keeps a template away from the machine; time and memory are bounded from outside and by the system.
"""

import json
import sys
from typing import Any


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


def _rendered(asked: dict[str, Any]) -> list[str]:
    from jinja2 import nodes
    from jinja2.exceptions import TemplateError
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    begin, end = asked["marks"]

    class Generation(Extension):
        """{% generation %} ... {% endgeneration %} stands around what the assistant writes."""

        tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            marks = [nodes.Output([nodes.TemplateData(mark)]).set_lineno(line) for mark in (begin, end)]
            return [marks[0], *body, marks[1]]

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    environment.globals["raise_exception"] = refuse
    _bound()
    template, texts, size = environment.from_string(asked["source"]), [], 0
    for call in asked["calls"]:
        pieces = []
        for piece in template.generate(**asked["variables"], **call):
            size += len(piece)
            if size > asked["most"]:
                raise TemplateError(f"it writes more than {asked['most']:,} characters")
            pieces.append(piece)
        texts.append("".join(pieces))
    return texts


def _bound() -> None:
    """No more than a gigabyte of memory, where the system can bound it."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))


if __name__ == "__main__":
    main()
