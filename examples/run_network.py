#!/usr/bin/env python3
"""Runs an exported network in NumPy and compares its loss with the recorded one:
  python3 examples/run_network.py FOLDER/ID.json
All that a loader must know is here: what the layers compute, in which order, and the mask."""
import json
import pathlib
import sys

import numpy as np


def read_safetensors(path):
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    return {name: np.frombuffer(data[begin + at["data_offsets"][0]:begin + at["data_offsets"][1]], "<f4")
            .reshape(at["shape"]).astype(np.float64)
            for name, at in header.items() if name != "__metadata__"}


def layer_norm(x, w, name):
    centred = x - x.mean(-1, keepdims=True)
    deviation = np.sqrt((centred ** 2).mean(-1, keepdims=True) + 1e-5)
    return centred / deviation * w[name + ".weight"] + w[name + ".bias"]


def linear(x, w, name):
    return x @ w[name + ".weight"].T + w[name + ".bias"]


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))


def attention(x, w, name, head_width):
    length = len(x)
    qkv = linear(layer_norm(x, w, name + ".norm"), w, name + ".qkv")
    q, k, v = qkv.reshape(length, -1, 3, head_width).transpose(2, 1, 0, 3)  # [head][position][width]
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(head_width)
    scores[:, np.triu(np.ones((length, length), bool), 1)] = -np.inf  # what comes later is not seen
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return linear((weights @ v).transpose(1, 0, 2).reshape(length, -1), w, name + ".output")


def logits(tokens, w, architecture):
    x = w["token_embedding.weight"][tokens] + w["position_embedding.weight"][:len(tokens)]
    for layer in range(len(architecture["layers"])):
        name = f"layers.{layer}"
        x = x + attention(x, w, name + ".attention", architecture["head_width"])
        up = linear(layer_norm(x, w, name + ".ffn.norm"), w, name + ".ffn.up")
        x = x + linear(gelu(up), w, name + ".ffn.down")
    return layer_norm(x, w, "final_norm") @ w["token_embedding.weight"].T


path = pathlib.Path(sys.argv[1])
network = json.loads(path.read_text())
tokens = np.array(network["example"]["tokens"])
rows = logits(tokens[:-1], read_safetensors(path.parent / network["weights"]), network["architecture"])
largest = rows.max(-1)
sums = np.log(np.exp(rows - largest[:, None]).sum(-1)) + largest
here = (sums - rows[np.arange(len(rows)), tokens[1:]]).mean()
print(f"loss here {here:.7f} recorded {network['example']['loss']:.7f}")
sys.exit(0 if abs(here - network["example"]["loss"]) < 1e-6 else 1)
