"""Models of other libraries at work as ours are: what they give is what their own library gives."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import clearhead
from clearhead.data.chat.chats import Message
from clearhead.errors import ConfigError, FolderError
from clearhead.generation.sampling import Sampling
from exchange.folders import WORDS, write_folder
from exchange.theirs import one_config

TEXTS = ["the cat sees a big house", "a dog", "the small cat sees the dog in the house"]


def ids_of(texts: list[str], second: str | None = None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(token ids padded at the end, mask, kinds of texts), by hand from the vocabulary."""
    word = {name: i for i, name in enumerate(WORDS)}
    rows = [[2, *(word.get(w, 1) for w in text.split()), 3] for text in texts]
    more = [] if second is None else [*(word.get(w, 1) for w in second.split()), 3]
    kinds = [[0] * len(row) + [1] * len(more) for row in rows]
    rows = [row + more for row in rows]
    longest = max(map(len, rows))
    pad = [[0] * (longest - len(row)) for row in rows]
    ids = torch.tensor([row + rest for row, rest in zip(rows, pad, strict=True)])
    mask = torch.tensor([[1] * len(row) + rest for row, rest in zip(rows, pad, strict=True)])
    return ids, mask, torch.tensor([row + rest for row, rest in zip(kinds, pad, strict=True)])


@pytest.mark.parametrize("name", ["bert", "modernbert"])
def test_a_mask_is_filled(name: str, tmp_path: Path) -> None:
    theirs = write_folder(tmp_path, one_config(name), f"{'Bert' if name == 'bert' else 'ModernBert'}ForMaskedLM")
    model = clearhead.load(tmp_path)
    assert (model.name, model.mask) == ("fill", "[MASK]")
    found = model.fill(["the [MASK] sees a [MASK]", "a [MASK]"], n=3)
    for text, masks in zip(["the [MASK] sees a [MASK]", "a [MASK]"], found, strict=True):
        ids, mask, _ = ids_of([text])
        with torch.no_grad():
            chances = theirs(ids, attention_mask=mask).logits[0].softmax(-1)
        for at, best in zip((ids[0] == 4).nonzero()[:, 0].tolist(), masks, strict=True):
            top = chances[at].topk(3)
            assert [one.token for one in best] == [WORDS[i] for i in top.indices.tolist()]
            assert [one.probability for one in best] == pytest.approx(top.values.tolist(), abs=1e-5)
    with pytest.raises(ConfigError, match=r"text 1 has no \[MASK\]"):
        model.fill(["the cat"])
    with pytest.raises(ConfigError, match=r"holds \[SEP\], which is a mark of the model"):
        model.fill(["the [MASK] [SEP]"])


@pytest.mark.parametrize("problem", ["single_label_classification", "multi_label_classification"])
def test_texts_and_pairs_are_classified(problem: str, tmp_path: Path) -> None:
    config = one_config("bert")
    config.update({"id2label": {0: "good", 1: "bad", 2: "so so"}, "problem_type": problem, "type_vocab_size": 2})
    theirs = write_folder(tmp_path, config, "BertForSequenceClassification")
    model = clearhead.load(tmp_path)
    for second in (None, "a big dog"):
        found = model.classify(TEXTS, None if second is None else [second] * 3)
        ids, mask, kinds = ids_of(TEXTS, second)
        with torch.no_grad():
            logits = theirs(ids, attention_mask=mask, token_type_ids=kinds).logits
        wanted = logits.sigmoid() if "multi" in problem else logits.softmax(-1)
        assert [list(one.probabilities) for one in found] == [["good", "bad", "so so"]] * 3
        torch.testing.assert_close(
            torch.tensor([list(one.probabilities.values()) for one in found]), wanted.float(), rtol=0, atol=1e-5
        )
        assert [one.label for one in found] == [["good", "bad", "so so"][i] for i in logits.argmax(1).tolist()]


def test_a_number_is_given_where_there_is_one_class(tmp_path: Path) -> None:
    config = one_config("roberta")
    config.update({"id2label": {0: "LABEL_0"}})
    write_folder(tmp_path, config, "RobertaForSequenceClassification")
    (found,) = clearhead.load(tmp_path).classify(["the cat"])
    assert isinstance(found.value, float) and not found.probabilities


def sentence_folder(place: Path, pooling: dict[str, Any], *, dense: bool, normalise: bool) -> None:
    """A folder as sentence-transformers writes it, of a random model."""
    write_folder(place, one_config("bert"), "BertModel")
    kinds = [("Transformer", ""), ("Pooling", "1_Pooling")]
    kinds += [("Dense", "2_Dense")] * dense + [("Normalize", "3_Normalize")] * normalise
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(kinds)
    ]
    (place / "modules.json").write_text(json.dumps(modules))
    for _, path in kinds:
        (place / path).mkdir(exist_ok=True)
    width = one_config("bert").hidden_size
    (place / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": width, **pooling}))
    if dense:
        shape = {"in_features": width, "out_features": 6, "bias": True}
        shape["activation_function"] = "torch.nn.modules.activation.Tanh"
        (place / "2_Dense" / "config.json").write_text(json.dumps(shape))
        generator = torch.Generator().manual_seed(1)
        tensors = {"linear.weight": torch.randn(6, width, generator=generator), "linear.bias": torch.ones(6)}
        save_file(tensors, place / "2_Dense" / "model.safetensors")
    (place / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "the dog ", "document": ""}, "default_prompt_name": None})
    )
    (place / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 6, "do_lower_case": False}))


@pytest.mark.parametrize("mode", ["cls", "mean_tokens", "max", "mean_sqrt_len_tokens", "lasttoken"])
def test_vectors_are_those_of_sentence_transformers(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    theirs = pytest.importorskip("sentence_transformers", reason="the reference is sentence-transformers")
    if mode in ("cls", "max", "lasttoken"):
        pooling = {"pooling_mode": mode}
    else:
        pooling = {f"pooling_mode_{name}": name == mode for name in ("mean_tokens", "mean_sqrt_len_tokens")}
    sentence_folder(tmp_path, pooling, dense=mode in ("mean_tokens", "max"), normalise=mode != "cls")
    reference = theirs.SentenceTransformer(str(tmp_path), device="cpu")
    model = clearhead.load(tmp_path)
    with pytest.warns(UserWarning, match="was cut to 6"):
        found = model.embed(TEXTS)
    torch.testing.assert_close(found, reference.encode(TEXTS, convert_to_tensor=True), rtol=0, atol=1e-5)
    query = reference.encode(["a cat"], prompt_name="query", convert_to_tensor=True)
    torch.testing.assert_close(model.embed(["a cat"], prompt="query"), query, rtol=0, atol=1e-5)
    with pytest.raises(ConfigError, match="no prompt 'passage'"):
        model.embed(["a"], prompt="passage")


def test_an_encoder_without_modules_gives_means(tmp_path: Path) -> None:
    theirs = write_folder(tmp_path, one_config("distilbert"), "DistilBertModel")
    ids, mask, _ = ids_of(TEXTS)
    with torch.no_grad():
        states = theirs(ids, attention_mask=mask).last_hidden_state
    wanted = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    torch.testing.assert_close(clearhead.load(tmp_path).embed(TEXTS), wanted.float(), rtol=0, atol=1e-5)
    assert clearhead.load(tmp_path).embed([]).shape == (0, theirs.config.dim)


@pytest.mark.parametrize(("name", "kind"), [("gpt2", "GPT2LMHeadModel"), ("llama", "LlamaForCausalLM")])
def test_texts_go_on_as_theirs(name: str, kind: str, tmp_path: Path) -> None:
    theirs = write_folder(tmp_path, one_config(name), kind)
    model = clearhead.load(tmp_path)
    assert model.name == "language"
    prompt = torch.tensor([[2, WORDS.index("the"), WORDS.index("cat")]])
    specials = list(model.tokenizer.unwritten(model.tokenizer.specials.end))
    wanted = theirs.generate(
        prompt, max_new_tokens=12, do_sample=False, eos_token_id=3, pad_token_id=0, suppress_tokens=specials
    )[0, 3:].tolist()
    said = model.generate(["the cat"], max_tokens=12, sampling=Sampling(temperature=0))
    assert said[0].split() == [WORDS[i] for i in wanted if i != 3]


def test_a_conversation_reads_as_theirs(tmp_path: Path) -> None:
    """Its template, in which their tokenizer's marks are marks and what people say is text."""
    write_folder(tmp_path, one_config("llama"), "LlamaForCausalLM")
    template = (
        "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}dog {% endif %}"
        "{{ message['content'] }} {% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}dog {% endif %}"
    )
    said = json.loads((tmp_path / "tokenizer_config.json").read_text())
    said |= {"bos_token": "[CLS]", "eos_token": "[SEP]", "tokenizer_class": "PreTrainedTokenizerFast"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**said, "chat_template": template}))
    model = clearhead.load(tmp_path)
    assert model.name == "chat"
    transformers = pytest.importorskip("transformers", reason="the reference is the transformers library")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    talk = [{"role": "user", "content": "the cat sees"}]
    wanted = theirs.apply_chat_template(talk, add_generation_prompt=True, return_dict=False)
    assert model._ids(tuple(Message(**one) for one in talk)) == wanted
    assert len(model.chat([talk], max_tokens=3)) == 1
    assert clearhead.load(tmp_path, task="language").name == "language"


@pytest.mark.parametrize(("name", "kind"), [("t5", "T5ForConditionalGeneration"), ("marian", "MarianMTModel")])
def test_texts_are_translated_as_theirs(name: str, kind: str, tmp_path: Path) -> None:
    config = one_config(name)
    config.update({"num_layers": config.num_decoder_layers} if name == "t5" else {})  # else their own cache breaks
    theirs = write_folder(tmp_path, config, kind)
    model, ids = clearhead.load(tmp_path), ids_of(["the cat sees a dog"])[0]
    wanted = theirs.generate(
        ids,
        num_beams=1,
        do_sample=False,
        max_new_tokens=2 * ids.size(1) + 16,
        eos_token_id=3,
        suppress_tokens=list(model.tokenizers.target.unwritten()),
    )[0, 1:].tolist()
    (said,) = model.translate(["the cat sees a dog"], beam=1)
    assert said.split() == [WORDS[i] for i in wanted if i != 3]
    assert clearhead.load(tmp_path, task="summarize").name == "summarize"
    with pytest.raises(FolderError, match=f"a {name} model cannot fill"):
        clearhead.load(tmp_path, task="fill")


def test_a_translator_of_marian_reads_and_writes_by_its_two_tokenizers(tmp_path: Path) -> None:
    """Two models of SentencePiece and the numbers of their pieces, as the OPUS translators come."""
    theirs = pytest.importorskip("transformers", reason="the reference is the transformers library")
    sentencepiece = pytest.importorskip("sentencepiece", reason="these tokenizers are SentencePiece's")
    numbers = {"</s>": 0, "<unk>": 1, ">>es<<": 2}
    texts = {"source": ["the cat sees a big house", "a dog"], "target": ["el gato ve una casa grande", "un perro"]}
    for side, lines in texts.items():
        sizes = {"vocab_size": 24, "hard_vocab_limit": False, "minloglevel": 2}
        with (tmp_path / f"{side}.spm").open("wb") as file:
            sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines * 40), model_writer=file, **sizes)
        model = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / f"{side}.spm"))
        for piece in (model.id_to_piece(i) for i in range(model.get_piece_size())):
            if piece != "<s>":
                numbers.setdefault(piece, len(numbers))
    numbers["<pad>"] = len(numbers)
    (tmp_path / "vocab.json").write_text(json.dumps(numbers))
    config = one_config("marian")
    config.update({"vocab_size": len(numbers), "decoder_vocab_size": len(numbers), "pad_token_id": numbers["<pad>"]})
    config.update({"eos_token_id": 0, "bos_token_id": 0, "decoder_start_token_id": numbers["<pad>"]})
    module = write_folder(tmp_path, config, "MarianMTModel")
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it recommends another library
        tokenizer = theirs.MarianTokenizer.from_pretrained(tmp_path)
    model = clearhead.load(tmp_path)
    for text in ("the cat sees a dog", ">>es<< the big zebra", "a"):
        wanted = tokenizer(text)["input_ids"]
        before, after = model.tokenizers.frame
        assert [*before, *model.tokenizers.source.encode([text])[0], *after] == wanted
        written = module.generate(
            torch.tensor([wanted]),
            num_beams=1,
            do_sample=False,
            max_new_tokens=2 * len(wanted) + 16,
            suppress_tokens=list(model.tokenizers.target.unwritten()),
        )
        (said,) = model.translate([text], beam=1)
        assert said.split() == tokenizer.batch_decode(written, skip_special_tokens=True)[0].split()
    assert model.trace("the cat", "el gato").labels["target"][0] == "<pad>"
    with pytest.raises(ConfigError, match=r"a tokenizer of SentencePiece is no tokenizer\.json"):
        model.tokenizers.source.to_json()


def test_every_number_of_an_encoder_can_be_seen_and_changed(tmp_path: Path) -> None:
    write_folder(tmp_path, one_config("bert"), "BertForMaskedLM")
    model = clearhead.load(tmp_path)
    trace = model.trace("the cat sees a dog")
    assert trace.labels["tokens"] == ["[CLS]", "the", "cat", "sees", "a", "dog", "[SEP]"]
    path = "encoder.blocks.0.self_attention.attention"
    edited = trace.again([clearhead.Edit(path, (0, 0, 1, 2), step="weights")])
    assert not torch.equal(edited["logits"], trace["logits"])
    assert "encoder layer" in str(model.look("the cat").head)
    assert "<!doctype html>" in clearhead.show(trace).html


def test_a_folder_without_a_tokenizer_reads_and_writes_token_ids(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = write_folder(tmp_path, one_config("llama"), "LlamaForCausalLM")
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").unlink()
    model = clearhead.load(tmp_path)
    assert "has no tokenizer: texts are token ids" in capsys.readouterr().err
    wanted = theirs.generate(torch.tensor([[5, 17, 9]]), max_new_tokens=6, do_sample=False, pad_token_id=0)[0, 3:]
    (said,) = model.generate(["5 17 9"], max_tokens=6, sampling=Sampling(temperature=0))
    assert said.split() == [str(token) for token in wanted.tolist() if token != 2]
    assert model.trace("5 17 9").labels["tokens"] == ["5", "17", "9"]
