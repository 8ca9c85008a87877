"""What a Transformer costs on an accelerator: cycles and energy, predicted in a microsecond.

ValueError: something given cannot be used (a size out of range, an unknown name, a damaged file).
RuntimeError: it could not be done (a full disk, an operator that a loaded predictor does not know).
"""

import os
from typing import Any, Iterable, Literal, Mapping, NamedTuple, SupportsIndex, overload

import numpy as np
import numpy.typing as npt

__version__: str
__all__ = ["Architecture", "HardwareCost", "LatencyPredictor", "OperatorCost", "__version__"]

class Architecture:
    """A network: heads and FFN width per layer. Immutable, comparable, hashable."""

    def __init__(
        self,
        model_width: SupportsIndex,
        heads: Iterable[SupportsIndex],
        ffn_width: Iterable[SupportsIndex],
        head_width: SupportsIndex = 64,
        vocabulary: SupportsIndex = 0,
        weight_bits: Iterable[SupportsIndex] | None = None,
    ) -> None:
        """With vocabulary 0 there are Transformer layers only; otherwise the embedding and the
        language-model head are part of the network. Weights of a layer have 8 bits, or 4 on
        hardware with int4_weights."""
    @staticmethod
    def from_dict(architecture: Mapping[str, Any]) -> Architecture:
        """From the content of an architecture file: {"model_width": 672, "layers": [{"heads": 12,
        "ffn_width": 1280}, ...]}, optionally with "head_width" and "vocabulary", and a layer with
        "weight_bits"."""
    def to_dict(self) -> dict[str, Any]: ...
    @property
    def model_width(self) -> int: ...
    @property
    def heads(self) -> list[int]: ...
    @property
    def ffn_width(self) -> list[int]: ...
    @property
    def weight_bits(self) -> list[int]: ...
    @property
    def head_width(self) -> int: ...
    @property
    def vocabulary(self) -> int: ...
    @property
    def depth(self) -> int: ...
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...

class HardwareCost(NamedTuple):
    """Of a whole network; of a device measured in time, `cycles` counts femtoseconds."""

    cycles: int
    energy_pj: float
    edp: float
    """Energy times latency, in picojoule-cycles."""

class OperatorCost(NamedTuple):
    """Of an operator at its place in a network, all repeats together."""

    role: str
    """As in "attention.scores"."""
    layer: int
    """-1 outside the layers."""
    repeat: int
    """How often it runs there: once per head, or for each of q, k and v."""
    operation: str
    """Kind, right operand, fused activation, rows, inner dimension and columns, as in
    "matmul weights gelu 512 768 3072"."""
    cycles: int
    energy_pj: float

class LatencyPredictor:
    """Threads may share one. Long calls release the GIL; they cannot be interrupted."""

    def __init__(
        self,
        hardware: str | os.PathLike[str] = "gemmini_transformer",
        sequence_length: SupportsIndex = 512,
        mode: Literal["prefill", "decode"] = "prefill",
    ) -> None:
        """Prices operators with the cycle simulator, on demand. `hardware` is the name of a preset
        or else a file; `sequence_length` counts the positions attended to."""
    @staticmethod
    def load(path: str | os.PathLike[str]) -> LatencyPredictor:
        """From a file that save() wrote. It knows the operators of that file and no others."""
    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes all operators priced so far."""
    def fill(self, space: str | os.PathLike[str]) -> None:
        """Prices all operators of a search space, a preset or else a file, ahead, on all cores."""
    @property
    def sequence_length(self) -> int: ...
    @property
    def mode(self) -> Literal["prefill", "decode"]: ...
    @property
    def latency_unit(self) -> Literal["cycles", "femtoseconds"]:
        """What `cycles` counts in the answers: femtoseconds of a device measured in time."""
    @overload
    def predict(self, architecture: Architecture | Mapping[str, Any], /) -> HardwareCost: ...
    @overload
    def predict(
        self,
        *,
        model_width: SupportsIndex,
        heads: Iterable[SupportsIndex],
        ffn_width: Iterable[SupportsIndex],
        head_width: SupportsIndex = 64,
        vocabulary: SupportsIndex = 0,
        weight_bits: Iterable[SupportsIndex] | None = None,
    ) -> HardwareCost:
        """The cost of one network."""
    def predict_batch(
        self,
        model_width: npt.ArrayLike,
        heads: npt.ArrayLike,
        ffn_width: npt.ArrayLike,
        head_width: SupportsIndex = 64,
        vocabulary: SupportsIndex = 0,
        weight_bits: npt.ArrayLike | None = None,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Cycles [n] and energies in picojoules [n] of n networks: integers model_width [n],
        heads [n, layers] and ffn_width [n, layers], with zeros in both after the last layer, and
        weight_bits [n, layers], of which those after the last layer do not count."""
    @overload
    def breakdown(
        self, architecture: Architecture | Mapping[str, Any], /
    ) -> list[OperatorCost]: ...
    @overload
    def breakdown(
        self,
        *,
        model_width: SupportsIndex,
        heads: Iterable[SupportsIndex],
        ffn_width: Iterable[SupportsIndex],
        head_width: SupportsIndex = 64,
        vocabulary: SupportsIndex = 0,
        weight_bits: Iterable[SupportsIndex] | None = None,
    ) -> list[OperatorCost]:
        """The operators of one network in the order in which they run; they add up to predict()."""
