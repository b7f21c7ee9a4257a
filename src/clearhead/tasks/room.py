"""Whether a model fits: into this machine, and its weights into it; known before it is made."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from clearhead.errors import ConfigError, FolderError
from clearhead.fields import INTACT
from clearhead.folder import Folder
from clearhead.models.architecture import DecoderConfig, EncoderConfig, EncoderDecoderConfig, TransformerConfig
from clearhead.models.decoder import Decoder
from clearhead.models.encoder import Encoder
from clearhead.models.encoder_decoder import EncoderDecoder

__all__ = ["check_room", "fitted", "known_sizes", "outline"]

_SMALLER = "make it smaller, above all --arch.d-model"
M = TypeVar("M", bound=nn.Module)


class _Shapes(TorchFunctionMode):
    """Numbers of a module are neither drawn nor worked out: on "meta" that needs a second of imports, for nothing."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        name = func.__name__
        fills = name.endswith("_") and not name.startswith("__") and name != "requires_grad_"
        if fills or name in ("mul", "__rmul__"):
            return next(value for value in (*args, *(kwargs or {}).values()) if isinstance(value, torch.Tensor))
        return (torch.empty if func is torch.randn else func)(*args, **(kwargs or {}))


def outline(make: Callable[[], M]) -> M:
    """The module that `make` makes, with all shapes and no numbers: it takes no memory.

    Raises:
        ConfigError: a matrix of it would have more numbers than can be counted.
    """
    try:
        with torch.device("meta"), _Shapes():
            return make()
    except RuntimeError as error:  # the product of its sizes
        raise ConfigError(f"the model does not fit into memory: {str(error).partition('.')[0]}", _SMALLER) from error


def known_sizes(arch: TransformerConfig, vocab_size: int) -> dict[str, object]:
    """What a model of this architecture takes, counted without making it."""
    if isinstance(arch, EncoderDecoderConfig):
        module: nn.Module = outline(lambda: EncoderDecoder(arch, vocab_size, vocab_size))
        blocks = arch.decoder_layers or arch.layers
    elif isinstance(arch, DecoderConfig):
        module, blocks = outline(lambda: Decoder(arch, vocab_size)), arch.layers
    else:
        assert isinstance(arch, EncoderConfig), "there are three kinds"
        module, blocks = outline(lambda: Encoder(arch, vocab_size)), 0
    parameters = sum(p.numel() for p in module.parameters())
    kept = arch.attention.remembered(arch.d_model) * blocks * arch.max_len
    return {
        "parameters": parameters,
        "layers": len([name for name, _ in module.named_modules() if name.endswith("self_attention")]),
        "d_model": arch.d_model,
        "heads": arch.attention.heads,
        "key/value heads": arch.attention.kv_heads or arch.attention.heads,
        "d_ff": arch.feed_forward.d_ff,
        "vocabulary": vocab_size,
        "longest text": arch.max_len,
        "float32": _gigabytes(4 * parameters),
        "bfloat16": _gigabytes(2 * parameters),
        "cache, bfloat16": _gigabytes(2 * kept) if kept else "none",
        "training, AdamW": _gigabytes(16 * parameters),
    }


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.2f} GB" if size < 1e11 else f"{size / 1e9:,.0f} GB"


def check_room(make: Callable[[], nn.Module]) -> None:
    """Count the parameters of the model that `make` makes, without making them.

    Raises:
        ConfigError: this machine has no memory for so many.
    """
    if problem := _too_large(outline(make)):
        raise ConfigError(problem, _SMALLER)


def fitted(folder: Folder, arch: object, make: Callable[[], M], name: str = "model.safetensors") -> M:
    """The model of an architecture, which `make` makes, with the weights of a file in its folder.

    It is made once it is known that the file holds its weights and the machine has room for them: a configuration
    alone, whatever it says, costs nothing.

    Raises:
        FolderError: the configuration is impossible, or the weights are missing, damaged or of another model.
    """
    blocks = max(getattr(arch, "layers", 1), getattr(arch, "decoder_layers", None) or 1)
    tensors = len(folder.shapes(name))
    if blocks > tensors:  # an outline of very many takes its time
        problem = f"the weights do not fit the model: arch.layers is {blocks}, and the file has {tensors} tensors"
        raise FolderError(problem, "the files are of two models; copy one model folder whole", file=folder.path / name)
    try:
        shapes = outline(make)
    except ConfigError as error:
        raise FolderError(error.problem, INTACT, file=folder.path / "config.json") from error
    folder.compare(shapes, name)
    if problem := _too_large(shapes):
        raise FolderError(problem, "take a machine with more", file=folder.path / name)
    module = make()
    folder.load_into(module, name)
    return module


def _too_large(module: nn.Module) -> str:
    """Why the numbers of a module have no place in this machine's memory, or ""."""
    count = sum(p.numel() for p in module.parameters())
    kept = sum(b.numel() for b in module.buffers())  # waves of positions
    needed, there = 4 * (count + kept), _memory()
    if needed <= there:
        return ""
    return (
        f"the model does not fit into memory: its {count:,} parameters take about {needed / 1e9:,.0f} GB before "
        f"anything is learned, and this machine has {there / 1e9:,.0f} GB"
    )


def _memory() -> float:
    """Bytes of this machine's memory; infinite where the system does not tell."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # Windows, some others
        return float("inf")
