"""A translator from files to words and back: trained, loaded, asked, looked into, edited, measured."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import clearhead
from clearhead.cli import translate as command
from clearhead.cli.drawing import DrawingInstead
from clearhead.cli.show_text import show as command_show
from clearhead.data.samples.english_spanish import sentences
from clearhead.data.tokenizers import Tokenizer
from clearhead.errors import ConfigError, DataError
from clearhead.generation.prepared import Precision
from clearhead.generation.sampling import Sampling
from clearhead.look import Edit
from clearhead.tasks.notes import TextWarning
from clearhead.tasks.pair_writer import Written
from clearhead.tasks.translator import Translator
from clearhead.worksheet import attention_paper

ARCH = {"layers": 2, "d_model": 32, "d_ff": 32, "heads": 2, "max_len": 48}
TEXTS = [s.english for s in sentences("train", 12)]
SOURCE = TEXTS[0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Translator:
    torch.set_num_threads(1)
    return clearhead.train(
        "translate",
        "sample:english-spanish/train:300",
        out=tmp_path_factory.mktemp("models") / "m",
        quiet=True,
        max_steps=110,
        arch=ARCH,
        tokenizer={"kind": "word", "min_count": 1},
        optimizer={"lr": 0.01, "muon_lr": 0.01},
        training={"precision": "float32", "evaluations": 3, "batch_tokens": 1024},
    )


@pytest.fixture(scope="module")
def loaded(trained: Translator) -> Translator:
    assert trained.folder is not None
    return clearhead.load(trained.folder.path)


@pytest.fixture
def strict() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_it_has_learned_something(trained: Translator) -> None:
    assert trained.folder is not None
    assert trained.folder.config()["results"]["validation"]["accuracy"] > 25


def test_the_loaded_one_is_the_trained_one(trained: Translator, loaded: Translator) -> None:
    for beam in (1, 4):
        assert loaded.n_best(TEXTS, n=beam, beam=beam) == trained.n_best(TEXTS, n=beam, beam=beam)
    assert loaded.head == trained.head
    assert loaded.tokenizers.target.to_json() == trained.tokenizers.target.to_json()
    assert not loaded.module.training


# Translating


@pytest.mark.usefixtures("strict")
def test_order_is_kept_and_empty_stays_empty(loaded: Translator) -> None:
    texts = [TEXTS[3], "", TEXTS[1], "  \t", TEXTS[2]]
    found = loaded.translate(texts)
    assert len(found) == 5
    assert found[1] == found[3] == ""
    assert [found[0], found[2], found[4]] == loaded.translate([TEXTS[3], TEXTS[1], TEXTS[2]])
    assert all(found[i] and "\n" not in found[i] for i in (0, 2, 4))
    assert loaded.translate([]) == []


@pytest.mark.parametrize("beam", [1, 3])
def test_a_batch_is_its_sentences(loaded: Translator, beam: int) -> None:
    assert loaded.translate(TEXTS, beam=beam) == [loaded.translate([t], beam=beam)[0] for t in TEXTS]


def test_white_space_and_unicode_forms_do_not_matter(loaded: Translator) -> None:
    assert loaded.translate([f"  {SOURCE.replace(' ', chr(0xA0) + ' ')}\n"]) == loaded.translate([SOURCE])
    assert loaded.translate(["e\u0301"]) == loaded.translate(["é"])


def test_a_text_over_max_len_is_cut_with_a_warning(loaded: Translator) -> None:
    long = " ".join(TEXTS)
    with pytest.warns(UserWarning, match=r"text 2 has \d+ tokens and was cut to 47: the model's max_len"):
        found = loaded.translate([SOURCE, long])
    assert found[0] == loaded.translate([SOURCE])[0]
    assert found[1]


def test_a_trace_says_what_was_cut_and_stopped(loaded: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded.trace(SOURCE).notes == []
    long = " ".join(TEXTS)
    trace = loaded.trace(long)
    assert len(trace.labels["source"]) == 48 and trace.labels["source"][-1] == "<eos>"
    assert re.fullmatch(r"the source has \d+ tokens and was cut to 47: the model's max_len", trace.notes[0])
    assert len(loaded.look(long).source) < len(long.split())
    assert len(loaded.trace(long, "El perro.").labels["source"]) > 48  # a given target is read with the whole source
    monkeypatch.setattr(loaded.writer, "limit", lambda _: 2)
    stopped = loaded.trace(SOURCE)
    assert stopped.notes == [
        "the model had not come to an end after 2 tokens, the most it may write here: the rest is missing"
    ]
    assert loaded.look(SOURCE).trace.notes == stopped.notes
    assert stopped.again is not None and stopped.again([]).notes == stopped.notes


def test_what_was_written_carries_its_notes(loaded: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a warning: a text that is returned bare is warned of, once."""
    monkeypatch.setattr(loaded.writer, "limit", lambda _: 2)
    texts = ["", "The zyx is big.", " ".join(TEXTS)]
    found = [[best.notes for (best,) in loaded.n_best(texts)], [one.notes for one in loaded.sample(texts)]]
    for none, strange, long in found:
        assert none == () and [note.kind for note in strange] == ["unknown words", "unended"]
        assert [note.kind for note in long] == ["cut", "unended"]
    with pytest.warns(TextWarning) as caught:
        loaded.translate(texts)
    assert [str(one.message) for one in caught] == [found[0][2][0].of("text 3")]


def test_a_command_reads_each_line_once(loaded: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    read, whole = list[str](), Tokenizer._encoded
    monkeypatch.setattr(Tokenizer, "_encoded", lambda self, texts: read.extend(texts) or whole(self, texts))
    assert loaded.folder is not None
    command.translate(str(loaded.folder.path), SOURCE, "The zyx is big.", search=command.Search(beam=1))
    assert read == [SOURCE, "The zyx is big."]


def test_a_model_without_a_folder_has_no_history(loaded: Translator) -> None:
    with pytest.raises(ConfigError, match="has no folder, and so no history"):
        Translator(loaded.module, loaded.tokenizers).inside.at_step(1)


def test_a_command_names_the_texts_that_were_stopped(
    loaded: Translator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert loaded.folder is not None
    command.translate(str(loaded.folder.path), SOURCE, SOURCE, search=command.Search(beam=1))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(Translator, "limit", staticmethod(lambda _: 2))
    command.translate(str(loaded.folder.path), SOURCE, SOURCE, search=command.Search(beam=1))
    said = "the model had not come to an end after 2 tokens, the most it may write here: the rest is missing"
    assert capsys.readouterr().err == f"note: text 1: {said}\nnote: text 2: {said}\n"


def test_words_that_a_model_does_not_know_are_named(loaded: Translator, capsys: pytest.CaptureFixture[str]) -> None:
    said = "the model does not know “zyx”: it reads <unk>"
    assert loaded.trace("The zyx is big.", "El perro").notes == [said]
    assert loaded.look("The zyx is big.", "El perro").trace.notes == [said]
    both = loaded.trace("The dog", "El Foo zyx Foo").notes
    assert both == ["the model does not know “Foo” and “zyx”: it reads <unk> for each"]
    many = loaded.trace(" ".join(f"x{chr(97 + i)}x" for i in range(20)), "El perro").notes
    assert many[0].endswith("“xhx” and 12 more: it reads <unk> for each")
    assert loaded.folder is not None
    model = str(loaded.folder.path)
    command.translate(model, SOURCE, "The zyx is big.", search=command.Search(beam=1))
    assert capsys.readouterr().err == f"note: text 2: {said}\n"
    command.translate(model, *["zyx"] * 30, search=command.Search(beam=1))
    told = capsys.readouterr().err
    assert told.count("zyx") == 20 and told.count("further lines have words that the model does not know") == 1
    command_show(model, "The zyx is big.", target="El perro")
    assert capsys.readouterr().err == f"note: {said}\n"


def test_what_a_text_says_is_no_special_token(loaded: Translator) -> None:
    assert loaded.translate(["<eos>", "the <pad> house <bos>"])[0] != ""


def test_n_best(loaded: Translator) -> None:
    found = loaded.n_best(TEXTS[:3], n=3, beam=4)
    for best in found:
        assert len(best) == 3
        assert [t.score for t in best] == sorted((t.score for t in best), reverse=True)
    assert [best[0].text for best in found] == loaded.translate(TEXTS[:3])
    assert loaded.n_best([""], n=2) == [[Written("", 0.0)] * 2]


def test_impossible_requests(loaded: Translator) -> None:
    for beam in (0, 100_000):
        with pytest.raises(ConfigError, match=f"beam {beam} is not possible"):
            loaded.translate(["a house"], beam=beam)
    with pytest.raises(ConfigError, match="n 5 must lie between 1 and the beam"):
        loaded.n_best(TEXTS, n=5, beam=4)
    for penalty in (math.nan, math.inf, -math.inf, 1e30, -1e308):
        with pytest.raises(ConfigError, match=f"length_penalty {re.escape(str(penalty))} is not possible"):
            loaded.n_best(TEXTS, length_penalty=penalty)
    with pytest.raises(ConfigError, match="takes a list of texts, not one string"):
        loaded.translate("a house")
    odd: Any = 0.5
    for layer, head in ((2, 0), (0, 2), (-1, 0), (odd, 0), (0, odd), (True, 0), (2**70, 0)):
        with pytest.raises(ConfigError, match="there is no layer"):
            loaded.look(SOURCE, layer=layer, head=head)
        with pytest.raises(ConfigError, match="there is no layer"):
            loaded.arithmetic(SOURCE, layer=layer, head=head)
    part: Any = "middle"
    with pytest.raises(ConfigError, match="the parts are encoder, decoder and cross"):
        loaded.arithmetic(SOURCE, part=part)
    with pytest.raises(ConfigError, match="2 sources are aligned with 1 targets\n  fix: give a target for each"):
        loaded.align(TEXTS[:2], TEXTS[:1])
    with pytest.raises(ConfigError, match="align takes a list of targets, not one string"):
        loaded.align(TEXTS[:1], "a")


# Looking inside


@pytest.mark.parametrize(("layer", "head"), [(None, None), (0, 1), (1, None), (None, 0)])
def test_look(loaded: Translator, layer: int | None, head: int | None) -> None:
    seen = loaded.look(SOURCE, layer=layer, head=head)
    assert seen.source == SOURCE.split()
    assert seen.target == loaded.translate([SOURCE])[0].split()
    assert seen.weights.shape == (len(seen.target), len(seen.source))
    assert (seen.weights >= 0).all()
    assert (seen.weights.sum(1) <= 1 + 1e-5).all()
    assert seen.gap < 1e-5
    assert layer is None or seen.head.layer == layer
    assert len(seen.links) == len(seen.target)
    assert all(0 <= i < len(seen.source) and 0 <= j < len(seen.target) for i, j in seen.links)


def test_look_at_a_translation_of_ones_own(loaded: Translator) -> None:
    seen = loaded.look(SOURCE, "¿Dónde  está la niña?")
    assert seen.target == ["¿Dónde", "está", "la", "niña?"]
    assert seen.weights.shape == (4, len(SOURCE.split()))
    assert seen.gap < 1e-5


@pytest.mark.parametrize(("source", "target"), [("", None), ("", "casa"), ("house", ""), ("", "")])
def test_look_at_nothing(loaded: Translator, source: str, target: str | None) -> None:
    seen = loaded.look(source, target)
    assert seen.weights.shape == (len(seen.target), len(seen.source))
    assert loaded.align([source], [target or ""])[0] == (seen.links if seen.source else frozenset())


def test_trace(loaded: Translator) -> None:
    trace = loaded.trace(SOURCE, "El perro")
    assert trace.labels["source"] == [*loaded.tokenizers.source.tokens(SOURCE)[1], "<eos>"]
    assert trace.labels["target"] == ["<bos>", "El", "perro"]
    sizes = len(trace.labels["source"]), len(trace.labels["target"])
    assert trace["logits"].shape == (1, sizes[1], loaded.tokenizers.target.vocab_size)
    crosses = trace.find("cross_attention.attention")
    assert len(crosses) == 2
    for path in crosses:
        act, context = trace[path], trace[path.removesuffix("attention") + "context"]
        assert act.weights().shape == (1, 2, sizes[1], sizes[0])
        assert act.gap(context) < 1e-5
    assert trace["encoder.blocks.0.self_attention.attention"].weights().shape == (1, 2, sizes[0], sizes[0])


@torch.no_grad()
def test_watched_is_unwatched(loaded: Translator) -> None:
    src, tgt = loaded.tokenizers.source.encode([SOURCE, "El perro duerme."])
    wanted = loaded.module(torch.tensor([[*src, 2]]), torch.tensor([[1, *tgt]]))
    assert loaded.trace(SOURCE, "El perro duerme.")["logits"].equal(wanted)


def test_again_with_edits(loaded: Translator) -> None:
    trace = loaded.trace(SOURCE, "El perro duerme.")
    assert trace.again is not None
    assert trace.again([])["logits"].equal(trace["logits"])
    path = "decoder.blocks.0.cross_attention.attention"
    edit = Edit(path, (0, 0, 1, 2), "set", 1.0, step="weights")
    changed = trace.again([edit])
    assert changed[path].weights()[0, 0, 1, 2] == 1.0
    difference = (changed["logits"] - trace["logits"])[0].abs().amax(1)
    assert difference[0] < 1e-5  # the row before it: nothing flows backwards
    assert difference[1] > 1e-3
    assert changed.labels == trace.labels
    assert changed.again is not None
    assert changed.again([])["logits"].equal(trace["logits"])  # undone
    assert loaded.trace(SOURCE, "El perro duerme.", edits=[edit])["logits"].equal(changed["logits"])


def test_gradients_flow_to_what_was_seen(loaded: Translator) -> None:
    trace = loaded.trace(SOURCE, "El perro", grad=True)
    (grad,) = torch.autograd.grad(trace["logits"].sum(), [trace["encoder.embedded"]])
    assert grad.abs().sum() > 0


def test_align(loaded: Translator) -> None:
    targets = loaded.translate(TEXTS)
    links = loaded.align(TEXTS, targets)
    assert len(links) == len(TEXTS)
    for source, target, found in zip(TEXTS, targets, links, strict=True):
        assert {j for _, j in found} == set(range(len(target.split())))
        assert all(0 <= i < len(source.split()) for i, _ in found)
    assert links[0] == loaded.look(TEXTS[0]).links


# Measuring


def test_evaluate(loaded: Translator) -> None:
    scores = loaded.evaluate(["sample:english-spanish/valid:20"], beam=1)
    assert list(scores) == ["sentences", "references", "BLEU", "chrF", "exact match", "alignment error rate"]
    assert (scores["sentences"].value, scores["references"].value) == (20, 20)
    assert all(0 <= scores[name].value <= 100 for name in list(scores)[2:])
    assert "nrefs:1" in scores["BLEU"].signature
    assert "nc:6" in scores["chrF"].signature
    assert "20 sentences, forced pass, decoder layer" in scores["alignment error rate"].signature


def test_a_model_agrees_with_itself(loaded: Translator, tmp_path: Path) -> None:
    """Its own output, among several references, is a perfect score; without gold links there is no error rate."""
    file = tmp_path / "test.tsv"
    rows = [
        line for s, t in zip(TEXTS, loaded.translate(TEXTS), strict=True) for line in (f"{s}\tOtra cosa.", f"{s}\t{t}")
    ]
    file.write_text("\n".join(rows), encoding="utf-8")
    scores = loaded.evaluate([str(file)])
    assert (scores["sentences"].value, scores["references"].value) == (len(TEXTS), 2 * len(TEXTS))
    assert [round(scores[name].value, 6) for name in ("BLEU", "chrF", "exact match")] == [100.0] * 3
    assert "alignment error rate" not in scores
    assert "nrefs:2" in scores["BLEU"].signature
    assert loaded.evaluate([str(file)], lowercase=True)["BLEU"].signature != scores["BLEU"].signature


def test_references_may_be_unequal_in_number(loaded: Translator, tmp_path: Path) -> None:
    file = tmp_path / "test.tsv"
    file.write_text("A house.\tUna casa.\nA house.\tLa casa.\nA dog.\tUn perro.\n", encoding="utf-8")
    scores = loaded.evaluate([str(file)])
    assert (scores["sentences"].value, scores["references"].value) == (2, 3)


def test_pairs_that_are_not_scored_are_said(
    loaded: Translator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "test.tsv"
    file.write_text(f"A house.\tUna casa.\n{'word ' * 250}\tx\n\tx\nA house.\tUna casa.\n", encoding="utf-8")
    assert loaded.evaluate([str(file)], beam=1)["references"].value == 1
    assert capsys.readouterr().err.splitlines() == [
        "4 pairs read, 1 kept",
        f"1 pair dropped: the same pair stood earlier (first: {file}, line 4)",
        f"1 pair dropped: a side is empty (first: {file}, line 3)",
        f"1 pair dropped: a side is longer than 1,000 characters (max_chars) (first: {file}, line 2)",
    ]
    with pytest.raises(ConfigError, match="source: 0 is not a column"):
        loaded.evaluate([str(file)], columns={"source": 0})


def test_gold_links_of_ones_own(loaded: Translator, tmp_path: Path) -> None:
    file, target = tmp_path / "test.tsv", "El perro duerme."
    (links,) = loaded.align([SOURCE], [target])
    gold = " ".join(f"{i}-{j}" for i, j in links)
    file.write_text(f"{gold}\t{target}\t{SOURCE}\n", encoding="utf-8")
    scores = loaded.evaluate([str(file)], columns={"source": 3, "target": 2, "links": 1})
    assert scores["alignment error rate"].value == pytest.approx(0.0)


def test_describe(loaded: Translator) -> None:
    about = loaded.describe()
    assert about["task"] == "translate"
    assert about["parameters"] == sum(p.numel() for p in loaded.module.parameters())
    assert about["vocabulary"] == {"vocab_size": loaded.tokenizers.target.vocab_size}
    assert about["architecture"]["d_model"] == 32
    assert about["training"]["steps"] == 110
    assert about["data"]["files"] == ["sample:english-spanish/train:300"]
    assert str(loaded.head) == about["alignments"]


def test_without_a_folder(loaded: Translator) -> None:
    bare = Translator(loaded.module, loaded.tokenizers, loaded.head)
    assert bare.describe()["training"] == "not finished"
    assert bare.evaluate(["sample:english-spanish/valid:3"], beam=1)["sentences"].value == 3


# Training


def test_no_pair_is_short_enough(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no training pair is short enough\n  fix: raise --arch.max-len"):
        clearhead.train(
            "translate", "sample:english-spanish/train:20", out=tmp_path / "m", quiet=True, arch={**ARCH, "max_len": 2}
        )


def test_validation_files_and_a_remark_on_what_stands_in_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = "sample:english-spanish/train:30"
    trained = clearhead.train("translate", file, valid=file, out=tmp_path / "m", max_steps=1, arch=ARCH)
    said = capsys.readouterr()
    assert said.out == ""
    assert "30 pairs to train on, 30 for validation" in said.err
    assert "30 validation sources stand in the training pairs too" in said.err
    assert trained.describe()["data"]["valid"] == [file]


def test_a_head_on_paper(loaded: Translator) -> None:
    numbers = loaded.arithmetic(SOURCE, "El perro", part="decoder", layer=0, head=1)
    assert numbers.tokens[0] == "<bos>" and numbers.memory is None
    across = loaded.arithmetic(SOURCE, "El perro")
    assert across.memory is not None and across.memory.tokens[-1] == "<eos>"
    assert attention_paper(across).gap < 1e-5
    with pytest.raises(ConfigError, match="both count from 0"):
        loaded.arithmetic(SOURCE, part="encoder", layer=9)


# How text is cut


@pytest.mark.parametrize(
    "tokenizer",
    [
        {"kind": "bpe", "vocab_size": 400, "dropout": 0.2},
        {"kind": "unigram", "vocab_size": 400, "vocabularies": "separate"},
        {"kind": "wordpiece", "vocab_size": 500, "lowercase": True},
    ],
    ids=str,
)
def test_every_way_to_cut_is_trained_saved_and_resumed(tokenizer: dict[str, object], tmp_path: Path) -> None:
    arch = {**ARCH, "max_len": 128, "layers": 1, "tied": "target" if "vocabularies" in tokenizer else "all"}
    options = {"arch": arch, "tokenizer": tokenizer, "max_steps": 3, "training": {"precision": "float32"}}
    file = "sample:english-spanish/train:60"
    trained = clearhead.train("translate", file, out=tmp_path / "m", quiet=True, **options)
    loaded = clearhead.load(tmp_path / "m")
    assert loaded.translate(TEXTS[:2]) == trained.translate(TEXTS[:2])
    assert loaded.tokenizers.joint == ("vocabularies" not in tokenizer)
    assert loaded.tokenizers.sizes == trained.tokenizers.sizes
    assert loaded.look(SOURCE, "El perro").gap < 1e-5
    written = loaded.describe()["writes"]
    assert written == ("lower case only" if "lowercase" in tokenizer else "case as in training")
    again = clearhead.train("translate", file, out=tmp_path / "m", quiet=True, resume=True, **options)
    assert again.translate(TEXTS[:2]) == trained.translate(TEXTS[:2])


def test_separate_vocabularies_share_no_matrix(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"take arch\.tied target or none"):
        clearhead.train(
            "translate",
            "sample:english-spanish/train:20",
            out=tmp_path / "m",
            tokenizer={"kind": "word", "vocabularies": "separate"},
        )


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_less_precision_is_measured_beside_the_full(loaded: Translator, precision: str) -> None:
    scores = loaded.evaluate(["sample:english-spanish/valid:20"], beam=1, precision=precision)
    assert {"BLEU", "BLEU, float32", "chrF, float32"} <= set(scores)
    full = loaded.evaluate(["sample:english-spanish/valid:20"], beam=1)
    assert scores["BLEU, float32"] == full["BLEU"]
    assert abs(scores["chrF"].value - full["chrF"].value) < 5


@pytest.mark.parametrize("beam", [1, 4])
def test_int8_texts_know_nothing_of_each_other(loaded: Translator, beam: int) -> None:
    together = loaded.translate(TEXTS[:6], beam=beam, precision="int8")
    assert together == [loaded.translate([text], beam=beam, precision="int8")[0] for text in TEXTS[:6]]


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_writing_heeds_changed_weights_and_whoever_watches(trained: Translator, precision: Precision) -> None:
    assert trained.folder is not None
    translator = clearhead.load(trained.folder.path)
    before = translator.translate(TEXTS, precision=precision)
    assert translator.translate(TEXTS, precision=precision) == before
    with clearhead.watch(translator.module) as trace:
        watched = translator.translate(TEXTS, precision=precision)
    assert watched == translator.translate(TEXTS)
    assert "decoder.blocks.1.cross_attention.attention" in trace
    translator.module.head.weight.data[5:] = translator.module.head.weight.data[5:].flip(0)
    assert translator.translate(TEXTS, precision=precision) != before


# Drawn instead of searched


def test_drawn_translations_depend_on_their_seed_and_number_alone(loaded: Translator) -> None:
    warm = Sampling(temperature=1.5, top_p=1.0)
    whole = loaded.sample(TEXTS[:6], sampling=warm, seed=1)
    parts = [one for at in (0, 3) for one in loaded.sample(TEXTS[at : at + 3], sampling=warm, seed=1, first=at)]
    assert [one.text for one in parts] == [one.text for one in whole]
    assert [one.score for one in parts] == pytest.approx([one.score for one in whole], abs=1e-4)
    assert loaded.translate(TEXTS[:6], sampling=warm, seed=1) == [one.text for one in whole]
    assert loaded.translate(TEXTS[:6], sampling=warm, seed=2) != [one.text for one in whole]


def test_drawn_at_temperature_0_is_greedy_and_scored_alike(loaded: Translator) -> None:
    drawn = loaded.sample(TEXTS[:6], sampling=Sampling(temperature=0))
    searched = [best[0] for best in loaded.n_best(TEXTS[:6], beam=1)]
    assert [(one.text, one.notes) for one in drawn] == [(one.text, one.notes) for one in searched]
    assert [one.score for one in drawn if not one.notes] == pytest.approx(
        [one.score for one in searched if not one.notes], abs=1e-4
    )
    assert loaded.sample([""])[0].text == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"drawing": DrawingInstead(seed=1)}, "--seed is of texts that are drawn\n  fix: add --sample"),
        (
            {"drawing": DrawingInstead(sample=True), "printed": command.Printed(n_best=2)},
            "drawn texts have no --n-best",
        ),
        ({"drawing": DrawingInstead(top_k=3), "search": command.Search(beam=2)}, "drawn texts have no --beam"),
        ({"drawing": DrawingInstead(temperature=-1.0)}, "temperature"),
    ],
)
def test_what_contradicts_drawing_is_refused(loaded: Translator, options: dict[str, Any], said: str) -> None:
    assert loaded.folder is not None
    with pytest.raises(ConfigError, match=said):
        command.translate(str(loaded.folder.path), SOURCE, **options)


def test_the_command_draws(loaded: Translator, capsys: pytest.CaptureFixture[str]) -> None:
    assert loaded.folder is not None
    drawing = DrawingInstead(seed=3, temperature=1.5)
    command.translate(str(loaded.folder.path), *TEXTS[:3], drawing=drawing)
    wanted = loaded.translate(TEXTS[:3], sampling=Sampling(temperature=1.5), seed=3)
    assert capsys.readouterr().out.splitlines() == wanted
