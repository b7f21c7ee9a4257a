"""PyTorch's own attention modules, seen inside: the same weights, calls and outputs; and back.

    inside = from_torch(nn.TransformerEncoder(...))     with watch(inside) as trace: inside(x, src_key_padding_mask=m)
    drop_in(model)                                      every such module of any model, replaced where it stands
    to_torch(inside)                                    PyTorch's module again

What is shared stays shared, what is frozen stays frozen, each part is in training or not as it was, and hooks on a
module go with it. `in_proj_weight` becomes three: an optimizer is made after `drop_in`.

A row of attention that may look nowhere gives zeros here and NaN there; weights that are asked for are those before
dropout; what stands at padded places after an encoder is computed as PyTorch does in training (in eval mode and
without gradients its encoder may write zeros there; real tokens are the same).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from clearhead.attention import MultiHead, ScaledDot
from clearhead.errors import ConfigError
from clearhead.exchange.torch_modules import (
    MultiheadAttention,
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)
from clearhead.models.architecture import AttentionConfig, EncoderDecoderConfig, FeedForwardConfig
from clearhead.models.block import Block

__all__ = [
    "MultiheadAttention",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "drop_in",
    "from_torch",
    "to_torch",
]

T = TypeVar("T")


def from_torch(module: nn.Module) -> nn.Module:
    """A module that is called as PyTorch's is, with a copy of its weights.

    Raises:
        ConfigError: it is none of PyTorch's attention modules, or has a part that ours have not.
    """
    return _from(module, _Parts(copied=True))


def drop_in(model: nn.Module) -> int:
    """Replace every attention module of PyTorch in `model` by ours, wherever it stands; returns how many modules.

    Other people's subclasses of them stay as they are: what these do with their parts, only they know.

    Raises:
        ConfigError: `model` is such a module itself, or one in it has a part that ours have not, or shares one with a
            module that stays. Nothing is replaced then.
    """
    if isinstance(model, tuple(_FROM)):
        raise ConfigError(f"a {type(model).__name__} cannot be replaced where it stands", "take from_torch(model)")
    parts, seen = _Parts(copied=False), dict[nn.Module, None]()
    places = list(_places(model, seen))
    made = {child: _from(child, parts) for child in dict.fromkeys(child for *_, child in places)}
    for module in seen:
        for name, weight in module.named_parameters(recurse=False):
            if parts.was_cut(weight):
                raise ConfigError(
                    f"{name} of a {type(module).__name__} is an attention's in_proj too, which becomes three",
                    "untie them, or replace the module by from_torch yourself",
                )
    for parent, name, child in places:
        setattr(parent, name, made[child])
    return len(made)


def to_torch(module: nn.Module) -> nn.Module:
    """PyTorch's module with a copy of the weights, called as `module` is.

    Raises:
        ConfigError: `module` is none of this file's, or PyTorch's has no such part; the message names it.
    """
    make = _TO.get(type(module))
    if make is None:
        known = ", ".join(kind.__name__ for kind in _TO)
        raise ConfigError(f"a {type(module).__name__} has no counterpart in torch.nn", f"these have: {known}")
    return _with_hooks(make(module, parts := _Parts(copied=True)), module, parts)


def _from(module: nn.Module, parts: _Parts) -> nn.Module:
    make = _FROM.get(type(module))
    if make is None:
        known = ", ".join(kind.__name__ for kind in _FROM)
        raise ConfigError(f"a {type(module).__name__} is no attention module of PyTorch", f"the modules are {known}")
    return parts.once(("module", id(module)), lambda: _with_hooks(make(module, parts), module, parts))


def _places(
    model: nn.Module, seen: dict[nn.Module, None], *, inside: bool = False
) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """(parent, name, child) of each attention module; `seen` holds every module that stays.

    Args:
        inside: whether `model` is a part of somebody's own attention module, which stays as a whole.
    """
    if model in seen:
        return
    seen[model] = None
    for name, child in model._modules.items():
        if child is None:
            continue
        if type(child) in _FROM and not inside and "forward" not in vars(child):
            yield model, name, child
        else:
            yield from _places(child, seen, inside=inside or isinstance(child, tuple(_FROM)))


# Parts ---------------------------------------------------------------------------------------------------------------


class _Parts:
    """What becomes of the parts of other modules, each once: what is shared there is shared here.

    Args:
        copied: whether they are copied, or go on as they are.
    """

    def __init__(self, *, copied: bool):
        self.copied = copied
        self._memo: dict[int, Any] = {}
        self._made: dict[Hashable, Any] = {}
        self._joined: dict[int, Hashable] = {}

    def of(self, part: T) -> T:
        """A whole module or weight."""
        return copy.deepcopy(part, self._memo) if self.copied else part

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gave the first time that this was asked for."""
        if key not in self._made:
            self._made[key] = make()
        found: T = self._made[key]
        return found

    def thirds(self, weight: nn.Parameter) -> list[nn.Parameter]:
        """A weight of queries, keys and values, cut."""
        _without_hooks(weight)
        return self.once(("thirds", id(weight)), lambda: [_weight([x], weight) for x in weight.chunk(3)])

    def was_cut(self, weight: nn.Parameter) -> bool:
        """Whether there are thirds of it."""
        return ("thirds", id(weight)) in self._made

    def joined(self, weights: Sequence[nn.Parameter]) -> nn.Parameter:
        """Weights of queries, keys and values as one.

        Raises:
            ConfigError: some are frozen and some not, or one is also a part of another.
        """
        if len({weight.requires_grad for weight in weights}) > 1:
            raise ConfigError("PyTorch's in_proj is frozen as a whole or not", "freeze q_proj, k_proj and v_proj alike")
        key = tuple(map(id, weights))
        for place, weight in enumerate(weights):
            _without_hooks(weight)
            if self._joined.setdefault(id(weight), (key, place)) != (key, place):
                raise ConfigError(
                    "one of q_proj, k_proj and v_proj is shared alone, and PyTorch's in_proj has all three",
                    "share all three, or none",
                )
        return self.once(key, lambda: _weight(weights, weights[0]))


def _weight(parts: Sequence[Tensor], like: nn.Parameter) -> nn.Parameter:
    return nn.Parameter(torch.cat([part.detach() for part in parts]), requires_grad=like.requires_grad)


def _without_hooks(weight: Tensor) -> None:
    if weight._backward_hooks or getattr(weight, "_post_accumulate_grad_hooks", None):
        raise ConfigError("a weight with hooks of its own is cut or joined", "register the hooks on the new weights")


def _linear(ours: nn.Linear, weight: nn.Parameter, bias: nn.Parameter | None) -> None:
    ours.weight, ours.bias = weight, bias  # type: ignore[assignment]


def _plain(linear: Any) -> Any:
    """A linear layer that is what it looks like: its weight and its bias are all."""
    if type(linear) not in (nn.Linear, NonDynamicallyQuantizableLinear):
        raise ConfigError(
            f"a projection is a {type(linear).__name__}, of which the weight alone would be taken",
            "merge what was added to it, or remove its parametrization, first",
        )
    return linear


_CALLED = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_ABOUT = ("_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs")
_STATE = ("_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks")


def _with_hooks(made: nn.Module, module: nn.Module, parts: _Parts) -> nn.Module:
    """`made` with the hooks of `module`, which is called alike."""
    if any(getattr(module, name) for name in _STATE):
        raise ConfigError(f"a {type(module).__name__} has hooks on its state", "register them on the new module")
    for name in (*_CALLED, *_ABOUT):
        setattr(made, name, copy.copy(getattr(module, name)) if parts.copied else getattr(module, name))
    made._is_full_backward_hook = module._is_full_backward_hook
    return made


def _nothing_more(module: nn.Module, known: str, *, called: bool) -> None:
    """That a module is made of these parts alone and, unless it is called as before, has no hooks.

    Raises:
        ConfigError: it has more.
    """
    kind = type(module).__name__
    held = {**module._parameters, **module._buffers, **module._modules}
    more = sorted({name for name, part in held.items() if part is not None} - set(known.split()))
    if more or "forward" in vars(module):
        found = ", ".join(more) or "a forward of its own"
        raise ConfigError(f"a {kind} holds {found}, which has no counterpart here", "keep it as it is")
    if not called and any(getattr(module, name) for name in (*_CALLED, *_STATE)):
        raise ConfigError(f"a {kind} has hooks, and is called otherwise here", "remove them; watch() sees its parts")


# From PyTorch --------------------------------------------------------------------------------------------------------


def _attention_from(theirs: Any, parts: _Parts) -> MultiheadAttention:
    ours = _heads_from(theirs, parts, MultiheadAttention, called=True)
    assert isinstance(ours, MultiheadAttention)
    ours.batch_first = theirs.batch_first
    return ours


def _heads_from(theirs: Any, parts: _Parts, kind: type[MultiHead] = MultiHead, *, called: bool = False) -> MultiHead:
    if type(theirs) is not nn.MultiheadAttention:
        raise ConfigError(f"an attention is a {type(theirs).__name__}", "only PyTorch's own has a counterpart")
    if theirs.bias_k is not None or theirs.add_zero_attn:
        raise ConfigError("add_bias_kv and add_zero_attn have no counterpart here", "make the module without them")
    projections = "in_proj_weight q_proj_weight k_proj_weight v_proj_weight in_proj_bias out_proj"
    _nothing_more(theirs, projections, called=called)
    with torch.device("meta"):  # nothing is drawn for weights that are there
        ours = kind(
            theirs.embed_dim,
            theirs.num_heads,
            memory_dim=theirs.kdim,
            values_dim=theirs.vdim,
            projections_bias=theirs.in_proj_bias is not None,
            dropout=theirs.dropout,
        ).train(theirs.training)
    if theirs.in_proj_weight is None:
        weights = [parts.of(w) for w in (theirs.q_proj_weight, theirs.k_proj_weight, theirs.v_proj_weight)]
    else:
        weights = parts.thirds(theirs.in_proj_weight)
    biases = [None] * 3 if theirs.in_proj_bias is None else parts.thirds(theirs.in_proj_bias)
    for projection, weight, bias in zip((ours.q_proj, ours.k_proj, ours.v_proj), weights, biases, strict=True):
        _linear(projection, weight, bias)
    out: Any = _plain(theirs.out_proj)
    assert ours.o_proj is not None
    _linear(ours.o_proj, parts.of(out.weight), parts.of(out.bias))
    return ours


def _block_from(theirs: Any, parts: _Parts, *, called: bool = False) -> Block:
    if type(theirs) not in (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer):
        raise ConfigError(f"a layer is a {type(theirs).__name__}", "only PyTorch's own layers have a counterpart")
    known = "self_attn multihead_attn linear1 linear2 norm1 norm2 norm3 dropout dropout1 dropout2 dropout3 activation"
    _nothing_more(theirs, known, called=called)
    cross = isinstance(theirs, nn.TransformerDecoderLayer)
    between = {_dropped(part) for name, part in theirs.named_children() if name[:-1] == "dropout"}
    if len(between) > 1:
        raise ConfigError("dropout1, dropout2, ... of a layer differ", "a block here has one for all its residuals")
    config = EncoderDecoderConfig(
        d_model=theirs.self_attn.embed_dim,
        attention=AttentionConfig(heads=theirs.self_attn.num_heads),
        feed_forward=FeedForwardConfig(kind=_activation(theirs.activation), d_ff=1),  # what is made is replaced below
        wiring="pre" if theirs.norm_first else "post",
    )
    with torch.device("meta"):
        ours = Block(config, cross=cross).train(theirs.training)
    ((ours.dropout, ours.training),) = between
    ours.self_attention = _heads_from(theirs.self_attn, parts)
    ours.self_attention_norm = parts.of(theirs.norm1)
    if cross:
        ours.cross_attention = _heads_from(theirs.multihead_attn, parts)
        ours.cross_attention_norm = parts.of(theirs.norm2)
    ours.feed_forward.up, ours.feed_forward.down = parts.of(theirs.linear1), parts.of(theirs.linear2)
    ours.feed_forward.dropout, ours.feed_forward.training = _dropped(theirs.dropout)
    ours.feed_forward_norm = parts.of(theirs.norm3 if cross else theirs.norm2)
    return ours


def _dropped(module: nn.Module) -> tuple[float, bool]:
    """(the share that a dropout drops, whether it is in training)."""
    if type(module) not in (nn.Dropout, nn.Identity):
        raise ConfigError(f"a dropout is a {type(module).__name__}", "only nn.Dropout has a counterpart")
    _nothing_more(module, "", called=False)
    return getattr(module, "p", 0.0), module.training


def _activation(found: Any) -> Literal["relu", "gelu"]:
    if isinstance(found, nn.Module):
        _nothing_more(found, "", called=False)
    if found in (F.relu, torch.relu) or type(found) is nn.ReLU:
        return "relu"
    if found is F.gelu or (type(found) is nn.GELU and found.approximate == "none"):
        return "gelu"
    raise ConfigError(f"the activation {found!r} has no counterpart here", "the activations are relu and gelu")


def _layer_from(kind: Callable[..., nn.Module]) -> Callable[[Any, _Parts], nn.Module]:
    def make(theirs: Any, parts: _Parts) -> nn.Module:
        block = parts.once(("block", id(theirs)), lambda: _block_from(theirs, parts, called=True))
        return _of_blocks(kind([block], None, batch_first=theirs.self_attn.batch_first), theirs)

    return make


def _stack_from(kind: Callable[..., nn.Module]) -> Callable[[Any, _Parts], nn.Module]:
    def make(theirs: Any, parts: _Parts) -> nn.Module:
        _nothing_more(theirs, "layers norm", called=True)
        for layer in theirs.layers:  # also where the same layer stands elsewhere, and was made there
            if any(getattr(layer, name) for name in _CALLED):
                _nothing_more(layer, " ".join(layer._modules), called=False)
        blocks = [parts.once(("block", id(x)), lambda x=x: _block_from(x, parts)) for x in theirs.layers]  # type: ignore[misc]
        batch_first = len(blocks) > 0 and theirs.layers[0].self_attn.batch_first
        return _of_blocks(kind(blocks, parts.of(theirs.norm), batch_first=batch_first), theirs)

    return make


def _of_blocks(ours: Any, theirs: nn.Module) -> nn.Module:
    ours.training = ours.blocks.training = theirs.training
    found: nn.Module = ours
    return found


def _transformer_from(theirs: Any, parts: _Parts) -> nn.Module:
    _nothing_more(theirs, "encoder decoder", called=True)
    encoder, decoder = _from(theirs.encoder, parts), _from(theirs.decoder, parts)
    if not isinstance(encoder, TransformerEncoder) or not isinstance(decoder, TransformerDecoder):
        raise ConfigError(
            f"its halves are a {type(theirs.encoder).__name__} and a {type(theirs.decoder).__name__}",
            "they are nn.TransformerEncoder and nn.TransformerDecoder",
        )
    ours = Transformer(encoder, decoder)
    ours.training = theirs.training
    return ours


_FROM: dict[type[nn.Module], Callable[[Any, _Parts], nn.Module]] = {
    nn.MultiheadAttention: _attention_from,
    nn.TransformerEncoderLayer: _layer_from(TransformerEncoderLayer),
    nn.TransformerDecoderLayer: _layer_from(TransformerDecoderLayer),
    nn.TransformerEncoder: _stack_from(TransformerEncoder),
    nn.TransformerDecoder: _stack_from(TransformerDecoder),
    nn.Transformer: _transformer_from,
}


# To PyTorch ----------------------------------------------------------------------------------------------------------


def _attention_to(ours: MultiHead, parts: _Parts, *, batch_first: bool = False) -> nn.Module:
    width, o_proj = ours.q_proj.in_features, ours.o_proj
    missing = {
        "fewer heads of keys and values than of queries": ours.n_kv_heads != ours.n_heads,
        f"the score {type(ours.score).__name__}": not isinstance(ours.score, ScaledDot),
        "attention without an output projection": o_proj is None,
        "heads that do not share d_model": {ours.q_proj.out_features, ours.v_proj.out_features} != {width},
        "norms of queries and keys": ours.q_norm is not None or ours.k_norm is not None,
        "values of an earlier layer": ours.value_share is not None,
    }
    for what, there in missing.items():
        if there:
            raise ConfigError(f"nn.MultiheadAttention knows no {what}", "keep it in clearhead's own form")
    q, k, v, out = (_plain(linear) for linear in (ours.q_proj, ours.k_proj, ours.v_proj, o_proj))
    with torch.device("meta"):
        theirs: Any = nn.MultiheadAttention(
            width,
            ours.n_heads,
            dropout=ours.dropout,
            bias=q.bias is not None,
            kdim=k.in_features,
            vdim=v.in_features,
            batch_first=batch_first,
        ).train(ours.training)
    if theirs.in_proj_weight is None:
        for name, linear in (("q", q), ("k", k), ("v", v)):
            setattr(theirs, f"{name}_proj_weight", parts.of(linear.weight))
    else:
        theirs.in_proj_weight = parts.joined([q.weight, k.weight, v.weight])
    if q.bias is not None:
        theirs.in_proj_bias = parts.joined([q.bias, k.bias, v.bias])
    _linear(theirs.out_proj, parts.of(out.weight), parts.of(out.bias))
    return theirs


def _layer_to(ours: Any, parts: _Parts, *, batch_first: bool) -> nn.Module:
    """The layer of a block."""
    forward, cross = ours.feed_forward, ours.cross_attention is not None
    norms = [ours.self_attention_norm, *([ours.cross_attention_norm] if cross else []), ours.feed_forward_norm]
    if forward.activation not in ("relu", "gelu") or not all(type(norm) is nn.LayerNorm for norm in norms):
        raise ConfigError(
            f"PyTorch's layers know layer norm, relu and gelu, not {type(norms[0]).__name__} and {forward.activation}",
            "keep the model in clearhead's own form",
        )
    for part in (ours, ours.self_attention, ours.cross_attention, forward):
        if part is not None:
            _nothing_more(part, " ".join([*part._modules, *part._parameters]), called=False)
    up, down = _plain(forward.up), _plain(forward.down)
    kind = nn.TransformerDecoderLayer if cross else nn.TransformerEncoderLayer
    with torch.device("meta"):
        theirs: Any = kind(
            up.in_features,
            ours.self_attention.n_heads,
            up.out_features,
            dropout=ours.dropout,
            activation=forward.activation,
            batch_first=batch_first,
            norm_first=ours.pre,
        ).train(ours.training)
    theirs.self_attn = _attention_to(ours.self_attention, parts, batch_first=batch_first)
    if cross:
        theirs.multihead_attn = _attention_to(ours.cross_attention, parts, batch_first=batch_first)
    theirs.linear1, theirs.linear2 = parts.of(up), parts.of(down)
    theirs.dropout.p, theirs.dropout.training = forward.dropout, forward.training
    for number, norm in enumerate(norms, 1):
        setattr(theirs, f"norm{number}", parts.of(norm))
    return theirs


def _stack_to(ours: Any, parts: _Parts) -> nn.Module:
    layers = [
        parts.once(("layer", id(block)), lambda block=block: _layer_to(block, parts, batch_first=ours.batch_first))  # type: ignore[misc]
        for block in ours.blocks
    ]
    if isinstance(ours, TransformerDecoder):
        stack: Any = nn.TransformerDecoder(layers[0], 0)  # type: ignore[arg-type]
    else:
        stack = nn.TransformerEncoder(layers[0], 0, enable_nested_tensor=False)  # type: ignore[arg-type]
    stack.layers, stack.norm, stack.num_layers = nn.ModuleList(layers), parts.of(ours.norm), len(layers)
    stack.training = stack.layers.training = ours.training
    return stack


def _transformer_to(ours: Transformer, parts: _Parts) -> nn.Module:
    theirs = nn.Transformer(
        ours.d_model,
        ours.nhead,
        custom_encoder=nn.Identity(),
        custom_decoder=nn.Identity(),
        batch_first=ours.batch_first,
    )
    # The constructor would draw their weights anew.
    theirs.encoder, theirs.decoder = (_with_hooks(_stack_to(x, parts), x, parts) for x in (ours.encoder, ours.decoder))
    theirs.training = ours.training
    return theirs


def _one_layer_to(ours: Any, parts: _Parts) -> nn.Module:
    return _layer_to(ours.blocks[0], parts, batch_first=ours.batch_first)


_TO: dict[type[nn.Module], Callable[[Any, _Parts], nn.Module]] = {
    MultiheadAttention: lambda ours, parts: _attention_to(ours, parts, batch_first=ours.batch_first),
    TransformerEncoderLayer: _one_layer_to,
    TransformerDecoderLayer: _one_layer_to,
    TransformerEncoder: _stack_to,
    TransformerDecoder: _stack_to,
    Transformer: _transformer_to,
}
