"""Every family against the library it comes from: random tiny models of all its choices, nothing is downloaded."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from clearhead.attention import Where
from clearhead.errors import ConfigError
from clearhead.exchange.families import FAMILIES, find_family
from clearhead.exchange.family import Family
from clearhead.generation.sampling import Drawn, Sampling, continue_texts
from exchange.theirs import IN_FLOAT32, VOCAB, configs, one_config, their_model

EXAMPLES = 8
CASES = [(name, cls) for name in FAMILIES for cls in find_family(name).kinds if "PreTraining" not in cls]
DECODERS = [name for name in FAMILIES if "language" in next(iter(find_family(name).kinds.values()))[0].tasks]
SEQ2SEQ = [name for name in FAMILIES if "translate" in next(iter(find_family(name).kinds.values()))[0].tasks]


def opened(family: Family, theirs: Any) -> tuple[Any, Any]:
    state = theirs.state_dict()
    described = family.configure(theirs.config.to_dict(), state)
    return described, family.read(described, state, torch.float64)


def close(ours: Tensor, theirs: Tensor, family: str) -> None:
    assert torch.isfinite(theirs).all()
    atol = 1e-4 * float(theirs.abs().max()) if family in IN_FLOAT32 else 1e-10
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


def logits_of(found: Any) -> Tensor:
    for name in ("logits", "pooler_output"):
        if getattr(found, name, None) is not None:
            return getattr(found, name)
    return found.last_hidden_state


@pytest.mark.parametrize(("name", "cls"), CASES)
def test_theirs_are_ours_and_theirs_again(name: str, cls: str) -> None:
    """Logits with padding; and written back, every tensor and key is what it was."""
    family = find_family(name)

    @settings(max_examples=EXAMPLES)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        theirs = their_model(data.draw(configs(name)), cls)
        described, ours = opened(family, theirs)
        lengths = torch.tensor([12, data.draw(st.integers(1, 12))])
        real = torch.arange(12) < lengths[:, None]
        ids = torch.randint(5, VOCAB, (2, 12)).masked_fill(~real, theirs.config.pad_token_id or 0)
        with torch.no_grad():
            if name in SEQ2SEQ:
                tgt = torch.randint(5, VOCAB, (2, 7))
                found, wanted = ours(ids, tgt, lengths), theirs(ids, attention_mask=real, decoder_input_ids=tgt).logits
            elif name in DECODERS:
                where = Where.texts(lengths, 12)
                found, wanted = ours(ids, where)[real], theirs(ids, attention_mask=real).logits[real]
            else:
                found, wanted = ours(ids, lengths), logits_of(theirs(ids, attention_mask=real.long()))
                found, wanted = (x[real] if x.ndim == 3 else x for x in (found, wanted))
        close(found, wanted, name)
        back, tensors = family.write(ours, cls, described.carried, VOCAB)
        assert {k: x for k, x in theirs.config.to_dict().items() if back.get(k, "") != x} == {}
        state = theirs.state_dict()
        unshared = {key for key, _ in theirs.named_parameters()} | {k for k in state if k == "final_logits_bias"}
        assert set(tensors) == unshared
        assert all(torch.equal(x, state[key]) for key, x in tensors.items())
        again = family.configure(back, tensors)
        assert again.arch == described.arch
        twice = family.read(again, dict(reversed(tensors.items())), torch.float64).state_dict()
        assert all(torch.equal(x, twice[key]) for key, x in ours.state_dict().items())

    check()


@pytest.mark.parametrize("name", FAMILIES)
def test_a_body_opens_with_its_prefix_and_without(name: str) -> None:
    family, cls = find_family(name), [cls for family, cls in CASES if family == name][-1]
    if not family.prefix:
        pytest.skip("this family has no prefix")
    theirs = their_model(one_config(name), cls)
    _, ours = opened(family, theirs)
    bare = {key.removeprefix(family.prefix): x for key, x in theirs.state_dict().items()}
    described = family.configure(theirs.config.to_dict(), bare)
    again = family.read(described, bare, torch.float64).state_dict()
    assert all(torch.equal(x, again[key]) for key, x in ours.state_dict().items())


@pytest.mark.parametrize("name", DECODERS)
def test_greedy_texts_are_theirs(name: str) -> None:
    """64 tokens, each of two texts of other lengths through a cache; theirs are padded in front."""
    family, cls = find_family(name), next(iter(find_family(name).kinds))

    @settings(max_examples=3)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        theirs = their_model(data.draw(configs(name)), cls)
        _, ours = opened(family, theirs)
        prompts = [[7, 8, 9, 10, 11], [5, 6]]
        padded = torch.tensor([[0] * (5 - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (5 - len(p)) + [1] * len(p) for p in prompts])
        wanted = theirs.generate(
            padded, attention_mask=mask, max_new_tokens=64, do_sample=False, eos_token_id=None, pad_token_id=0
        )[:, 5:].tolist()
        found: list[list[int]] = [[], []]
        greedy = Drawn(Sampling(temperature=0), eos=-1, forbidden=(), seed=0)
        for written in continue_texts(ours, prompts, [64, 64], greedy, numbers=range(2)):
            for number, token in written.items():
                found[number].append(token)
        assert found == wanted

    check()


@pytest.mark.parametrize(("name", "cls"), [("bert", "BertForMaskedLM"), ("llama", "LlamaForCausalLM"), ("t5", "")])
def test_a_tensor_too_many_or_too_few_is_refused(name: str, cls: str) -> None:
    family = find_family(name)
    theirs = their_model(one_config(name), cls or next(iter(family.kinds)))
    state, config = theirs.state_dict(), theirs.config.to_dict()
    described = family.configure(config, state)
    lost = next(key for key in state if key.endswith(("query.weight", "q_proj.weight", "SelfAttention.q.weight")))
    with pytest.raises(ConfigError, match=rf"lack {lost.removeprefix(family.prefix)}"):
        family.read(described, {key: x for key, x in state.items() if key != lost})
    with pytest.raises(ConfigError, match=r"the weights have adapter\.weight"):
        family.read(described, {**state, "adapter.weight": torch.zeros(1)})
    with pytest.raises(ConfigError, match=r"which does not make .* \["):
        family.read(described, {**state, lost: state[lost][:-1]})
    if family.prefix:
        with pytest.raises(ConfigError, match="are one tensor"):
            family.read(described, {**state, lost.removeprefix(family.prefix): state[lost]})


def test_a_copy_that_is_another_is_refused() -> None:
    family = find_family("bert")
    theirs = their_model(transformers_bert(tie_word_embeddings=True), "BertForMaskedLM")
    state = dict(theirs.state_dict())
    described = family.configure(theirs.config.to_dict(), state)
    family.read(described, state)
    state["cls.predictions.decoder.weight"] = state["cls.predictions.decoder.weight"] + 1
    with pytest.raises(ConfigError, match="by the configuration the two are one"):
        family.read(described, state)


def transformers_bert(**more: Any) -> Any:
    config = one_config("bert")
    config.update(more)
    return config


def test_old_names_of_norms_open() -> None:
    family = find_family("bert")
    theirs = their_model(one_config("bert"), "BertForMaskedLM")
    described, ours = opened(family, theirs)
    old = {
        key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): x
        for key, x in theirs.state_dict().items()
    }
    old["bert.pooler.dense.weight"] = old["cls.seq_relationship.weight"] = torch.zeros(2)  # of another class
    again = family.read(described, old, torch.float64).state_dict()
    assert all(torch.equal(x, again[key]) for key, x in ours.state_dict().items())


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("bert", {"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
        ("bert", {"is_decoder": True}, "is_decoder is True"),
        ("bert", {"hidden_act": "quick_gelu"}, "hidden_act is 'quick_gelu'"),
        ("bert", {"num_attention_heads": 3}, "does not divide into 3 heads"),
        ("bert", {"hidden_size": None}, "d_model"),
        ("bert", {"vocab_size": 10**12}, "vocab_size is 10"),
        ("bert", {"architectures": ["BertForQuestionAnswering"]}, "the architecture 'BertForQuestionAnswering'"),
        ("bert", {"architectures": "BertModel"}, "architectures is 'BertModel'"),
        ("bert", {"embedding_size": 128}, "embedding_size is 128, which is not known here"),
        ("llama", {"rope_scaling": {"type": "yarn", "factor": 4.0}}, "rope_type 'yarn'"),
        ("llama", {"rope_scaling": {"rope_type": "linear", "factor": 4.0, "beta_fast": 2}}, "beta_fast 2"),
        ("llama", {"rope_parameters": 5}, "rope_parameters is 5, which is not an object"),
        ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5"),
        ("llama", {"sliding_window": 8}, "sliding_window is 8"),
        ("llama", {"final_logit_softcapping": 30.0}, "final_logit_softcapping is 30.0"),
        ("llama", {"quantization_config": {"bits": 4}}, "quantization_config"),
        ("llama", {"num_key_value_heads": 3}, "do not divide into groups"),
        ("qwen2", {"use_sliding_window": True}, "use_sliding_window is True"),
        ("qwen3", {"layer_types": ["sliding_attention"]}, "sliding_attention"),
        ("gpt2", {"scale_attn_weights": False}, "scale_attn_weights is False"),
        ("gpt2", {"reorder_and_upcast_attn": True}, "reorder_and_upcast_attn is True"),
        ("gpt2", {"n_head": "4"}, None),
        ("t5", {"feed_forward_proj": "gated-tanh"}, "feed_forward_proj is 'gated-tanh'"),
        ("bart", {"decoder_attention_heads": 8}, "decoder_attention_heads 8"),
        ("bart", {"normalize_before": True}, "normalize_before is True"),
        ("marian", {"decoder_vocab_size": 60}, "decoder_vocab_size is 60"),
        ("marian", {"share_encoder_decoder_embeddings": False}, "share_encoder_decoder_embeddings is False"),
        ("modernbert", {"layer_types": ["sliding_attention"]}, "layer_types"),
        ("gpt2", {"logit_scale": None, "torch_dtype": "float16", "_name_or_path": "x", "max_length": 20}, None),
    ],
)
def test_no_key_that_changes_a_number_is_passed_over(name: str, change: dict[str, Any], said: str | None) -> None:
    family = find_family(name)
    config = {**one_config(name).to_dict(), "architectures": [next(iter(family.kinds))], **change}
    if said is None:
        family.configure(config, [])
        return
    with pytest.raises(ConfigError, match=said):
        family.configure(config, [])


def test_a_family_that_is_not_known() -> None:
    with pytest.raises(ConfigError, match="the model_type 'mamba' is not known here"):
        find_family("mamba")
    with pytest.raises(ConfigError, match="did you mean 'qwen"):
        find_family("qwen")
