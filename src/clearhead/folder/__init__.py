"""The model folder: sole owner of its format.

    config.json           {"format": 1, "task": ..., "arch": ..., "run": ..., ...}
    model.safetensors     the weights
    tokenizer.json        the tokenizer
    metrics.jsonl         one line per report of the training
    checkpoints/          weights of moments of the training, and index.json that lists them (the checkpoint history)
    training/             what is needed to go on: state.safetensors

Every file is written aside, fsynced and renamed (disk.py): at any instant it is the old one or the new one. While a
training writes, it holds .lock. Nothing is unpickled.

`layout` has the names of files and what JSON objects must have, `folder_reader` and `folder` read and write them,
`lock` makes the folder and holds it during a training.
"""

from clearhead.folder.folder import Folder
from clearhead.folder.folder_reader import unshared
from clearhead.folder.layout import FORMAT, STATE, WEIGHTS, checkpoint_file

__all__ = ["FORMAT", "STATE", "WEIGHTS", "Folder", "checkpoint_file", "unshared"]
