"""`clearhead completion SHELL`: what makes a shell complete commands, options and their choices with the TAB key."""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["completion"]

_CALLED = """
if [[ "$funcstack[1]" == _clearhead ]]; then  # found in fpath: this file is the function
  _clearhead "$@"
else
  compdef _clearhead clearhead
fi"""
# What we change in the scripts that cyclopts writes. What is no command, option or choice is a file or a model's
# folder, and shells complete those well by themselves, blanks in names too; cyclopts leaves it to them in fish alone.
_CHANGES: dict[str, tuple[tuple[str, str], ...]] = {
    "bash": ((r"COMPREPLY=\( \$\(compgen -f .*\) \)", "COMPREPLY=()"), (r"^complete -F", "complete -o default -F")),
    "zsh": (
        (r"^( +'(?:\d+|\*):(?:[^':\\]|\\.)+)'", r"\1:_files'"),
        ("_cyclopts_clearhead", "_clearhead"),
        (r"\s*\Z", "\n" + _CALLED),
    ),
    "fish": (),
}


def completion(shell: Literal["bash", "zsh", "fish"]) -> None:
    """Print what makes a shell complete commands, options and their choices with the TAB key.

    Example: clearhead completion bash > ~/.clearhead.bash

    Then, at once and as a line of ~/.bashrc: source ~/.clearhead.bash

    zsh, where fpath has ~/.zfunc: clearhead completion zsh > ~/.zfunc/_clearhead

    fish: clearhead completion fish > ~/.config/fish/completions/clearhead.fish

    Parameters
    ----------
    shell
        the shell that reads it
    """
    from clearhead.cli import app

    script = app.generate_completion(shell=shell)
    for theirs, ours in _CHANGES[shell]:
        script = re.sub(theirs, ours, script, flags=re.MULTILINE)
    print(script)
