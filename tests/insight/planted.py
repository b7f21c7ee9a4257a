"""Models whose heads were set by hand: what they must be found to do is known.

Embeddings are one-hot: a token stands in the first columns of x, its position behind them, and what the token before it
was (once a head has written it there) behind these. Norms only scale such rows, to entries of sqrt(d_model / ones).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from clearhead.edits import Edit
from clearhead.insight.alignment import Gold
from clearhead.insight.facts import Arc, Facts
from clearhead.look import Trace, watch
from clearhead.models.architecture import DecoderConfig, EncoderDecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.models.encoder_decoder import EncoderDecoder

SHARP = 3.0  # of q: similarities of about 20, so that a planted head gives nearly all its weight to one key
_SLIGHT = 0.1  # random q and k: similarities of about 1


def traced(module: nn.Module, sides: dict[str, list[int]], *, edits: Sequence[Edit] = (), grad: bool = False) -> Trace:
    """A pass over token ids by side, as a task would trace it; BOS is 1 and EOS is 2."""
    given = [torch.tensor([ids]) for ids in sides.values()]
    with torch.set_grad_enabled(grad), watch(module, edits=edits, grad=grad) as trace:
        module(*given)
    marks = {1: "<bos>", 2: "<eos>"}
    trace.labels = {side: [marks.get(i, f"w{i}") for i in ids] for side, ids in sides.items()}
    last = list(sides.values())[-1]
    trace.token_ids, trace.next_ids = dict(sides), last[1:]
    trace.words = {side: _words(ids) for side, ids in sides.items()}
    trace.again = lambda again: traced(module, sides, edits=again, grad=grad)
    return trace


def _words(ids: list[int]) -> list[int | None]:
    inside = [i for i, token in enumerate(ids) if token > 2]
    return [inside.index(i) if i in inside else None for i in range(len(ids))]


def plant(weight: Any, head: int, width: int, links: Sequence[tuple[int, int]], scale: float = 1.0) -> None:
    """Set a head's part of a projection: column of x -> number of the head's vector."""
    with torch.no_grad():
        for column, number in links:
            weight[head * width + number, column] = scale


def plain(module: nn.Module, *, random_heads: Sequence[tuple[str, int]], width: int) -> None:
    """All projections zero, so that heads look everywhere alike; those of `random_heads` (path, head) are random."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if "proj" in name or "feed_forward" in name:
                weight.zero_()
        for path, head in random_heads:
            for part in ("q_proj", "k_proj"):
                rows = module.get_parameter(f"{path}.{part}.weight")[head * width : (head + 1) * width]
                rows.copy_(torch.randn_like(rows) * _SLIGHT)


# A language model: previous token in layer 0, and in layer 1 the induction head that reads what it wrote

VOCAB, PLACES = 20, 40


def induction_model() -> Decoder:
    config = DecoderConfig(
        preset="gpt2", norm="rms", biases=False, tied=False, layers=2, heads=3, d_model=2 * VOCAB + PLACES, d_ff=4,
        head_dim=PLACES, v_head_dim=VOCAB, max_len=PLACES, dropout=0.0,
    )  # fmt: skip
    model = Decoder(config, VOCAB).eval()
    blocks = [f"decoder.blocks.{i}.self_attention" for i in range(2)]
    plain(model, random_heads=[(blocks[0], 1), (blocks[1], 2)], width=PLACES)
    with torch.no_grad():
        model.embedding.weight.copy_(torch.eye(VOCAB, config.d_model))
        model.get_parameter("decoder.positions.weight").copy_(torch.eye(PLACES, config.d_model).roll(VOCAB, 1))
    parts: list[Any] = [model.get_submodule(path) for path in blocks]
    first, second = parts
    place, slot = range(VOCAB, VOCAB + PLACES), range(VOCAB + PLACES, 2 * VOCAB + PLACES)
    plant(first.q_proj.weight, 0, PLACES, [(x, i) for i, x in enumerate(place)], SHARP)
    plant(first.k_proj.weight, 0, PLACES, [(x, i + 1) for i, x in enumerate(place[:-1])])
    plant(first.v_proj.weight, 0, VOCAB, [(i, i) for i in range(VOCAB)])
    with torch.no_grad():  # what the previous token was goes to the slot, one-hot again
        size = (config.d_model / 2) ** 0.5
        first.o_proj.weight[slot, torch.arange(VOCAB)] = 1 / size
    plant(second.q_proj.weight, 1, PLACES, [(i, i) for i in range(VOCAB)], SHARP)
    plant(second.k_proj.weight, 1, PLACES, [(x, i) for i, x in enumerate(slot)])
    return model


def said_twice(count: int = 30) -> list[dict[str, list[int]]]:
    """Random tokens said twice, in halves of 6 to 16."""
    rng = torch.Generator().manual_seed(1)
    halves = [(torch.randperm(VOCAB - 3, generator=rng)[: 6 + i % 11] + 3).tolist() for i in range(count)]
    return [{"tokens": half + half} for half in halves]


# A translator: in the encoder a dependency, the next token and a sink; across, one head that aligns

PAIRS = 8  # tokens 3 .. 10 depend on 11 .. 18; token w becomes w + 16 in the target vocabulary
_SOURCE, _TARGET = 3 + 2 * PAIRS, 3 + 4 * PAIRS


@dataclass(frozen=True)
class Example:
    sides: dict[str, list[int]]
    facts: Facts


def translator() -> EncoderDecoder:
    d = _TARGET + PLACES
    config = EncoderDecoderConfig(
        norm="rms", positions="learned", biases=False, tied="none", layers=1, heads=4, d_model=d, d_ff=4,
        head_dim=PLACES, max_len=PLACES, dropout=0.0,
    )  # fmt: skip
    model = EncoderDecoder(config, _SOURCE, _TARGET).eval()
    paths = [f"{stack}.blocks.0.{kind}" for stack, kind in _ATTENTIONS]
    plain(model, random_heads=[(paths[1], 0), (paths[1], 3), (paths[2], 1)], width=PLACES)
    with torch.no_grad():
        for table in (model.src_embedding.weight, model.tgt_embedding.weight):
            table.copy_(torch.eye(*table.shape) / d**0.5)
        for stack in (model.encoder, model.decoder):
            stack.get_parameter("positions.weight").copy_(torch.eye(PLACES, d).roll(_TARGET, 1))
    parts: list[Any] = [model.get_submodule(path) for path in paths]
    encoder, _, across = parts
    places = range(_TARGET, _TARGET + PLACES)
    q, k = encoder.q_proj.weight, encoder.k_proj.weight
    plant(q, 0, PLACES, [(3 + i, i) for i in range(PAIRS)], SHARP)
    plant(k, 0, PLACES, [(3 + PAIRS + i, i) for i in range(PAIRS)])
    plant(q, 1, PLACES, [(x, i) for i, x in enumerate(places)], SHARP)
    plant(k, 1, PLACES, [(x, i) for i, x in enumerate(places[1:])])
    plant(q, 3, PLACES, [(x, 0) for x in places], SHARP)
    plant(k, 3, PLACES, [(2, 0)])
    plant(across.q_proj.weight, 2, PLACES, [(w + 2 * PAIRS, w) for w in range(3, _SOURCE)], SHARP)
    plant(across.k_proj.weight, 2, PLACES, [(w, w) for w in range(3, _SOURCE)])
    return model


_ATTENTIONS = (("encoder", "self_attention"), ("decoder", "self_attention"), ("decoder", "cross_attention"))


def pairs(count: int = 30) -> list[Example]:
    """Three to five dependencies a sentence, the words of both sides in random orders."""
    rng = torch.Generator().manual_seed(2)
    found = []
    for number in range(count):
        chosen = torch.randperm(PAIRS, generator=rng)[: 3 + number % 3]
        words = torch.cat([chosen + 3, chosen + 3 + PAIRS])
        words = words[torch.randperm(len(words), generator=rng)]
        order = torch.randperm(len(words), generator=rng)
        source, target = words.tolist(), (words[order] + 2 * PAIRS).tolist()
        links = frozenset((int(i), j) for j, i in enumerate(order))
        arcs = [Arc("dep", source.index(w), source.index(w + PAIRS)) for w in source if w < 3 + PAIRS]
        facts = Facts(Gold(links, links), {"source": arcs})
        found.append(Example({"source": [*source, 2], "target": [1, *target]}, facts))
    return found


def weights_of(rows: Sequence[Sequence[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)
