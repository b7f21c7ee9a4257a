"""Chat templates: what they write, what the assistant's part is, and what nobody can make them do."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearhead.data.chat.chats import Message
from clearhead.errors import ConfigError
from clearhead.generation.template import DEFAULT, ChatStretch, ChatTemplate

SPECIALS = ["<pad>", "<bos>", "<eos>", "<unk>", "<system>", "<user>", "<assistant>", "<end>"]
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content | trim + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# What transformers' renderer offers to templates, and how they look at what people said.
OFFERED = """\
{%- macro mark(role) -%}<{{ role }}>{%- endmacro -%}
{%- set ns = namespace(turns=0) -%}
{% if tools is not none or documents %}
    {{ raise_exception('no tools') }}
{% endif %}
{% for m in messages if m.role != 'system' %}
    {% if loop.index0 > 3 %}{% break %}{% endif %}
    {% set ns.turns = ns.turns + m.content|trim|length %}
    {% set head %}{{ mark(m.role) }}{% endset %}
{{ head }}{{ m.content|tojson(ensure_ascii=False, indent=1, separators=(',', ':'), sort_keys=True) }}
{{- m|tojson }} {{ '%-9s|%d%%' % (m.content, 3) }} {{ '{0} {0!r}'.format(m.content)[:0] ~ '{0:>9}'.format(m.content) }}
{{ m.content.split('?')[-1].rsplit(None, 1)|join('+') }} {{ m.content.replace('?', '!').partition('!')|list }}
{{ m.content|upper|title|replace('e', '<end>') }}{{ m.content.startswith('W') }}{{ 'ca' in m.content }}
{{ [m.role, m.content, 3]|join('~') }}{{ m.content|trim|reverse }}{{ m.content.removeprefix('B').rstrip('. ') * 2 }}
{% filter upper %}  {{ m.content[1:4] }} {% endfilter %}{% for c in m.content %}{{ c }}-{% endfor %}
{% endfor %}
{% generation %}{{ ns.turns }}{% endgeneration %}
"""
CHAT = [
    Message("system", "Be brief."),
    Message("user", " Why? "),
    Message("assistant", "Because."),
    Message("user", "And?"),
    Message("assistant", "So."),
]


def text(stretches: list[ChatStretch]) -> str:
    return "".join(s.text for s in stretches)


def learned(stretches: list[ChatStretch]) -> str:
    return "".join(s.text for s in stretches if s.learned)


def test_our_own() -> None:
    template = ChatTemplate(DEFAULT, SPECIALS)
    (rendered,) = template.render([CHAT])
    assert text(rendered) == (
        "<system>Be brief.<end><user> Why? <end><assistant>Because.<end><user>And?<end><assistant>So.<end>"
    )
    assert learned(rendered) == "Because.<end>So.<end>"
    assert template.ending() == ChatStretch("<end>", True, True)
    assert text(template.render([CHAT[:2]], ask=True)[0]).endswith("Why? <end><assistant>")


def test_a_template_without_marks_of_what_is_generated() -> None:
    template = ChatTemplate(CHATML, ["<|im_start|>", "<|im_end|>"])
    (rendered,) = template.render([CHAT])
    assert learned(rendered) == "Because.<|im_end|>\nSo.<|im_end|>\n"
    assert template.ending() == ChatStretch("<|im_end|>", True, True)
    assert ChatTemplate(CHATML, SPECIALS).ending() == ChatStretch("<|im_end|>", False, True), (
        "text, where it is no token"
    )


def test_its_ending_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rendering is a process of its own."""
    template, rendered, run = ChatTemplate(DEFAULT, SPECIALS), [], ChatTemplate._rendered

    def counted(*given: Any) -> list[str]:
        rendered.append(given)
        return run(*given)

    monkeypatch.setattr(ChatTemplate, "_rendered", counted)
    assert [template.ending() for _ in range(3)] == [ChatStretch("<end>", True, True)] * 3
    assert len(rendered) == 1


def test_it_is_what_transformers_makes_of_it() -> None:
    """The same text, the same assistant's part, from their renderer."""
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    backend = Backend(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    theirs = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<eos>")
    messages = [{"role": m.role, "content": m.content} for m in CHAT]
    for source in (DEFAULT, CHATML, OFFERED):
        wanted = theirs.apply_chat_template(messages, chat_template=source, tokenize=False)
        assert text(ChatTemplate(source, SPECIALS).render([CHAT])[0]) == wanted
        asked = theirs.apply_chat_template(
            messages[:2], chat_template=source, tokenize=False, add_generation_prompt=True
        )
        assert text(ChatTemplate(source, SPECIALS).render([CHAT[:2]], ask=True)[0]) == asked


SHARDS = st.lists(
    st.sampled_from([*SPECIALS, "<", ">", "end", "<us", "er>", "user", " ", "\U000f0000", "a"]), max_size=6
)


@settings(max_examples=40)
@given(st.lists(SHARDS.map("".join), min_size=2, max_size=4))
def test_nothing_that_is_said_becomes_a_special_token(said: list[str]) -> None:
    """Whatever people write, the special tokens are the template's, and every character of theirs is kept."""
    chat = [Message("user" if i % 2 == 0 else "assistant", content) for i, content in enumerate(said)]
    (rendered,) = ChatTemplate(DEFAULT, SPECIALS).render([chat])
    specials = [s.text for s in rendered if s.special]
    assert specials == [mark for m in chat for mark in (f"<{m.role}>", "<end>")]
    plain = "".join(s.text if not s.special else "|" for s in rendered)
    assert plain == "".join(f"|{m.content}|" for m in chat)


@pytest.mark.parametrize("said", ["user", "<user", "user>", "<user>", "<", " user "])
def test_not_even_where_a_template_stands_close_around_it(said: str) -> None:
    """A template that puts brackets around what people say, or two messages side by side."""
    source = "{% for m in messages %}<{{ m.content }}>{{ m.content }}{{ m.content | trim }}{% endfor %}"
    (rendered,) = ChatTemplate(source, SPECIALS).render([[Message("user", said)]], ask=True)
    assert not [s for s in rendered if s.special]
    assert text(rendered) == f"<{said}>{said}{said.strip()}"


ACTS = [
    "m.content.split('=')[-1]",
    "m.content.split('=') | join('')",
    "m.content.replace('=', '')",
    "m.content | trim",
    "m.content.strip('=')",
    "m.content.partition('=')[2]",
    "m.content.rsplit('=', 1)[1]",
    "m.content | replace('=', '')",
    "m.content[1:]",
    "'%s' % m.content.removeprefix('=')",
    "'%s%s' % ('', m.content.removeprefix('='))",
    "'{}'.format(m.content.lstrip('='))",
    "'' ~ m.content ~ ''",
    "['', m.content.removeprefix('=')] | join",
    "m.content.removeprefix('=') | lower | string | safe | first",
    "m.content | tojson(ensure_ascii=False)",
    "{'a': m.content} | string",
    "m.content.splitlines()[0].upper().lower()",
    "'<' ~ m.content[2:]",
    "m.content[:-1] ~ '>'",
    "('<%s>' % m.content[2:-1])",
    "'<' + m.content.strip('=<>') + '>'",
    "m.content.strip('=') | list | join('')",
    "m.content.strip('=') | reverse | reverse",
]


def test_whatever_a_template_does_with_it_it_is_no_special_token() -> None:
    source = "{% for m in messages %}" + "".join(f"[{{{{ {act} }}}}]" for act in ACTS) + "{% endfor %}"
    chats = [[Message("user", said)] for said in ("=<end>", "=<user>", "==<end>=<end>")]
    for rendered in ChatTemplate(source, SPECIALS).render(chats, ask=True):
        assert not [s for s in rendered if s.special]
        assert "<end>" in text(rendered) or "<user>" in text(rendered), "it is read as it was said"


@pytest.mark.parametrize(
    "mark",
    ["'<' ~ m.role ~ '>'", "'<%s>' % m.role", "'<{}>'.format(m.role)", "['<', m.role, '>'] | join", "mark(m) | trim"],
)
def test_a_template_may_put_its_special_tokens_together(mark: str) -> None:
    source = (
        "{% macro mark(m) %} <{{ m.role }}> {% endmacro %}"
        f"{{% for m in messages %}}{{% set x %}}{{{{ {mark} }}}}{{% endset %}}{{{{ x + m.content }}}}{{% endfor %}}"
    )
    (rendered,) = ChatTemplate(source, SPECIALS).render([[Message("user", "<user>"), Message("system", "")]], ask=True)
    assert [(s.text, s.special) for s in rendered] == [("<user>", True), ("<user>", False), ("<system>", True)]


@pytest.mark.parametrize(
    ("act", "wanted"),
    [
        ("'</think>' in m.content", "False|True|"),
        ("m.content.split('</think>')[-1]", "2+2?|4|"),
        ("m.content.startswith('<think>')", "False|True|"),
        ("m.content | length", "4|19|"),
        ("m.content.replace('<think>', '') | replace('</think>', ' ')", "2+2?|sum 4|"),
        ("m.content | tojson(ensure_ascii=False)", '"2+2?"|"<think>sum</think>4"|'),
    ],
)
def test_a_template_sees_what_was_said(act: str, wanted: str) -> None:
    source = "{% for m in messages %}{{ " + act + " }}|{% endfor %}{% generation %}.{% endgeneration %}"
    chat = [Message("user", "2+2?"), Message("assistant", "<think>sum</think>4")]
    (rendered,) = ChatTemplate(source, [*SPECIALS, "</think>"]).render([chat])
    assert text(rendered) == f"{wanted}."


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "not done after"),
        ("{{ 'x' * 10 ** 13 }}", "MemoryError"),
        ("{% for i in range(99999) %}{{ messages }}{% endfor %}", "it writes more than"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{{ cycler.__init__.__globals__.os.system('touch ' + messages[0].content) }}", "SecurityError"),
        ("{% for %}", "TemplateSyntaxError, line 1"),
        ("{{ raise_exception('no system prompt') }}", "no system prompt"),
    ],
)
def test_what_a_template_must_not_do(tmp_path: Path, source: str, problem: str) -> None:
    made, start = tmp_path / "made", time.monotonic()
    with pytest.raises(ConfigError, match=problem) as raised:
        ChatTemplate(source, SPECIALS, file="t.jinja").render([[Message("user", str(made))]], ask=True)
    assert time.monotonic() - start < 30 and not made.exists() and raised.value.file == "t.jinja"


def test_a_template_that_forgets_cannot_tell_what_was_said() -> None:
    source = "{{ messages[-1].content }}"
    with pytest.raises(ConfigError, match="otherwise once others follow"):
        ChatTemplate(source, SPECIALS).render([CHAT])
