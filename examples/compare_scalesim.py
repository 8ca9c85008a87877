#!/usr/bin/env python3
"""Prices the matmuls of an exported network in SCALE-Sim, beside our own prices:
  paretoformer export RUN --knee --format scalesim --output FOLDER
  python3 examples/compare_scalesim.py SCALE_SIM FOLDER/ID.json
SCALE_SIM is a checkout of github.com/scalesim-project/SCALE-Sim (it needs numpy, pandas, absl-py and
tqdm); `paretoformer` is found through PATH. Their cycles include the first loads, as ours do."""
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

scale_sim, network = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
topology = network.with_suffix(".scalesim.csv")

with tempfile.TemporaryDirectory() as folder:
    layouts = scale_sim.resolve() / "layouts/conv_nets/test.csv"  # read, though it is of no use here
    subprocess.run([sys.executable, "-m", "scalesim.scale", "-i", "gemm", "-s", "N", "-t", topology, "-l", layouts,
                    "-c", network.with_suffix(".scalesim.cfg"), "-p", folder],
                   cwd=scale_sim, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    report = next(pathlib.Path(folder).rglob("COMPUTE_REPORT.csv")).read_text()
theirs = [float(row[1]) for row in list(csv.reader(report.splitlines()))[1:]]

answer = subprocess.run(["paretoformer", "predict", network, "--breakdown", "--json"], check=True, capture_output=True)
ours = [each for each in json.loads(answer.stdout)["operators"] if each["operator"].startswith("matmul ")]
names = [line.split(",")[0] for line in topology.read_text().splitlines()[1:]]
if not len(names) == len(theirs) == len(ours):
    sys.exit(f"{len(names)} matmuls, {len(theirs)} prices of SCALE-Sim, {len(ours)} of ours")

print(f"{'matmul':<34} {'ours':>9} {'SCALE-Sim':>9} {'ratio':>6}")
total = [0, 0]
for name, own, other in zip(names, ours, theirs):
    other *= own["repeat"]
    total = [total[0] + own["cycles"], total[1] + other]
    print(f"{name:<34} {own['cycles']:>9} {other:>9.0f} {other / own['cycles']:>6.2f}")
print(f"{'all matmuls':<34} {total[0]:>9} {total[1]:>9.0f} {total[1] / total[0]:>6.2f}")
