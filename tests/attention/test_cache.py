"""Caches: what was handed out is never changed."""

from __future__ import annotations

import torch

from clearhead.attention import Cache, MemoryCache


def test_it_grows_and_never_changes_what_it_gave() -> None:
    cache, new = Cache(), torch.randn(2, 3, 60, 4)
    given = []
    for start in range(0, 60, 3):
        assert cache.length == start
        k, v = cache.update(new[:, :, start : start + 3], new[:, :, start : start + 3, :2])
        given.append((k, v, k.clone(), v.clone()))
    for k, v, k_then, v_then in given:
        assert torch.equal(k, k_then) and torch.equal(v, v_then)
    assert torch.equal(given[-1][0], new) and torch.equal(given[-1][1], new[..., :2])


def test_rows_are_selected_anew() -> None:
    cache, new = Cache(), torch.randn(3, 1, 2, 4)
    before, _ = cache.update(new, new)
    copy = before.clone()
    cache.select(torch.tensor([2, 2]))
    k, v = cache.update(new[:2], new[:2])
    assert torch.equal(k, torch.cat([new[[2, 2]], new[:2]], dim=2)) and torch.equal(k, v)
    assert torch.equal(before, copy) and cache.length == 4
    empty = Cache()
    empty.select(torch.tensor([0]))
    assert empty.length == 0


def test_tokens_are_kept_anew() -> None:
    cache, new = Cache(), torch.randn(2, 3, 5, 4)
    before, _ = cache.update(new, new)
    copy, places = before.clone(), torch.tensor([[0, 2, 4], [1, 3, 4]])
    cache.keep(places)
    k, v = cache.update(new[:, :, :1], new[:, :, :1])
    kept = torch.stack([new[i, :, row] for i, row in enumerate(places)])
    assert k.equal(torch.cat([kept, new[:, :, :1]], dim=2)) and v.equal(k)
    assert before.equal(copy) and cache.length == 4
    empty = Cache()
    empty.keep(places)
    assert empty.length == 0


def test_a_memory_is_computed_once() -> None:
    cache, kv = MemoryCache(), (torch.randn(3, 1, 2, 4), torch.randn(3, 1, 2, 5))
    cache.select(torch.tensor([0]))
    made = []

    def make() -> tuple[torch.Tensor, torch.Tensor]:
        made.append(1)
        return kv

    assert cache.once(make)[0] is cache.once(make)[0] is kv[0]
    cache.select(torch.tensor([2, 0]))
    assert torch.equal(cache.once(make)[1], kv[1][[2, 0]]) and len(made) == 1
