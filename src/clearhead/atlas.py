"""What a model can show, without running it: what its modules state, under the paths that a person would write."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

__all__ = ["atlas", "module_paths", "stated"]

_WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
_PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)


def stated(module: nn.Module | None, name: str) -> tuple[tuple[str, ...], str]:
    """The axes and the title of a value, which the module that shows it states in a class attribute.

    `sees = {"q": ("batch heads queries head_dim", "queries: what each token asks")}`; axes alone are a string.
    """
    own: Mapping[str, str | tuple[str, str]] = getattr(module, "sees", {})
    about = own.get(name, "")
    axes, title = (about, "") if isinstance(about, str) else about
    return tuple(axes.split()), title


def atlas(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """Every value a watched pass of `model` can show -> its axes, without running it."""
    found: dict[str, tuple[str, ...]] = {}
    for path, module in module_paths(model)[0]:
        for name in getattr(module, "sees", {}):
            found[f"{path}.{name}" if path else name] = stated(module, name)[0]
    return found


def module_paths(model: nn.Module) -> tuple[list[tuple[str, nn.Module]], list[str]]:
    """Each module once with the path a person would write, and the wrappers that were left out of the paths."""
    modules = dict(model.named_modules())
    found, left_out = [], set()
    for full, module in modules.items():
        above, parts = "", []
        for part in full.split(".") if full else []:
            if part in _WRAPPERS or (part == "module" and isinstance(modules.get(above), _PARALLEL)):
                left_out.add(part)
            else:
                parts.append(part)
            above = f"{above}.{part}" if above else part
        found.append((".".join(parts), module))
    return found, sorted(left_out)
