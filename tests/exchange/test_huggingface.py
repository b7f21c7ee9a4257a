"""Decoders trained here, in the form of the library whose families their presets are."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from clearhead.errors import ConfigError
from clearhead.exchange.huggingface import from_huggingface, to_huggingface
from clearhead.models.architecture import DecoderConfig, EncoderDecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.models.encoder_decoder import EncoderDecoder

EOS = 2  # as tokenizers that are trained here number it
IDS = torch.randint(0, 29, (2, 17), generator=torch.Generator().manual_seed(0))

transformers = pytest.importorskip("transformers", reason="the reference is the transformers library")


@pytest.mark.parametrize("preset", ["gpt2", "llama", "qwen3"])
@torch.no_grad()
def test_a_new_model_of_a_preset_opens_there(preset: str) -> None:
    torch.manual_seed(0)
    ours = Decoder(DecoderConfig(preset=preset, d_model=32, d_ff=48, heads=4, layers=2, max_len=24), 29).eval()
    config, tensors = to_huggingface(ours)
    assert config["eos_token_id"] == EOS
    theirs = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**config)).eval()
    theirs.load_state_dict(tensors, strict=False)
    theirs.tie_weights()
    torch.testing.assert_close(theirs(IDS).logits, ours(IDS), rtol=1e-5, atol=1e-5)
    assert all(torch.equal(x, ours.state_dict()[k]) for k, x in from_huggingface(config, tensors).state_dict().items())


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"preset": "modern"}, "no family of theirs"),
        ({"preset": "llama", "soft_cap": 15.0}, "soft_cap is 15.0"),
        ({"preset": "gpt2", "activation": "relu2"}, "the configuration has no activation_function|feed_forward.kind"),
        ({"preset": "gpt2", "kv_heads": 2}, "attention.kv_heads is 2"),
        ({"preset": "qwen3", "window": 8}, "window is 8"),
        ({"preset": "llama", "embedding_norm": True}, "embedding_norm is True, in a llama model it is False"),
    ],
)
def test_what_is_in_no_family_is_refused(choices: dict[str, Any], said: str) -> None:
    module = Decoder(DecoderConfig(d_model=32, d_ff=48, heads=4, layers=1, **choices), 29)
    with pytest.raises(ConfigError, match=said):
        to_huggingface(module)


@pytest.mark.parametrize("preset", ["marian", "bart", "t5"])
@torch.no_grad()
def test_a_new_model_on_pairs_of_a_preset_leaves_and_comes_back(preset: str) -> None:
    torch.manual_seed(0)
    sizes = {"preset": preset, "d_model": 32, "d_ff": 48, "heads": 4, "layers": 2, "max_len": 24}
    ours = EncoderDecoder(EncoderDecoderConfig.model_validate(sizes), 29, 29).eval()
    for weight in ours.parameters():
        weight.add_(0.1 * torch.randn_like(weight))
    config, tensors = to_huggingface(ours)
    kind = getattr(transformers, config["architectures"][0])
    more = {"pad_token_id": 0, "decoder_start_token_id": 1}
    theirs = kind(transformers.AutoConfig.for_model(**{**config, **more})).eval()
    lost, unknown = theirs.load_state_dict(tensors, strict=False)
    assert not unknown
    assert all("embed_tokens" in name or name == "lm_head.weight" for name in lost)
    theirs.tie_weights()
    wanted = theirs(input_ids=IDS, decoder_input_ids=IDS[:, :7]).logits
    torch.testing.assert_close(wanted, ours(IDS, IDS[:, :7]), rtol=1e-4, atol=1e-4)
    again = from_huggingface(config, tensors).state_dict()
    assert all(torch.equal(x, again[name]) for name, x in ours.state_dict().items())
