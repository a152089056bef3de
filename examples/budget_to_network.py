"""From a budget to a trained network in Python: search, filter with pandas, build, train, export.

python examples/budget_to_network.py DIR, with images in DIR/train/CLASS/* and DIR/test/CLASS/*
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nas
import search_spaces
from nas.export import export


def main() -> None:
    """Search for 300M FLOPs and 4 ms, and train the smallest of the networks near the best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--image-size", type=int, default=64)
    options = parser.parse_args()

    # Ten networks: most accurate on ImageNet, as predicted, of those that meet both limits.
    table = nas.search("mbconv", score="imagenet", flops="300M", at_most={"latency-zcu102": "4ms"})
    near = table[table["imagenet"] > table["imagenet"].max() - 0.1]
    chosen = near.nsmallest(1, "params")
    print(chosen[["arch", "imagenet_expected", "imagenet_half", "latency-zcu102", "flops", "params"]].T)

    # The network as a torch.nn.Module with initial weights, for a training of your own ...
    model = search_spaces.parse(chosen["arch"].iloc[0]).build()
    print(f"{sum(weights.numel() for weights in model.parameters()):,} parameters")

    # ... or trained here.
    trained = nas.train(
        chosen,
        dataset="folder",
        data=options.images,
        image_size=options.image_size,
        epochs=options.epochs,
        batch_size=32,
        out="trained",
    )
    print(trained[["arch", "top1", "seconds"]].T)
    difference = export(nas.load("trained"), Path("network.onnx"), "onnx")
    print(f"network.onnx: its outputs differ from torch's by at most {difference:.1g}")


if __name__ == "__main__":
    main()
