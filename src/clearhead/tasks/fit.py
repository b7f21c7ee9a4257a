"""`fit`: one training of any task, from its files to a trained model in a folder."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from clearhead.folder import Folder
from clearhead.progress import doing
from clearhead.tasks.room import check_room
from clearhead.tasks.run_folder import begun, described, same_run
from clearhead.tasks.task import Model, Parts, Task, TrainingRequest
from clearhead.training.run import run

__all__ = ["fit", "train_parts"]


def fit(task: Task, asked: TrainingRequest[Any], folder: Folder) -> Model:
    """Train on files into a folder, or go on with what the folder holds.

    Raises:
        DataError, FolderError, ConfigError: the files, the place or the options cannot be used.
    """
    parts, module = train_parts(task, asked, folder)
    model = parts.finish(module, folder)
    model.write_on(asked.config.device)
    return model


def train_parts(task: Task, asked: TrainingRequest[Any], folder: Folder) -> tuple[Parts[Any, Any], nn.Module]:
    """The same without what a task does when the training has ended: (what was read, the trained module).

    config.json is written before the first step (so that a training that was killed goes on) and again with the
    results.

    Raises:
        DataError, FolderError, ConfigError: the files, the place or the options cannot be used.
    """
    session, config = asked.session, asked.config
    started = begun(folder, resume=session.resume)
    doing("reading the files")
    parts = task.read(asked)
    if started:
        same_run(folder, config, parts.digest, parts.what)
        parts.reopen(folder)
    else:
        fields = parts.learn(folder)
        folder.write_json("config.json", described(task.name, config, fields, asked.files, asked.valid, parts.digest))
    check_room(parts.make)
    parts.prepare(folder)
    torch.manual_seed(config.seed)
    module = parts.make()
    parameters = sum(p.numel() for p in module.parameters())
    session.say(f"{parameters / 1e6:.2f} M parameters, {parts.sizes()}")
    job = parts.job(module)
    outcome = run(job, parts.plan(), folder, resume=session.resume, quiet=session.quiet)
    folder.write_json("config.json", {**folder.config(), "results": parts.results(outcome, folder)})
    return parts, module
