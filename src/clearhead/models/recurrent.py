"""The recurrent encoder-decoder: what attention was invented for, and what it has replaced.

    encoder     a recurrent network from each end, side by side                   (Schuster and Paliwal, 1997)
    none        s_t = rnn([y_t; c], s_t-1), c one fixed vector of the source      (Cho et al., 2014)
    bahdanau    c_t = attend(s_t-1) before the step;  s_t = rnn([y_t; c_t], s_t-1)     (Bahdanau et al., 2015)
    luong       s_t = rnn([y_t; out_t-1], s_t-1);  c_t = attend(s_t) after it             (Luong et al., 2015)
                out_t = tanh(W [s_t; c_t]), and y_t beside them where c_t came before the step

It attends through the transformer's own `MultiHead`, one act a step. Token ids in, logits out; never text.
Axes: batch, src_tokens, tgt_tokens, d_model, d_memory (2 d_model: both directions), layers, vocab.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from clearhead.attention import MemoryCache, MultiHead, Where
from clearhead.attention.dropout import dropout
from clearhead.formula import Place, Value, copy, linear, side_by_side
from clearhead.look import see
from clearhead.models.architecture import RecurrentConfig
from clearhead.models.layers import LOGITS, TokenEmbedding, read_off
from clearhead.models.recurrence import Network, recur, state_formulas, steps_of
from clearhead.models.recurrent_state import RecurrentCache, RecurrentMemory, State

__all__ = ["RecurrentDecoder", "RecurrentEncoder", "RecurrentEncoderDecoder"]

_ENDS = {"ends": True}  # rows that are read of the source in one vector: what each direction says at its end


class RecurrentEncoder(nn.Module):
    """Layers of two recurrent networks each, one from each end. Vectors in, vectors out."""

    sees = {"embedded": ("batch tokens d_model", "embedded: what the first block reads")}

    def __init__(self, config: RecurrentConfig):
        super().__init__()
        self.dropout = config.dropout
        widths = [config.d_model] + [2 * config.d_model] * (config.layers - 1)
        self.blocks = nn.ModuleList(BothEnds(config, width) for width in widths)

    def forward(
        self, x: Float[Tensor, "batch tokens d_model"], lengths: Int[Tensor, " batch"] | None
    ) -> tuple[Float[Tensor, "batch tokens d_memory"], Float[Tensor, "batch d_memory"]]:
        """(the states of the last layer, the last state of each of its directions); padding stands at the end."""
        x = see("embedded", dropout(x, self.dropout, self.training))
        back, last = _turned(x, lengths)
        for i, block in enumerate(self.blocks):
            x = block(dropout(x, self.dropout, self.training) if i else x, back)
        half = x.size(2) // 2
        if not x.size(1):
            return x, x.new_zeros(len(x), x.size(2))
        return x, torch.cat([x[torch.arange(len(x)), last, :half], x[:, 0, half:]], dim=1)

    def formulas(self, place: Place, x: Value) -> Value:
        """How what it shows comes about."""
        x = place.see("embedded", copy("the token embeddings", x), text=x.text)
        for i, block in enumerate(self.blocks):
            x = place.under(f"blocks.{i}", block=i).state(block, x)
        return x


class BothEnds(nn.Module):
    """One layer: a network that reads from the first token, and one that reads from the last."""

    sees = {"states": ("batch tokens d_memory", "states of the recurrent network")}

    def __init__(self, config: RecurrentConfig, width: int):
        super().__init__()
        self.forwards, self.backwards = _network(config, width, 1), _network(config, width, 1)
        self.sees = {**_seen(self.forwards, ["forwards", "backwards"]), **self.sees}

    def forward(self, x: Float[Tensor, "batch tokens width"], back: Tensor) -> Float[Tensor, "batch tokens d_memory"]:
        """Both directions' states side by side; `back` [batch, tokens] reads each row from its last real token."""
        rows = torch.arange(len(x), device=x.device)[:, None]
        ahead, _ = recur(self.forwards, x, None, ["forwards"], len(x))
        turned, _ = recur(self.backwards, x[rows, back], None, ["backwards"], len(x))
        return see("states", torch.cat([ahead, turned[rows, back]], dim=-1))

    def formulas(self, place: Place, x: Value) -> Value:
        """How what it shows comes about."""
        sides = []
        for name, network, shift in (("forwards", self.forwards, -1), ("backwards", self.backwards, 1)):
            own = place.under(name, part=name, backwards=shift > 0)
            before = Value(own.name("state"), x.text, rows={"shift": shift})
            sides.append(state_formulas(own, network, own.name("{}_l0"), [x], before))
        return place.see("states", side_by_side("both directions side by side", sides), text=x.text)


class RecurrentDecoder(nn.Module):
    """Writes a token a step, and looks at the memory before or after it."""

    sees = {
        "embedded": ("batch tokens d_model", "embedded: what the first block reads"),
        "begin": ("batch layers d_model", "what each layer begins with: the source in one vector"),
        "states": ("batch tokens d_model", "states of the recurrent network"),
        "readout": ("batch tokens d_model", "what is read off the state"),
        "out": ("batch tokens d_model", "out"),
    }

    def __init__(self, config: RecurrentConfig):
        super().__init__()
        d, self.attention, self.dropout = config.d_model, config.attention.kind, config.dropout
        self.input_feeding = self.attention == "luong" and config.attention.input_feeding
        self.lstm = config.family == "lstm"
        self.start = nn.Linear(2 * d, config.layers * d)
        self.cross_attention = None if self.attention == "none" else config.attention.build(d)
        beside = 2 * d if self.attention == "none" else d if self._waits else 0
        self.network = _network(config, d + beside, config.layers)
        self.layers = [f"layers.{number}" for number in range(config.layers)]
        self.sees = {**self.sees, **_seen(self.network, self.layers)}
        self.readout = nn.Linear(2 * d if self.attention == "luong" else 2 * d + beside, d)

    def forward(
        self,
        x: Float[Tensor, "batch tokens d_model"],
        memory: RecurrentMemory,
        *,
        cache: RecurrentCache | None = None,
        where: Where | None = None,
    ) -> Float[Tensor, "batch tokens d_model"]:
        """What is read off after each token; with a cache, x holds only the new tokens (of a tree: one a branch)."""
        x = see("embedded", dropout(x, self.dropout, self.training))
        if not x.size(1):
            return see("out", x)
        keys = MemoryCache() if cache is None else cache.memory
        state = None if cache is None else cache.before(where)
        if state is None:
            state = self._begin(memory)
        abreast = where is not None and where.kin is not None
        if abreast or (cache is None and not self._waits):  # branches abreast, or all tokens as one
            out, behind = self._step(x, state, memory, keys, abreast=abreast)
        else:
            out, behind = self._steps(x, state, memory, keys)
        if cache is not None:
            cache.append(behind)
        return see("out", dropout(out, self.dropout, self.training))

    @property
    def _waits(self) -> bool:
        """Whether a step needs what the one before has read."""
        return self.attention == "bahdanau" or self.input_feeding

    def _begin(self, memory: RecurrentMemory) -> State:
        """Every layer begins with what it makes of the source in one vector."""
        first = self.start(memory.summary).tanh().unflatten(1, (self.network.num_layers, -1))
        first = see("begin", first)[:, None]
        return State(first, torch.zeros_like(first) if self.lstm else None, torch.zeros_like(first[:, :, 0]))

    def _steps(self, x: Tensor, state: State, memory: RecurrentMemory, keys: MemoryCache) -> tuple[Tensor, State]:
        states = []
        for token in x.split(1, dim=1):
            _, state = self._step(token, state, memory, keys)
            states.append(state)
        behind = State.joined(states)
        return behind.out, behind

    def _step(
        self, x: Tensor, state: State, memory: RecurrentMemory, keys: MemoryCache, *, abreast: bool = False
    ) -> tuple[Tensor, State]:
        """(what is read off after tokens x, the state after the last of them).

        Tokens follow one another after `state`; or stand abreast, each after a state of its own and with one after it.
        """
        if self.attention == "bahdanau":
            beside = [self._attend(state.hidden[:, :, -1], memory, keys)]
        elif self.attention == "none":
            beside = [memory.summary[:, None].expand(-1, x.size(1), -1)]
        else:
            beside = [state.out] if self.input_feeding else []
        given = torch.cat([x, *beside], dim=-1)
        top, hidden, cells = self._recur(given, state, abreast=abreast)
        read = [top, self._attend(top, memory, keys)] if self.attention == "luong" else [top, *beside, x]
        out = see("readout", self.readout(torch.cat(read, dim=-1)).tanh())
        return out, State(hidden, cells, out[:, -hidden.size(1) :])

    def _attend(self, x: Tensor, memory: RecurrentMemory, keys: MemoryCache) -> Tensor:
        assert self.cross_attention is not None, "only called where there is one"
        context: Tensor = self.cross_attention(x, memory.states, cache=keys, where=memory.asked_by(x.size(1)))
        return context

    def _recur(self, x: Tensor, state: State, *, abreast: bool) -> tuple[Tensor, Tensor, Tensor | None]:
        """(the last layer's states, all layers' after the last token, an LSTM's cells there)."""
        batch = len(x)
        first = [s.flatten(0, 1).transpose(0, 1).contiguous() for s in (state.hidden, state.cells) if s is not None]
        rows = x.flatten(0, 1)[:, None] if abreast else x
        top, last = recur(self.network, rows, (first[0], first[1]) if self.lstm else first[0], self.layers, batch)
        ends = x.size(1) if abreast else 1
        behind = [s.transpose(0, 1).unflatten(0, (batch, ends)) for s in (last if isinstance(last, tuple) else (last,))]
        top = see("states", top.reshape(batch, x.size(1), top.size(-1)))
        # What was shown may come back changed, and the next step goes on from there.
        hidden = torch.cat([behind[0][:, :, :-1], top[:, -behind[0].size(1) :, None]], dim=2)
        return top, hidden, behind[1] if self.lstm else None

    def formulas(self, place: Place, x: Value, memory: Value) -> Value:
        """How what it shows comes about."""
        text, source = x.text, replace(memory, rows=_ENDS)
        x = place.see("embedded", copy("the token embeddings", x), text=text)
        words = "tanh(the source in one vector · W): the last state of each direction, side by side"
        place.see("begin", linear(place, "start", self.start, [source], words, then="tanh", stacked=True), text="")
        states, fed = Value(place.name("states"), text), Value(place.name("readout"), text, rows={"shift": -1})
        context = self._context(place, states, memory)
        beside = [source] if self.attention == "none" else [context] if self.attention == "bahdanau" else []
        given = [x, *beside, *[fed] * self.input_feeding]
        for i, name in enumerate(self.layers):
            own, weights = place.under(name, part=name), place.name(f"network.{{}}_l{i}")
            given = [state_formulas(own, self.network, weights, given, self._before(place, i, text))]
        place.see("states", copy("the states of the last layer", given[0]), text=text)
        words, read = {
            "luong": ("[state; context]", [states, context]),
            "bahdanau": ("[state; context; token]", [states, context, x]),
            "none": ("[state; source; token]", [states, source, x]),
        }[self.attention]
        out = linear(place, "readout", self.readout, read, f"tanh({words} W)", then="tanh")
        return place.see("out", copy("what is read off", place.see("readout", out, text=text)), text=text)

    def _context(self, place: Place, states: Value, memory: Value) -> Value:
        """What is read of the memory; nothing where nobody attends."""
        if self.cross_attention is None:
            return Value()
        asks = replace(states, called="state")
        if self.attention == "bahdanau":
            last = self._before(place, len(self.layers) - 1, states.text)
            asks = replace(last, called="state before this step ·")
        own = place.under("cross_attention", part="cross_attention")
        return own.state(self.cross_attention, asks, memory)

    def _before(self, place: Place, layer: int, text: str) -> Value:
        """The state of a layer before a step: what was shown of the last layer may be changed once more."""
        last = self._waits and layer == len(self.layers) - 1
        rows = {"shift": -1, "edge": {"path": place.name("begin"), "row": layer}}
        return Value(place.name("states" if last else f"{self.layers[layer]}.state"), text, rows=rows)


class RecurrentEncoderDecoder(nn.Module):
    """Encoder, decoder and the embeddings and output matrix between tokens and vectors.

    Args:
        config: sizes and choices.
        src_vocab_size, tgt_vocab_size: sizes of the vocabularies (equal where all matrices are tied).
    """

    sees = {"logits": ("batch tgt_tokens vocab", LOGITS)}

    def __init__(self, config: RecurrentConfig, src_vocab_size: int, tgt_vocab_size: int):
        super().__init__()
        self.config = config
        self.tgt_embedding = TokenEmbedding(tgt_vocab_size, config.d_model)
        self.src_embedding = (
            self.tgt_embedding if config.tied == "all" else TokenEmbedding(src_vocab_size, config.d_model)
        )
        self.encoder = RecurrentEncoder(config)
        self.decoder = RecurrentDecoder(config)
        self.head = nn.Linear(config.d_model, tgt_vocab_size, bias=False)
        _initialise(self)
        if config.tied != "none":
            self.head.weight = self.tgt_embedding.weight

    @property
    def cross_attentions(self) -> list[MultiHead]:
        """The decoder's attention to the source, if it has one."""
        attention = self.decoder.cross_attention
        return [] if attention is None else [attention]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.tgt_embedding.weight.device

    @property
    def remembered(self) -> tuple[int, int]:
        """How many numbers decoding keeps for each token written, and for each token of the source."""
        config = self.config
        states = config.layers * (2 if config.family == "lstm" else 1) + 1
        return states * config.d_model, 2 * config.d_model * len(self.cross_attentions)

    def encode(
        self, src: Int[Tensor, "batch src_tokens"], lengths: Int[Tensor, " batch"] | None = None
    ) -> RecurrentMemory:
        """The memory of source sentences; `lengths` where they are padded (at the end)."""
        states, summary = self.encoder(self.src_embedding(src), lengths)
        return RecurrentMemory(states, lengths, summary)

    def decode(
        self,
        tgt: Int[Tensor, "rows tgt_tokens"],
        memory: RecurrentMemory,
        *,
        cache: RecurrentCache | None = None,
        where: Where | None = None,
    ) -> Float[Tensor, "rows tgt_tokens d_model"]:
        """The decoder's output for target tokens, before the head.

        With a cache, for the new tokens only, which stand as `where` says (None: one text a row).
        """
        out: Tensor = self.decoder(self.tgt_embedding(tgt), memory, cache=cache, where=where)
        return out

    def logits(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch vocab"]:
        """Scores of the next token."""
        return see("logits", self.head(x))

    def read_out(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch vocab"]:
        """The logits of what was read off after a token: a recurrent decoder has no other stream."""
        return self.logits(x)

    def forward(
        self,
        src: Int[Tensor, "batch src_tokens"],
        tgt: Int[Tensor, "batch tgt_tokens"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch tgt_tokens vocab"]:
        """Teacher forcing: logits[b, t] scores the token that follows tgt[b, : t + 1]."""
        return self.logits(self.decode(tgt, self.encode(src, lengths)))

    def formulas(self, place: Place, src: Value, tgt: Value) -> Value:
        """How what it shows comes about."""
        x = place.under("src_embedding").state(self.src_embedding, src)
        y = place.under("tgt_embedding").state(self.tgt_embedding, tgt)
        memory = place.under("encoder", stack="encoder").state(self.encoder, x)
        return read_off(place, self.head, place.under("decoder", stack="decoder").state(self.decoder, y, memory))

    def new_cache(self, *, forgets: bool = True) -> RecurrentCache:
        """An empty cache for `decode`."""
        return RecurrentCache()


def _seen(network: Network, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The axes and titles of what the steps of a network's layers show under these names."""
    steps = steps_of(network).items()
    return {f"{name}.{step}": ("batch tokens d_model", title) for name in names for step, title in steps}


def _network(config: RecurrentConfig, width: int, layers: int) -> Network:
    """Hochreiter and Schmidhuber (1997), or Cho et al. (2014)."""
    kind = nn.LSTM if config.family == "lstm" else nn.GRU
    return kind(width, config.d_model, layers, batch_first=True, dropout=config.dropout if layers > 1 else 0.0)


def _turned(x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
    """(which token stands where when each row is read from its end, the place of its last token); padding stays."""
    tokens = torch.arange(x.size(1), device=x.device)
    last = torch.full((len(x),), x.size(1) - 1, device=x.device) if lengths is None else lengths - 1
    turned = last[:, None] - tokens
    return torch.where(turned >= 0, turned, tokens), last


def _initialise(model: nn.Module) -> None:
    """Xavier-uniform matrices (Glorot and Bengio, 2010), orthogonal recurrent ones (Saxe et al., 2014), zero biases but
    an LSTM's forget gates', which begin open (Jozefowicz et al., 2015)."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LSTM | nn.GRU):
            for name, weight in module.named_parameters():
                parts = weight.chunk(weight.size(0) // module.hidden_size)
                for number, part in enumerate(parts):  # one a gate
                    if "bias" in name:
                        forgets = isinstance(module, nn.LSTM) and number == 1 and "bias_ih" in name
                        nn.init.constant_(part, float(forgets))
                    else:
                        (nn.init.orthogonal_ if "weight_hh" in name else nn.init.xavier_uniform_)(part)
