"""Search spaces: families of networks, each described once as a chain of stages; networks of others."""

from importlib import import_module
from pkgutil import iter_modules

from search_spaces.architecture import Architecture
from search_spaces.densenet import DenseNet
from search_spaces.errors import RequestError
from search_spaces.mbconv import MBConv
from search_spaces.mlp import MLP
from search_spaces.mobilenet import MobileNet, MobileNetWide
from search_spaces.mobilenetv3 import MobileNetV3, OFAMobileNetV3
from search_spaces.nasbench_macro import NASBenchMacro
from search_spaces.registry import get, names, parse, register, register_family
from search_spaces.resnet import ResNet
from search_spaces.space import Space
from search_spaces.torchvision import Torchvision

# Every module of this folder is imported: a new space needs no line here. The two skipped ones import torch.
for _module in iter_modules(__path__):
    if _module.name not in ("counting", "modules"):
        import_module(f"{__name__}.{_module.name}")

__all__ = [
    "MLP",
    "Architecture",
    "DenseNet",
    "MBConv",
    "MobileNet",
    "MobileNetV3",
    "MobileNetWide",
    "NASBenchMacro",
    "OFAMobileNetV3",
    "RequestError",
    "ResNet",
    "Space",
    "Torchvision",
    "get",
    "names",
    "parse",
    "register",
    "register_family",
]
