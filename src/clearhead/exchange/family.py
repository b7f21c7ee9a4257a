"""A family of models of another library: which of its configurations and tensors are which of ours, and back.

    family.configure(config)              ->  DescribedModel: our architecture, class and task, what is carried on
    family.read(described, tensors)       ->  our module
    family.write(module, task, carried)   ->  their configuration and tensors

Nothing of the other library is imported. No number of a module that was read is left to chance: it is made without
numbers, and each tensor has to be there, in its shape; what is left over is refused by its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from clearhead.attention import Rotary, Sinusoidal
from clearhead.errors import ConfigError, given
from clearhead.exchange.checkpoint import Checkpoint
from clearhead.exchange.config_rules import ConfigRule, flat, harmless, read_config, write_config
from clearhead.exchange.weight_rules import WeightRule, read_weights, write_weights
from clearhead.folder import unshared
from clearhead.models.architecture import TransformerConfig
from clearhead.parsing import Json

__all__ = ["DescribedModel", "Family", "Kind"]

_NO_NUMBER = ("dropout", "attention.dropout", "preset", "zero_init")  # of a pass
_LAYER_NORM = re.compile(r"(?<=LayerNorm\.)(gamma|beta)$")  # as the first versions named them
_OF_TODAY = {"gamma": "weight", "beta": "bias"}
_LARGEST_VOCABULARY = 10_000_000


@dataclass(frozen=True)
class Kind:
    """One of a family's classes: what stands on the body that all share.

    Args:
        tasks: what it is for here, first of all and else.
        config, weights: further rules; `body`: those of weights that are named like the body's.
        copies: names of tensors that repeat another one, which files may hold as well.
        unused: tensors of other classes that files of this one hold, as beginnings of names.
        bare: whether the names of the body stand without the family's prefix.
        needs: a tensor without which a file is of another kind of the same class.
    """

    tasks: Sequence[str]
    config: Sequence[ConfigRule] = ()
    weights: Sequence[WeightRule] = ()
    body: Sequence[WeightRule] = ()
    copies: Mapping[str, str] = field(default_factory=dict)
    unused: Sequence[str] = ()
    bare: bool = False
    needs: str = ""


@dataclass(frozen=True)
class DescribedModel:
    """What a configuration says: our architecture and vocabulary, its class, and theirs, which is carried along."""

    arch: TransformerConfig
    vocab_size: int
    kind: Kind
    carried: Json


@dataclass(frozen=True)
class Family:
    """A family of models.

    Args:
        name: their `model_type`.
        arch: our architecture.
        make: our module of an architecture and the size of a vocabulary.
        kinds: its classes, as in their `architectures`, and the kinds of each: the first that fits is taken.
        config, weights: rules for the body.
        prefix: of the names of the body in classes with something on it.
        ignored: names of buffers that older versions saved, and nobody reads, as regular expressions.
        waves: of tensors that are computed and saved all the same, which of our buffers each is.
    """

    name: str
    arch: type[TransformerConfig]
    make: Callable[[Any, int], nn.Module]
    kinds: Mapping[str, Sequence[Kind]]
    config: Sequence[ConfigRule]
    weights: Sequence[WeightRule]
    prefix: str = ""
    ignored: Sequence[str] = ()
    waves: Mapping[str, str] = field(default_factory=dict)

    def configure(self, theirs: Json, tensors: Iterable[str], task: str | None = None) -> DescribedModel:
        """Their configuration as ours.

        Args:
            tensors: the names of the weights, which say of some classes what stands on the body.
            task: what the model is to do; None: what its class is for.

        Raises:
            ConfigError: it says what we do not have, or is not a whole configuration.
        """
        names = {self._plain(name) for name in tensors}
        kinds = self.kinds[self._class(theirs, task)]
        kind = next((kind for kind in kinds if not kind.needs or kind.needs in names), kinds[-1])
        ours = read_config(theirs, [*self.config, *kind.config])
        vocab_size = theirs.get("vocab_size")
        if type(vocab_size) is not int or not 0 < vocab_size <= _LARGEST_VOCABULARY:
            raise ConfigError(f"vocab_size is {given(vocab_size)}", "take the whole config.json of the model")
        try:
            return DescribedModel(self.arch.model_validate(ours), vocab_size, kind, dict(theirs))
        except ValidationError as error:
            said = error.errors()[0]
            problem = f"{'.'.join(map(str, said['loc']))}: {said['msg'].removeprefix('Value error, ')}"
            fix = "take the whole config.json of the model"
            raise ConfigError(f"this is not a configuration of a model: {problem}", fix) from error

    def _class(self, theirs: Json, task: str | None) -> str:
        named = theirs.get("architectures") or []
        if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
            raise ConfigError(f"architectures is {given(named)}", "take the whole config.json of the model")
        tasks = {name: kinds[0].tasks for name, kinds in self.kinds.items()}
        every = dict.fromkeys(one for some in tasks.values() for one in some)
        if task is not None and task not in every:
            does = " or ".join(every)
            raise ConfigError(f"a {self.name} model cannot {task}", f"it can {does}")
        for name in named:
            if name in tasks and task in (None, *tasks[name]):
                return name
        if named and task is None:
            known = ", ".join(self.kinds)
            raise ConfigError(f"the architecture {named[0]!r} is not known here", f"of {self.name} known are {known}")
        return next(name for name, its in tasks.items() if task in (None, *its))

    def _plain(self, name: str) -> str:
        """The name of a tensor as it is written today, without the prefix of the body."""
        return _LAYER_NORM.sub(lambda found: _OF_TODAY[found[1]], name).removeprefix(self.prefix)

    def read(
        self,
        described: DescribedModel,
        theirs: Mapping[str, Tensor] | Checkpoint,
        dtype: torch.dtype | None = torch.float32,
    ) -> nn.Module:
        """Our module of their tensors, in evaluation mode.

        Args:
            dtype: of its numbers; None: as they are stored.

        Raises:
            ConfigError: a tensor is missing, has another shape, or has no place.
        """
        kind, known = described.kind, _Renamed(theirs, self._plain, self.ignored)
        with torch.device("meta"):
            module = self.make(described.arch, described.vocab_size).eval()
        shapes = {name: list(x.shape) for name, x in unshared(module).items()}
        used, found = set(), dict[str, Tensor]()
        for name, x, their_name in read_weights(shapes, [*self.weights, *kind.body, *kind.weights], known):
            used.add(their_name)
            found[name] = x if dtype is None else x.to(dtype)
        _assign(module, found)
        for name, ours in self.waves.items():
            if name in known and not torch.allclose(known[name].float(), module.get_buffer(ours).float(), atol=1e-5):
                raise ConfigError(f"{name} is not what this family computes for it", "take the model as it was saved")
            used.add(name)
        _check_left(known, used, kind)
        return module

    def write(
        self, module: Any, class_name: str, carried: Json, vocab_size: int
    ) -> tuple[dict[str, object], dict[str, Tensor]]:
        """(their config.json, their tensors) of our module, as one of their classes.

        Raises:
            ConfigError: a part of the model is in no such family.
        """
        state, refusal = unshared(module), None
        for kind in self.kinds[class_name]:
            config = write_config(_written_out(module.config), [*self.config, *kind.config])
            own = {"model_type": self.name, "architectures": [class_name], "vocab_size": vocab_size}
            theirs = {**carried, **own}  # their own words, where they still say all
            if not carried or self._difference(module.config, theirs, kind) is not None:
                theirs = {**harmless(carried, [*self.config, *kind.config]), **config, **own}
            refusal = self._difference(module.config, theirs, kind)
            if refusal is None:
                break
        if refusal is not None:
            raise refusal
        rules = [*self.weights, *kind.body]
        body = {name: x for name, x in state.items() if any(rule.match(name, state) for rule in rules)}
        head = {name: x for name, x in state.items() if name not in body}
        prefix = "" if kind.bare else self.prefix
        waves = {name: module.get_buffer(ours).to(module.device) for name, ours in self.waves.items()}
        tensors = {f"{prefix}{name}": x for name, x in (write_weights(body, rules) | waves).items()}
        return theirs, tensors | write_weights(head, kind.weights)

    def _difference(self, config: TransformerConfig, theirs: Json, kind: Kind) -> ConfigError | None:
        """What the model is and their configuration does not say: what is read back of it is something else."""
        back = _written_out(self.arch.model_validate(read_config(theirs, [*self.config, *kind.config])))
        for name, value in _written_out(config).items():
            if name not in _NO_NUMBER and back.get(name) != value:
                return ConfigError(
                    f"{name} is {value}, in a {self.name} model it is {back.get(name)}",
                    f"train with --arch.{name.replace('_', '-')} {str(back.get(name)).lower()}, or take another form",
                )
        return None


def _written_out(config: TransformerConfig) -> dict[str, object]:
    """What a configuration chooses, by dotted names, with what is meant where nothing is said."""
    chosen = flat(config.model_dump(mode="json"))
    attention, norm = config.attention, config.norm
    head_dim, v_head_dim = attention.widths(config.d_model)
    chosen |= {"attention.kv_heads": attention.kv_heads or attention.heads, "attention.head_dim": head_dim}
    if "decoder_layers" in chosen:
        chosen["decoder_layers"] = chosen["decoder_layers"] or chosen["layers"]
    return chosen | {"attention.v_head_dim": v_head_dim, "norm.eps": norm.eps or (1e-6 if norm.kind == "rms" else 1e-5)}


class _Renamed:
    """Their tensors without the prefix of the body, under the names of today."""

    def __init__(self, tensors: Mapping[str, Tensor] | Checkpoint, plain: Callable[[str], str], ignored: Sequence[str]):
        self._tensors = tensors
        self._names: dict[str, str] = {}
        for name in tensors:
            new = plain(name)
            if any(re.fullmatch(pattern, new) for pattern in ignored):
                continue
            if new in self._names:
                raise ConfigError(f"{name} and {self._names[new]} are one tensor", "take the whole model again")
            self._names[new] = name

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[self._names[name]]

    def once(self, name: str) -> Tensor:
        """The same, good until the next one is read."""
        tensors = self._tensors
        return tensors.once(self._names[name]) if isinstance(tensors, Checkpoint) else self[name]


def _check_left(theirs: _Renamed, used: set[str], kind: Kind) -> None:
    """Whether what was not read repeats what was, or belongs to other classes."""
    for name in theirs:
        if name in used or name.startswith(tuple(kind.unused)):
            continue
        if kind.copies.get(name) not in theirs:
            problem = f"the weights have {name}, for which a model of this configuration has no place"
            raise ConfigError(problem, "take the config.json that belongs to them")
        if not torch.equal(theirs[name], theirs[kind.copies[name]]):
            problem = f"{name} is not {kind.copies[name]}, and by the configuration the two are one"
            raise ConfigError(problem, "take the config.json that belongs to the weights (tie_word_embeddings)")


def _assign(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give an outline its numbers; parameters that are one stay one."""
    owners: dict[int, list[tuple[nn.Module, str]]] = {}
    for owner in module.modules():
        for name, parameter in owner._parameters.items():
            if parameter is not None:
                owners.setdefault(id(parameter), []).append((owner, name))
    named = dict(module.named_parameters())
    for name, x in tensors.items():
        parameter = nn.Parameter(x, requires_grad=x.is_floating_point())
        for owner, own in owners[id(named[name])]:
            owner._parameters[own] = parameter
    for part in module.modules():
        if isinstance(part, Sinusoidal | Rotary):
            part.fill()
