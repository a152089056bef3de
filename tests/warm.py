"""What commands import, imported once: the process that the tests' commands are forked from."""

import importlib

import torch

# Forked processes must not find threads that are not there any more.
torch.set_num_threads(1)

for _name in (
    "fvcore.nn",
    "matplotlib.figure",
    "nas.export.formats",
    "nas.search.run",
    "nas.show",
    "nas.train.parallel",
    "nas.train.progress",
    "optuna",
    "rich.progress",
    "torch.utils.tensorboard.writer",
    "tests.processes",
    "torchvision.transforms.v2",
):
    importlib.import_module(_name)
