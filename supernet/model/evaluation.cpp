#include "supernet/model/evaluation.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "support/error.hpp"
#include "support/parallel.hpp"

namespace paretoformer::supernet {
namespace {

constexpr int kQuarterStride = 4;

// The sequences that an Evaluator takes of `available` ones: spread evenly.
std::vector<std::size_t> evaluated_sequences(std::size_t available, int max_sequences) {
  const std::size_t count =
      max_sequences > 0 ? std::min(available, static_cast<std::size_t>(max_sequences)) : available;
  std::vector<std::size_t> taken(count);
  for (std::size_t i = 0; i < count; ++i) taken[i] = i * available / count;
  return taken;
}

std::size_t sequences_in(std::span<const std::int32_t> text, int context) {
  const auto length = static_cast<std::size_t>(context);
  const std::size_t available = text.empty() ? 0 : (text.size() - 1) / length;
  if (available == 0)
    throw InputError("the validation text has " + std::to_string(text.size()) +
                     " tokens, at least " + std::to_string(length + 1) + " are needed for one " +
                     "sequence of context " + std::to_string(length));
  return available;
}

}  // namespace

template <class T>
CpuLosses<T>::CpuLosses(const ParameterLayout& layout, const std::vector<T>& parameters,
                        int context, Products products, WeightsAre weights)
    : layout_(layout),
      parameters_(parameters),
      products_(products),
      activations_([&layout, context] {
        return Activations<T>(layout, sequences_per_task({nullptr, nullptr, 1, context}), context,
                              Activations<T>::Keep::nothing);
      }) {
  if (weights == WeightsAre::changing) return;
  packed_.emplace(layout, products, PackedFor::evaluation);
  packed_->pack(parameters.data());
}

template <class T>
std::vector<std::vector<double>> CpuLosses<T>::sequence_losses(
    std::span<const Architecture> networks, const Batch& batch) {
  const int per_task = sequences_per_task({nullptr, nullptr, 1, batch.length});
  const int chunks = (batch.sequences + per_task - 1) / per_task;
  std::vector<std::vector<double>> result(
      networks.size(), std::vector<double>(static_cast<std::size_t>(batch.sequences)));
  const std::size_t count = networks.size() * static_cast<std::size_t>(chunks);
  parallel_tasks(count, [&](std::size_t index) {
    const std::size_t network = index / static_cast<std::size_t>(chunks);
    const int first = static_cast<int>(index % static_cast<std::size_t>(chunks)) * per_task;
    const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(first) * batch.length;
    const Batch part{batch.tokens + row, batch.targets + row,
                     std::min(per_task, batch.sequences - first), batch.length};
    supernet::sequence_losses<T>(
        {layout_, parameters_.data(), networks[network], part, activations_.local(), products_,
         nullptr, packed_ ? &*packed_ : nullptr},
        0,
        std::span(result[network])
            .subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(part.sequences)));
  });
  return result;
}

template class CpuLosses<float>;
template class CpuLosses<double>;

Evaluator::Evaluator(const ParameterLayout& layout, const std::vector<float>& parameters,
                     std::span<const std::int32_t> text, int context, int max_sequences,
                     Products products)
    : Evaluator(std::make_shared<CpuLosses<float>>(layout, parameters, context, products), text,
                context, max_sequences) {}

Evaluator::Evaluator(std::shared_ptr<SequenceLosses> losses, int context)
    : losses_(std::move(losses)), context_(context) {}

Evaluator::Evaluator(std::shared_ptr<SequenceLosses> losses, std::span<const std::int32_t> text,
                     int context, int max_sequences)
    : Evaluator(std::move(losses), context) {
  keep(text, evaluated_sequences(sequences_in(text, context), max_sequences));
}

Evaluator Evaluator::of_the_rest(std::shared_ptr<SequenceLosses> losses,
                                 std::span<const std::int32_t> text, int context, int seen) {
  const std::size_t available = sequences_in(text, context);
  const std::vector<std::size_t> taken = evaluated_sequences(available, seen);
  std::vector<std::size_t> rest;
  for (std::size_t i = 0, next = 0; i < available; ++i)
    if (next < taken.size() && taken[next] == i)
      ++next;
    else
      rest.push_back(i);
  Evaluator evaluator(std::move(losses), context);
  evaluator.keep(text, rest);
  return evaluator;
}

void Evaluator::keep(std::span<const std::int32_t> text, const std::vector<std::size_t>& taken) {
  const auto length = static_cast<std::size_t>(context_);
  for (const bool quarter : {true, false})
    for (std::size_t i = 0; i < taken.size(); ++i) {
      if ((i % kQuarterStride == 0) != quarter) continue;
      const std::span<const std::int32_t> sequence = text.subspan(taken[i] * length, length + 1);
      tokens_.insert(tokens_.end(), sequence.begin(), sequence.end() - 1);
      targets_.insert(targets_.end(), sequence.begin() + 1, sequence.end());
    }
}

int Evaluator::sequences(Subset subset) const {
  const int quarter = (sequences() + kQuarterStride - 1) / kQuarterStride;
  return subset == Subset::kQuarter ? quarter : sequences() - quarter;
}

std::vector<std::vector<double>> Evaluator::kept_losses(std::span<const Architecture> networks,
                                                        int first, int count) {
  const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(first) * context_;
  std::vector<std::vector<double>> result = losses_->sequence_losses(
      networks, {tokens_.data() + row, targets_.data() + row, count, context_});
  for (std::vector<double>& losses : result)
    for (double& loss : losses) loss /= context_;
  return result;
}

std::vector<std::vector<double>> Evaluator::sequence_losses(
    std::span<const Architecture> networks) {
  std::vector<std::vector<double>> result = kept_losses(networks, 0, sequences());
  for (std::vector<double>& losses : result) {
    const std::vector<double> kept = losses;
    std::size_t next[2] = {0, static_cast<std::size_t>(sequences(Subset::kQuarter))};
    for (std::size_t i = 0; i < kept.size(); ++i) losses[i] = kept[next[i % kQuarterStride != 0]++];
  }
  return result;
}

std::vector<double> Evaluator::loss_sums(std::span<const Architecture> networks, Subset subset) {
  const int begin = subset == Subset::kQuarter ? 0 : sequences(Subset::kQuarter);
  std::vector<double> sums;
  sums.reserve(networks.size());
  for (const std::vector<double>& all : kept_losses(networks, begin, sequences(subset)))
    sums.push_back(std::accumulate(all.begin(), all.end(), 0.0));
  return sums;
}

std::vector<double> Evaluator::losses(std::span<const Architecture> networks) {
  std::vector<double> means;
  means.reserve(networks.size());
  for (const std::vector<double>& all : kept_losses(networks, 0, sequences())) {
    const auto rest = all.begin() + sequences(Subset::kQuarter);
    means.push_back(
        (std::accumulate(all.begin(), rest, 0.0) + std::accumulate(rest, all.end(), 0.0)) /
        static_cast<double>(all.size()));
  }
  return means;
}

}  // namespace paretoformer::supernet
