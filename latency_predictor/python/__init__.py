"""What a Transformer costs on an accelerator: cycles and energy, predicted in a microsecond."""

from paretoformer._native import (
    Architecture,
    HardwareCost,
    LatencyPredictor,
    OperatorCost,
    __version__,
)

__all__ = ["Architecture", "HardwareCost", "LatencyPredictor", "OperatorCost", "__version__"]
