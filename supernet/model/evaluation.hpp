// Validation losses of sub-networks, straight from the shared weights.
#pragma once

#include <oneapi/tbb/enumerable_thread_specific.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "supernet/model/network.hpp"
#include "supernet/model/packed_weights.hpp"
#include "supernet/model/parameters.hpp"

namespace paretoformer::supernet {

// A share of the validation sequences, for a first impression of a network and for the rest of what
// is known of it: every fourth sequence, and the others.
enum class Subset { kQuarter, kRest };

// Where networks are evaluated: a device and the weights that are there.
class SequenceLosses {
 public:
  virtual ~SequenceLosses() = default;
  // Sum of next-token losses (nats) of every sequence of the batch, for each network in turn. The
  // networks are prefixes of the layout's largest. Does not depend on what else is evaluated.
  virtual std::vector<std::vector<double>> sequence_losses(std::span<const Architecture> networks,
                                                           const Batch& batch) = 0;
};

// Whether weights may change between evaluations; those that do not are packed once for all.
enum class WeightsAre { changing, fixed };

// On this processor, in T with such products; per thread, the memory of one pass over sequences of
// `context` tokens. `layout` and `parameters` must outlive it.
template <class T>
class CpuLosses : public SequenceLosses {
 public:
  CpuLosses(const ParameterLayout& layout, const std::vector<T>& parameters, int context,
            Products products, WeightsAre weights = WeightsAre::changing);
  std::vector<std::vector<double>> sequence_losses(std::span<const Architecture> networks,
                                                   const Batch& batch) override;

 private:
  const ParameterLayout& layout_;
  const std::vector<T>& parameters_;
  Products products_;
  std::optional<PackedWeights<T>> packed_;
  tbb::enumerable_thread_specific<Activations<T>> activations_;
};

// Holds the validation sequences. The text is cut into
// sequences of `context` tokens that do not overlap; every network sees the same ones, so their
// losses are paired. Results do not depend on the number of threads.
class Evaluator {
 public:
  // Takes at most `max_sequences` sequences (0: all of them), spread evenly over `text`: neighbours
  // share a topic, so the same number from one place would say less. Throws InputError when the
  // text is shorter than one.
  Evaluator(std::shared_ptr<SequenceLosses> losses, std::span<const std::int32_t> text, int context,
            int max_sequences = 0);
  // Takes what another Evaluator of the same text, with `seen` as its `max_sequences`, does not.
  // There may be none.
  static Evaluator of_the_rest(std::shared_ptr<SequenceLosses> losses,
                               std::span<const std::int32_t> text, int context, int seen);
  // On this processor. `layout` and `parameters` must outlive it.
  Evaluator(const ParameterLayout& layout, const std::vector<float>& parameters,
            std::span<const std::int32_t> text, int context, int max_sequences = 0,
            Products products = Products::fp32);

  int sequences() const { return static_cast<int>(tokens_.size()) / context_; }
  int tokens() const { return static_cast<int>(tokens_.size()); }
  // All of them, in the order in which they are kept; as long as this lives.
  Batch batch() const { return {tokens_.data(), targets_.data(), sequences(), context_}; }
  // How many of them are in a subset: a quarter, rounded up, or what is left.
  int sequences(Subset subset) const;

  // Mean loss (nats per token) of every sequence, for each network in turn.
  std::vector<std::vector<double>> sequence_losses(std::span<const Architecture> networks);
  // The sum of these over a subset, for each network.
  std::vector<double> loss_sums(std::span<const Architecture> networks, Subset subset);
  // Mean loss (nats per token) of each network: the two sums over the number of sequences, exactly.
  std::vector<double> losses(std::span<const Architecture> networks);

 private:
  Evaluator(std::shared_ptr<SequenceLosses> losses, int context);
  // Keeps these sequences of the text, every fourth of them first.
  void keep(std::span<const std::int32_t> text, const std::vector<std::size_t>& taken);
  // Of `count` sequences from the `first` on, in the order in which they are kept.
  std::vector<std::vector<double>> kept_losses(std::span<const Architecture> networks, int first,
                                               int count);

  std::shared_ptr<SequenceLosses> losses_;
  int context_;
  std::vector<std::int32_t> tokens_, targets_;  // the quarter first
};

}  // namespace paretoformer::supernet
