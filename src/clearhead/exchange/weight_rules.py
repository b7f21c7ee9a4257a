"""Reversible rules between the tensors of another library's model and ours: each says both directions.

    WeightRule("encoder.layer.{}.attention.self.query", ["encoder.blocks.{}.self_attention.q_proj"])
    WeightRule("h.{}.attn.c_attn", [q_proj, k_proj, v_proj], turned=True)      theirs holds three of ours, transposed
    WeightRule("cls.predictions.bias", ["readout.head.bias"], kinds=[""])      a whole name, no weight and bias

{} is the number of a block. Names are matched whole, so a rule that was applied does not apply to what it made.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from clearhead.errors import ConfigError

__all__ = ["Tensors", "WeightRule", "read_weights", "write_weights"]

_CONFIG = "take the config.json that belongs to these weights"


class Tensors(Protocol):
    """Tensors by name, of which one is read at a time."""

    def __iter__(self) -> Iterator[str]: ...

    def __contains__(self, name: object) -> bool: ...

    def __getitem__(self, name: str) -> Tensor: ...

    def once(self, name: str) -> Tensor:
        """The same, good until the next one is read."""
        ...


@dataclass(frozen=True)
class WeightRule:
    """One of their modules, which is one of ours or several.

    Args:
        their_name: of their module.
        our_names: of ours; of several, theirs holds the numbers of each below those of the one before.
        turned: whether they keep a matrix as [inputs, outputs].
        kinds: the last parts of the tensors' names; "": the names are whole.
        row: whether theirs is [1, n] where ours is [n].
        beside, alone: another of our modules, which must be there, or must not, for the rule to hold.
    """

    their_name: str
    our_names: Sequence[str]
    turned: bool = False
    kinds: Sequence[str] = ("weight", "bias")
    row: bool = False
    beside: str = ""
    alone: str = ""

    def match(self, name: str, ours: Container[str]) -> tuple[str, str, int] | None:
        """(the number of the block, kind, which of our names it is) of one of our tensors, if the rule is for it.

        Args:
            ours: the names of all of them.
        """
        for part, pattern in enumerate(self._patterns):
            if found := pattern.fullmatch(name):
                block = found["block"] if "block" in pattern.groupindex else ""
                there = [f"{other.replace('{}', block)}.weight" in ours for other in (self.beside, self.alone)]
                if there[0] >= bool(self.beside) and not there[1]:
                    return block, found["kind"], part
        return None

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        kinds = "|".join(f"[.]{kind}" if kind else "" for kind in self.kinds)
        whole = [re.escape(name).replace(re.escape("{}"), r"(?P<block>\d+)") for name in self.our_names]
        return [re.compile(f"{name}(?P<kind>{kinds})") for name in whole]

    def name(self, block: str, kind: str) -> str:
        """The name of one of their tensors."""
        return self.their_name.replace("{}", block) + kind

    def ours(self, block: str, kind: str) -> list[str]:
        """The names of our tensors that one of theirs holds."""
        return [name.replace("{}", block) + kind for name in self.our_names]

    def read(self, x: Tensor, part: int, rows: Sequence[int]) -> Tensor:
        """One of our tensors, out of theirs; `rows`: how many rows each of ours has."""
        x = x[0] if self.row else x
        x = x.T if self.turned and x.ndim == 2 else x
        if len(self.our_names) > 1:
            if x.size(0) != sum(rows):
                return x  # whoever compares shapes says so
            x = x.split(list(rows))[part]
        return x.contiguous()

    def write(self, xs: Sequence[Tensor]) -> Tensor:
        """Their tensor of ours."""
        x = torch.cat(list(xs)) if len(xs) > 1 else xs[0]
        x = x.T.contiguous() if self.turned and x.ndim == 2 else x
        return x[None] if self.row else x


def read_weights(
    shapes: Mapping[str, Sequence[int]], rules: Sequence[WeightRule], theirs: Tensors
) -> Iterator[tuple[str, Tensor, str]]:
    """(our name, tensor, their name) of every tensor of our model.

    Args:
        shapes: of all tensors of our model.

    Raises:
        ConfigError: one is missing, has another shape, or no rule is for it.
    """
    for name, shape in shapes.items():
        rule, block, kind, part = _rule(name, rules, shapes)
        their_name = rule.name(block, kind)
        if their_name not in theirs:
            raise ConfigError(f"the weights lack {their_name}", "take the whole model, and its own config.json")
        rows = [shapes[other][0] if other in shapes else 0 for other in rule.ours(block, kind)]
        given = theirs.once(their_name) if rule.turned and kind == ".weight" else theirs[their_name]
        x = rule.read(given, part, rows)
        if list(x.shape) != list(shape):
            problem = f"{their_name} is {list(given.shape)}, which does not make {name} {list(shape)}"
            raise ConfigError(problem, _CONFIG)
        yield name, x, their_name


def write_weights(ours: Mapping[str, Tensor], rules: Sequence[WeightRule]) -> dict[str, Tensor]:
    """Their tensors of all of ours.

    Raises:
        ConfigError: no rule is for one.
    """
    found: dict[str, Tensor] = {}
    for name in ours:
        rule, block, kind, _ = _rule(name, rules, ours)
        if (their_name := rule.name(block, kind)) not in found:
            found[their_name] = rule.write([ours[other] for other in rule.ours(block, kind)])
    return found


def _rule(name: str, rules: Sequence[WeightRule], ours: Container[str]) -> tuple[WeightRule, str, str, int]:
    for rule in rules:
        if found := rule.match(name, ours):
            return rule, *found
    raise ConfigError(f"{name} has no place in this family", "leave that part of the architecture out")
