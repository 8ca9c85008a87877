#!/bin/sh
# From the description of an accelerator to the networks that suit it, in seconds: the budget is
# tiny, the way is that of a real search.
#
# usage: run.sh [FOLDER]    for all results; by default runs/edge
set -eu
here=$(dirname "$0")
out=${1:-runs/edge}
mkdir -p "$out"

# What does one network cost on edge.json, and where do its cycles go? Those of a search are causal,
# have biases and are quantised.
paretoformer simulate "$here/network.json" --hardware "$here/edge.json" --length 48 \
  --mask causal --biases on --nonlinear-inputs int8

# Every operator of the space, priced once; checked against simulations of whole networks. Nothing
# is written, and the script ends, if the sum over operators is too far off.
paretoformer predictor build --hardware "$here/edge.json" --space "$here/space.json" \
  --length 48 --output "$out/edge.predictor"

# The search of run.json, with those prices. It trains a small supernet first. If it is stopped, the
# same line with --resume goes on.
paretoformer search "$here/run.json" --set predictor="$(cd "$out" && pwd)/edge.predictor" \
  --run "$out/search"

# The networks of the front, with weights and tokeniser, as files for other programs.
paretoformer export "$out/search"
