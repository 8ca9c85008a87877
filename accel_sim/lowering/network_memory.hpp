// Where the matrices of a whole network lie in the accelerator's DRAM.
#pragma once

#include <cstdint>
#include <vector>

#include "accel_sim/hardware/target.hpp"
#include "accel_sim/lowering/compile.hpp"
#include "accel_sim/lowering/program.hpp"
#include "accel_sim/workload/operators.hpp"
#include "search_spaces/architecture.hpp"

namespace paretoformer::accel_sim {

// Activations have one buffer each for all layers, as in transformer.c of gemmini-rocc-tests; keys
// and values one per layer, as decoding caches them; scores one per head, since all heads' are
// computed before the first context; unfinished sums one for all matmuls, the mask one for all
// heads and sequences, the constants of row blocks one for those of equally wide layers. A
// LayerNorm of its own reads the int32 sums that the output projection, or FFN down, has left in
// the place of its int8 results, where the residual add reads; after a fused one it reads what that
// has written. Biases follow all else. A tied embedding is there twice: row by row for the look-up,
// transposed for the language-model head. Positions are there when the embedding adds them.
class NetworkMemory {
 public:
  // For the calls that compile() makes of the network, which must outlive it. Throws InputError
  // when it spans more than 2 GiB.
  NetworkMemory(const Architecture& network, const Workload& workload, const Target& target,
                const std::vector<Call>& calls);

  std::int64_t bytes() const { return space_.bytes(); }

  // Of run `repeat` (below item.repeat) of one of the calls. What is a part of a fused run is
  // placed with its matmul.
  Placement placement(const TransformerOperator& item, int repeat) const;

 private:
  struct Weights {
    Matrix numbers;
    Matrix multipliers = {}, bias = {};  // of int4, and where there is one
    bool are_normalised = false;         // their products, as they leave
  };
  struct LayerMatrices {
    Weights qkv[3], output, up, down;
    Matrix keys, values;        // of all positions
    Matrix identity, triangle;  // of scores in row blocks
  };
  Placement attention(const TransformerOperator& item, int repeat) const;
  Placement ffn(const TransformerOperator& item) const;
  Placement norm(const Matrix& stream) const;
  // The sum of the stream and of what the matmul of these weights has left.
  Placement residual(const Matrix& stream, const Weights& before, const Matrix& sum) const;
  static Placement product(const Matrix& left, const Weights& weights, const Matrix& result);
  Matrix branch(const Operator& op) const;  // where it writes
  void place_biases(const std::vector<Call>& calls);
  void place_constants(const Call& scores);

  const Architecture& network_;
  int batch_, rows_, length_;  // rows and length of a sequence
  AddressSpace space_;
  Matrix partial_sums_;  // of whichever matmul runs
  Matrix mask_;          // of every head's scores
  Matrix embedding_, positions_;
  Matrix stream_, middle_, norm_, branch_, query_, context_, hidden_, logits_;
  Weights head_;
  std::vector<Matrix> scores_, probabilities_;  // by sequence and head
  std::vector<LayerMatrices> layers_;
};

}  // namespace paretoformer::accel_sim
