"""Less precision beside the full: nearer to it than chance, on the same weights, which stay as they were."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from clearhead.errors import ConfigError
from clearhead.generation.prepared import Precision, Ready, fingerprint, prepared
from clearhead.look import watch
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.encoder_decoder import EncoderDecoder

GENERATOR = torch.Generator().manual_seed(0)
SRC, TGT = torch.randint(3, 40, (4, 9), generator=GENERATOR), torch.randint(3, 40, (4, 7), generator=GENERATOR)


@pytest.fixture(params=["as this processor does", "without VNNI"])
def either_processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without VNNI":
        monkeypatch.setattr("clearhead.generation.prepared.has_vnni", lambda: False)


def make(**config: Any) -> EncoderDecoder:
    torch.manual_seed(0)
    return EncoderDecoder(EncoderDecoderConfig(d_model=32, d_ff=64, heads=4, layers=2, **config), 40, 40).eval()


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
@pytest.mark.parametrize("config", [{}, {"norm_order": "post", "activation": "swiglu", "positions": "rotary"}], ids=str)
@torch.inference_mode()
def test_it_is_near(precision: Precision, config: dict[str, Any]) -> None:
    model = make(**config)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    wanted = model(SRC, TGT).log_softmax(-1)
    found = prepared(model, precision)(SRC, TGT).float().log_softmax(-1)
    assert 0 < (found - wanted).abs().max() < 0.3
    assert (found - wanted).pow(2).mean().sqrt() < 0.03 * wanted.std()
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("config", [{}, {"norm_order": "post", "activation": "swiglu", "positions": "rotary"}], ids=str)
@torch.inference_mode()
def test_packed_float32_is_the_same_and_shares_what_is_not_packed(config: dict[str, Any]) -> None:
    model = make(**config)
    ready = prepared(model, "float32")
    torch.testing.assert_close(ready(SRC, TGT), model(SRC, TGT), atol=1e-5, rtol=1e-5)
    assert ready.tgt_embedding.weight is model.tgt_embedding.weight
    assert not [part for part in ready.modules() if isinstance(part, nn.Linear)]
    assert [part for part in model.modules() if isinstance(part, nn.Linear)]


def test_other_types_are_not_packed() -> None:
    model = make().double()
    assert prepared(model, "float32")(SRC, TGT).equal(model(SRC, TGT))


def test_a_fingerprint_tells_every_change() -> None:
    model = make()
    with torch.no_grad():
        prints = [fingerprint(model), fingerprint(model)]
        assert prints[0] == prints[1]
        model.head.weight[[0, 1]] = model.head.weight[[1, 0]]
        prints.append(fingerprint(model))
        model.head.weight.data[2] = 0.0
        prints.append(fingerprint(model))
        model.head.weight.data = model.head.weight.data.flip(0)
        prints.append(fingerprint(model))
        model.head.weight.data[:] = model.head.weight.data.flip(1)
        prints.append(fingerprint(model))
        model.head.weight = nn.Parameter(model.head.weight.clone())
        prints.append(fingerprint(model))
    assert len(set(prints)) == 6


def test_a_copy_is_made_once_until_the_weights_change() -> None:
    model, ready = make(), Ready[EncoderDecoder]()
    first = ready(model, "float32")
    assert first is not model and ready(model, "float32") is first and ready(model, "bfloat16") is not first
    assert ready(model, "float32") is first, "each precision has its own"
    with torch.no_grad():
        model.decoder.norm.weight[0] += 1
    assert ready(model, "float32") is not first
    with watch(model) as trace:
        ready(model, "int8")(SRC, TGT)
    assert trace["logits"].shape == (4, 7, 40), "what is looked at is the model itself"


@pytest.mark.usefixtures("either_processor")
@torch.inference_mode()
def test_int8_by_hand() -> None:
    """Rows of W are rounded to 127 steps of their largest, x to 255 steps of its range: here both are exact."""
    linear = nn.Linear(2, 2)
    linear.weight.copy_(torch.tensor([[127.0, -64.0], [0.5, 1.27]]))
    linear.bias.copy_(torch.tensor([1.0, -1.0]))
    found = prepared(nn.Sequential(linear), "int8")(torch.tensor([[0.0, 255.0], [1.0, 2.0]]))
    torch.testing.assert_close(found, torch.tensor([[-64 * 255.0 + 1, 1.27 * 255 - 1], [0.0, 2.04]]), atol=2e-3, rtol=0)


@pytest.mark.usefixtures("either_processor")
@torch.inference_mode()
def test_int8_keeps_eight_bits() -> None:
    """Of 256 normal numbers the largest is 3 sigma, two neighbours of one sign add to 4: steps of 3/127 and 4/127.

    A row reaches from -2.8 to 2.8 in 255 steps. A step's error is a uniform number, its deviation 12 ** -0.5 of it.
    """
    torch.manual_seed(0)
    linear, x = nn.Linear(256, 96), torch.randn(24, 256)
    nn.init.normal_(linear.weight)
    wanted = linear(x)
    error = prepared(nn.Sequential(linear), "int8")(x) - wanted
    assert error.pow(2).mean().sqrt() < (((4 / 127) ** 2 + (5.6 / 255) ** 2) / 12) ** 0.5 * 1.1 * wanted.std()


@pytest.mark.usefixtures("either_processor")
@pytest.mark.parametrize("columns", [7, 64, 96, 97])
@torch.inference_mode()
def test_int8_rows_know_nothing_of_each_other(columns: int) -> None:
    """A row is the same alone, beside one a thousand times as large, one of a single number, and one that is broken."""
    torch.manual_seed(0)
    linear = nn.Linear(columns, 33)
    x = torch.randn(4, columns)
    x[1] *= 1000
    x[2] = 0.25
    x[3, 0] = float("nan")
    ready = prepared(nn.Sequential(linear), "int8")
    found = ready(x)
    for i in range(3):
        torch.testing.assert_close(found[i], ready(x[i : i + 1])[0], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found[2], linear(x[2]), rtol=0, atol=0.25 * columns**0.5 * 2 / 254)
    assert found[3].isnan().all() and ready(x[3:]).isnan().all()


def test_int8_never_overflows() -> None:
    """Products of AVX2: the largest weights beside each other meet the largest inputs, of both signs."""
    script = """if True:
        import torch
        from torch import nn
        from clearhead.generation.prepared import has_vnni, prepared

        linear = nn.Linear(96, 2, bias=False).requires_grad_(False)
        linear.weight[:] = torch.tensor([[1.0], [-1.0]])
        x = torch.cat([torch.ones(48), torch.zeros(48)])[None]
        print(has_vnni(), *prepared(nn.Sequential(linear), "int8")(x)[0].tolist())
    """
    environment = {**os.environ, "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    _, *found = done.stdout.split()
    torch.testing.assert_close([float(x) for x in found], [48.0, -48.0], rtol=0.01, atol=0)


def test_int8_is_for_cpus() -> None:
    with pytest.raises(ConfigError, match=r"products of bytes for CPUs, which are not there on meta\n  fix: write on"):
        prepared(nn.Sequential(nn.Linear(2, 2, device="meta")), "int8")
