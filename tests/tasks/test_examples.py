"""Texts to look at models with: built in and of files, with what is known of them in the right places."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clearhead.data.samples.english_spanish import sentences
from clearhead.data.tokenizer_training import text_tokenizer, train_tokenizer
from clearhead.data.tokenizers import TextTokenizerConfig, TokenizerConfig
from clearhead.errors import ConfigError
from clearhead.insight.facts import Arc
from clearhead.models.architecture import DecoderConfig, EncoderDecoderConfig, RecurrentConfig
from clearhead.models.decoder import Decoder
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.models.recurrent import RecurrentEncoderDecoder
from clearhead.tasks.head_examination import examine
from clearhead.tasks.language_model import LanguageModel
from clearhead.tasks.opened import load_inside
from clearhead.tasks.pair_inside import PairInside
from clearhead.tasks.text_inside import TextInside
from clearhead.tasks.tokenizer_pair import TokenizerPair
from clearhead.tasks.translator import Translator

SAID = sentences("valid", 8)


@pytest.fixture(scope="module")
def translator() -> PairInside:
    texts = [text for s in SAID for text in (s.english, s.spanish)]
    tokenizer = train_tokenizer(texts, TokenizerConfig(vocab_size=300, min_count=1))
    config = EncoderDecoderConfig(d_model=8, d_ff=8, heads=2, layers=1, max_len=80)
    size = tokenizer.vocab_size
    return Translator(EncoderDecoder(config, size, size), TokenizerPair(tokenizer, tokenizer)).inside


@pytest.fixture(scope="module")
def language() -> TextInside:
    tokenizer = text_tokenizer([s.english for s in SAID], TextTokenizerConfig(vocab_size=300))
    config = DecoderConfig(d_model=8, d_ff=8, heads=2, layers=1, max_len=30)
    return LanguageModel(Decoder(config, tokenizer.vocab_size), tokenizer).inside


def test_sentences_with_links_dependencies_and_parts_of_speech(translator: PairInside) -> None:
    examples = translator.examples.built_in(8)
    for said, example in zip(SAID, examples, strict=True):
        assert (example.text, example.target) == (said.english, said.spanish)
        assert example.facts.links is not None and example.facts.links.sure == frozenset(said.sure)
        assert example.facts.arcs["target"] == [Arc(*arc) for arc in said.spanish_dependencies]
        for kind, dependent, head in said.english_dependencies:
            tags = example.facts.tags["source"]
            assert tags[head] == ("verb" if kind == "subject" else "noun")
            assert tags[dependent] == {"subject": tags[dependent]}.get(kind, kind)
            assert kind in ("subject", "determiner", "adjective")


def test_a_model_from_spanish_reads_them_turned_round(translator: PairInside) -> None:
    folder: Any = SimpleNamespace(config=lambda: {"run": {"data": {"source": "spanish", "target": "english"}}})
    turned = Translator(translator.module, translator.tokenizers, folder=folder).inside
    first = turned.examples.built_in(1)[0]
    assert (first.text, first.target) == (SAID[0].spanish, SAID[0].english)
    assert first.facts.links is not None
    assert first.facts.links.possible == {(j, i) for i, j in SAID[0].possible}
    assert first.facts.arcs["source"] == [Arc(*arc) for arc in SAID[0].spanish_dependencies]


def test_words_and_ids_of_a_trace_belong_to_its_labels(translator: PairInside) -> None:
    trace = translator.trace_example(translator.examples.built_in(1)[0])
    for side in ("source", "target"):
        assert len(trace.labels[side]) == len(trace.token_ids[side]) == len(trace.words[side])
    assert trace.next_ids == [*trace.token_ids["target"][1:], 2]
    spelled: dict[int, str] = {}
    for label, word in zip(trace.labels["source"], trace.words["source"], strict=True):
        if word is not None:
            spelled[word] = spelled.get(word, "") + label.strip()
    assert " ".join(spelled.values()) == SAID[0].english


def test_a_language_model_reads_one_language_and_random_tokens_twice(language: TextInside) -> None:
    examples = language.examples.built_in(8)
    assert [e.text for e in examples[:8]] == [s.english for s in SAID]
    assert examples[0].facts.arcs["tokens"] == [Arc(*arc) for arc in SAID[0].english_dependencies]
    specials = set(language.tokenizer.marks.values())
    repeated = [e.text for e in examples[8:]]
    assert len(repeated) == 2 and len({len(text) for text in built_in_lengths(language)}) > 3
    for text in repeated:
        assert isinstance(text, tuple) and not specials & set(text)
        half = text[: len(text) // 2]
        assert text == half + half and len(set(half)) == len(half) <= 15  # max_len is 30
    trace = language.trace_example(examples[8])
    assert trace.token_ids == {"tokens": list(repeated[0])} and trace.next_ids == list(repeated[0][1:])
    said = language.trace_example(examples[0])  # longer than max_len: its beginning, so that words keep their numbers
    assert len(said.token_ids["tokens"]) == 30 and SAID[0].english.startswith("".join(said.labels["tokens"]))
    assert said.words["tokens"][0] == 0 and said.words["tokens"][-1] == "".join(said.labels["tokens"]).count(" ")


def built_in_lengths(language: TextInside) -> list[tuple[int, ...]]:
    return [e.text for e in language.examples.built_in(80) if isinstance(e.text, tuple)]


def test_files_of_pairs_text_and_dependencies(translator: PairInside, language: TextInside, tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("the cat\tel gato\nthe dog\tel perro\n", encoding="utf-8")
    assert [(e.text, e.target) for e in translator.examples.of_file(str(tmp_path / "pairs.tsv"), 1)] == [
        ("the cat", "el gato")
    ]
    (linked,) = translator.examples.of_file("sample:english-spanish/valid:1", 5)
    assert linked.facts.links is not None and linked.facts.links.sure == frozenset(SAID[0].sure)
    (tmp_path / "plain.txt").write_text("the cat\n\nthe dog\n", encoding="utf-8")
    for model in (translator, language):
        assert [(e.text, e.target) for e in model.examples.of_file(str(tmp_path / "plain.txt"), 9)] == [
            ("the cat", None), ("the dog", None),
        ]  # fmt: skip
    row = "{}\t{}\t_\t{}\t_\t_\t{}\t{}\t_\t_\n"
    content = row.format(1, "cats", "NOUN", 2, "nsubj") + row.format(2, "sleep", "VERB", 0, "root")
    (tmp_path / "a.conllu").write_text(content, encoding="utf-8")
    for model, side in ((translator, "source"), (language, "tokens")):
        (parsed,) = model.examples.of_file(str(tmp_path / "a.conllu"), 9)
        assert parsed.text == "cats sleep" and parsed.facts.arcs == {side: [Arc("nsubj", 0, 1)]}
        assert parsed.facts.tags == {side: ("NOUN", "VERB")}


def test_heads_of_a_language_model(language: TextInside) -> None:
    found = examine(language, language.examples.built_in(12), name="mine", probes=True)
    assert found.model == "mine" and found.texts == 15  # twelve sentences, and three times random tokens said twice
    assert [(role.kind, role.layer, role.head) for role in found.roles] == [("decoder", 0, 0), ("decoder", 0, 1)]
    scores = found.roles[0].scores
    assert {"induction", "previous token", "sink: first token", "entropy (bits)"} <= set(scores)
    assert "alignment" not in scores and scores["syntax: subject, looks at dependent"].rows > 5
    assert found.worths[0].tokens == sum(
        len(language.trace_example(e).next_ids) for e in language.examples.built_in(12)[:12]
    )
    assert {probe.about for probe in found.probes} == {"token", "position", "part of speech"}


@pytest.mark.parametrize("attention", ["bahdanau", "luong"])
def test_heads_of_a_recurrent_translator(translator: PairInside, attention: Any) -> None:
    size = translator.tokenizers.target.vocab_size
    config = RecurrentConfig(d_model=8, heads=2, layers=1, max_len=80, attention=attention)
    model = Translator(RecurrentEncoderDecoder(config, size, size), translator.tokenizers).inside
    found = examine(model, model.examples.built_in(4), norms=True, probes=True)
    path = "decoder.cross_attention.attention"
    assert [(role.path, role.head) for role in found.roles] == [(path, 0), (path, 1)]
    assert [(worth.path, worth.head) for worth in found.worths] == [(path, 0), (path, 1)]
    assert all(worth.gradient is not None and worth.gradient > 0 for worth in found.worths)
    assert found.roles[0].scores["alignment"].rows == sum(len(s.spanish.split()) for s in SAID[:4])
    assert {probe.part for probe in found.probes} == {"context"}  # there is no residual stream


def test_a_translator_without_attention_has_no_heads(translator: PairInside) -> None:
    size = translator.tokenizers.target.vocab_size
    config = RecurrentConfig(d_model=8, layers=1, max_len=80, attention="none")
    model = Translator(RecurrentEncoderDecoder(config, size, size), translator.tokenizers).inside
    with pytest.raises(ConfigError, match="there are no heads"):
        examine(model, model.examples.built_in(2))


def test_a_model_without_heads_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vectors.txt").write_text("cat 1 2\ndog 2 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="has no attention to look into: its task is words"):
        load_inside(tmp_path / "vectors.txt")
