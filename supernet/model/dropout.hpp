// Dropout as GPT-2 has it (Radford et al. 2019): of the sum of the embeddings, and of what
// attention and FFN add to the residual stream. That of attention's probabilities is left out: the
// passes never have a whole matrix of them, and would hash it a second time in the backward pass.
#pragma once

#include <cstddef>
#include <cstdint>

#include "supernet/kernels/dropout.hpp"

namespace paretoformer::supernet {

enum class DropoutSite { embedding, attention, ffn };

// What a step, or one of its networks, drops. The mask is a function of the seed, the step, the
// number of the network in the step, site and layer, the row and the column. A network's rows are
// those of all sequences that it learns from in the step, one after the other, however they are
// cut.
struct Dropout {
  double probability = 0;  // none
  std::uint64_t key = 0;
  std::int64_t first_row = 0;  // of a part of the network's rows

  explicit operator bool() const { return probability > 0; }
  static Dropout of_step(double probability, std::uint64_t seed, std::int64_t step);
  // Of one of the networks of the step that this is of.
  Dropout of_network(std::size_t number) const;
  // What begins `row` rows later.
  Dropout from_row(std::ptrdiff_t row) const { return {probability, key, first_row + row}; }
  // Of one matrix of this network.
  DropoutMask mask(DropoutSite site, std::size_t layer) const;
};

}  // namespace paretoformer::supernet
