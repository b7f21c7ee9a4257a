"""Reversible rules between another library's configuration and ours: each says both directions.

    Field("hidden_size", "d_model")                        the same value under two names
    Named("hidden_act", "feed_forward.kind", {...})        the same choice under two names
    Must("is_decoder", False)                              a key that must say this, or be absent
    Always("wiring", "post")                               what all models of a family choose, and none of theirs says

Ours are named with dots (`attention.heads`). A key that no rule knows and that says anything is refused by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from clearhead.errors import ConfigError, given
from clearhead.parsing import Json

__all__ = [
    "NEEDED",
    "Always",
    "Classes",
    "ConfigRule",
    "Derived",
    "Field",
    "Must",
    "Named",
    "Repeats",
    "flat",
    "harmless",
    "read_config",
    "value_of",
    "write_config",
]

NEEDED = object()  # a key that has to be there
_INTACT = "take the whole config.json of the model"
_OTHER = "take a model without it"


class ConfigRule(Protocol):
    """What a rule must answer."""

    @property
    def keys(self) -> Sequence[str]:
        """Their keys that it understands."""
        ...

    def ours(self, theirs: Json) -> Json:
        """Our values, by dotted names.

        Raises:
            ConfigError: theirs say what we do not have.
        """
        ...

    def theirs(self, ours: Json) -> Json:
        """Their values of our configuration, by dotted names."""
        ...


@dataclass(frozen=True)
class Field:
    """One value under two names; `default` is what theirs mean where the key is absent."""

    their_key: str
    our_name: str
    default: object = NEEDED

    @property
    def keys(self) -> Sequence[str]:
        return [self.their_key]

    def ours(self, theirs: Json) -> Json:
        return {self.our_name: value_of(theirs, self.their_key, self.default)}

    def theirs(self, ours: Json) -> Json:
        return {self.their_key: ours[self.our_name]}


@dataclass(frozen=True)
class Named:
    """One choice that has other names; of several of theirs for one of ours the first is written."""

    their_key: str
    our_name: str
    names: Mapping[Any, object]
    default: object = NEEDED

    @property
    def keys(self) -> Sequence[str]:
        return [self.their_key]

    def ours(self, theirs: Json) -> Json:
        value = value_of(theirs, self.their_key, self.default)
        if not isinstance(value, str | bool | int | None) or value not in self.names:
            known = ", ".join(map(str, self.names))
            raise ConfigError(f"{self.their_key} is {given(value)}, which is not known here", f"known are {known}")
        return {self.our_name: self.names[value]}

    def theirs(self, ours: Json) -> Json:
        for theirs, value in self.names.items():
            if value == ours[self.our_name]:
                return {self.their_key: theirs}
        return {}  # what is read back tells that they have no such choice


class Must:
    """A key that must have one of these values, or be absent; the first is written."""

    def __init__(self, key: str, *values: object):
        self.key, self.values = key, values

    @property
    def keys(self) -> Sequence[str]:
        return [self.key]

    def ours(self, theirs: Json) -> Json:
        if self.key in theirs and theirs[self.key] not in self.values:
            wanted = " or ".join(repr(value) for value in self.values)
            raise ConfigError(f"{self.key} is {given(theirs[self.key])}; clearhead has only {wanted}", _OTHER)
        return {}

    def theirs(self, ours: Json) -> Json:
        return {} if self.values[0] is None else {self.key: self.values[0]}


class Classes:
    """How many classes a classifier has: as many as `id2label` names, which is carried along."""

    keys: Sequence[str] = ("num_labels",)

    def ours(self, theirs: Json) -> Json:
        labels = theirs.get("id2label") or {str(i): "" for i in range(theirs.get("num_labels") or 2)}
        if not isinstance(labels, Mapping):
            raise ConfigError(f"id2label is {given(labels)}", _INTACT)
        return {"readout.classes": len(labels)}

    def theirs(self, ours: Json) -> Json:
        names = [f"LABEL_{i}" for i in range(ours["readout.classes"])]
        return {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}


@dataclass(frozen=True)
class Repeats:
    """A key that repeats what another one says; it is not read, and not written."""

    key: str

    @property
    def keys(self) -> Sequence[str]:
        return [self.key]

    def ours(self, theirs: Json) -> Json:
        return {}

    def theirs(self, ours: Json) -> Json:
        return {}


class Always:
    """A choice that all models of a family make: none of their keys says it."""

    keys: Sequence[str] = ()

    def __init__(self, name: str, value: object):
        self.name, self.value = name, value

    def ours(self, theirs: Json) -> Json:
        return {self.name: self.value}

    def theirs(self, ours: Json) -> Json:
        return {}


@dataclass(frozen=True)
class Derived:
    """Keys that say something only together: a function for each direction."""

    their_keys: Sequence[str]
    to_ours: Callable[[Json], Json]
    to_theirs: Callable[[Json], Json]

    @property
    def keys(self) -> Sequence[str]:
        return self.their_keys

    def ours(self, theirs: Json) -> Json:
        return self.to_ours(theirs)

    def theirs(self, ours: Json) -> Json:
        return self.to_theirs(ours)


def value_of(theirs: Json, key: str, default: object = NEEDED) -> Any:
    """The value of a key.

    Raises:
        ConfigError: it is absent, and nothing is meant by that.
    """
    if theirs.get(key) is None and default is not NEEDED:
        return default
    if key not in theirs:
        raise ConfigError(f"the configuration has no {key}", _INTACT)
    return theirs[key]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OF_GENERATION = _names(
    "max_length max_new_tokens min_length do_sample early_stopping num_beams num_beam_groups diversity_penalty "
    "temperature top_k top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size num_return_sequences "
    "encoder_no_repeat_ngram_size bad_words_ids suppress_tokens begin_suppress_tokens forced_bos_token_id "
    "forced_eos_token_id remove_invalid_values exponential_decay_length_penalty return_dict_in_generate "
    "output_scores bos_token_id eos_token_id pad_token_id sep_token_id unk_token_id cls_token_id mask_token_id "
    "decoder_start_token_id"
)
_OF_TRAINING = _names(
    "initializer_range initializer_factor initializer_cutoff_factor init_std attention_dropout attn_pdrop resid_pdrop "
    "embd_pdrop hidden_dropout dropout hidden_dropout_prob attention_probs_dropout_prob dropout_rate qa_dropout "
    "activation_dropout classifier_dropout classif_dropout seq_classif_dropout embedding_dropout mlp_dropout "
    "encoder_layerdrop decoder_layerdrop layerdrop gradient_checkpointing problem_type label2id id2label num_labels "
    "task_specific_params finetuning_task summary_type summary_use_proj summary_activation summary_proj_to_labels "
    "summary_first_dropout sparse_prediction sparse_pred_ignore_index"
)
_OF_THE_PROGRAM = _names(
    "model_type architectures auto_map vocab_size dtype torch_dtype transformers_version use_cache output_attentions "
    "output_hidden_states return_dict torchscript use_bfloat16 chunk_size_feed_forward pretraining_tp tokenizer_class "
    "prefix deterministic_flash_attn reference_compile repad_logits_with_grad compile_model"
)
_CARRIED = _OF_GENERATION | _OF_TRAINING | _OF_THE_PROGRAM
_NOTHING: tuple[object, ...] = (None, False, "", [], {})


def harmless(theirs: Json, rules: Iterable[ConfigRule]) -> Json:
    """Their keys that no rule knows, and that change no number of a pass.

    Raises:
        ConfigError: a key changes what the model computes, and is not understood.
    """
    known, left = {key for rule in rules for key in rule.keys}, {}
    for key, value in theirs.items():
        if key in known:
            continue
        says = not any(value is nothing or (value == nothing and type(value) is type(nothing)) for nothing in _NOTHING)
        if says and key not in _CARRIED and not key.startswith("_"):
            fix = f"{_OTHER}; if it changes no number, take it out of the configuration"
            raise ConfigError(f"{key} is {given(value)}, which is not known here", fix)
        left[key] = value
    return left


def read_config(theirs: Json, rules: Sequence[ConfigRule]) -> Json:
    """Our configuration, nested.

    Raises:
        ConfigError: a key changes what the model computes, and is not understood; or one is missing.
    """
    harmless(theirs, rules)
    ours: dict[str, Any] = {}
    for rule in rules:
        for name, value in rule.ours(theirs).items():
            *sections, last = name.split(".")
            section = ours
            for part in sections:
                section = section.setdefault(part, {})
            section[last] = value
    return ours


def write_config(ours: Json, rules: Iterable[ConfigRule]) -> Json:
    """Their configuration of ours, by dotted names."""
    return {key: value for rule in rules for key, value in rule.theirs(ours).items()}


def flat(ours: Json) -> dict[str, object]:
    """A configuration by dotted names."""
    found: dict[str, object] = {}
    for name, value in ours.items():
        found |= (
            {f"{name}.{inner}": x for inner, x in flat(value).items()} if isinstance(value, Mapping) else {name: value}
        )
    return found
