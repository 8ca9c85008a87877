"""The same as predict.cpp, in Python: what a network costs on an accelerator, its first layer
operator by operator, and then many networks in one call.

usage: predict.py [HARDWARE]    a preset (gemmini_transformer) or a hardware file
"""

import sys

import numpy as np
import paretoformer

hardware = sys.argv[1] if len(sys.argv) > 1 else "gemmini_transformer"
predictor = paretoformer.LatencyPredictor(hardware, sequence_length=128)
network = paretoformer.Architecture(model_width=256, heads=[4, 2], ffn_width=[1024, 512])

cost = predictor.predict(network)
print(f"network: {cost.cycles} cycles, {cost.energy_pj:.1f} pJ")
for part in predictor.breakdown(network):
    if part.layer == 0:
        print(f"{part.repeat}x {part.role}: {part.cycles} cycles")

# Many networks are rows of arrays: here each with one more head in its first layer. A shallower
# network has zeros after its last layer.
heads = np.array([[1, 2], [2, 2], [3, 2], [4, 2], [4, 0]])
ffn_width = np.where(heads > 0, [1024, 512], 0)
cycles, energy_pj = predictor.predict_batch(np.full(len(heads), 256), heads, ffn_width)
print("batch:", *cycles)
