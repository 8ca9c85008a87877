#include "nas/run/supernet_losses.hpp"

#include <algorithm>
#include <memory>

#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/log.hpp"
#include "support/parallel.hpp"

namespace paretoformer::nas {
namespace {

supernet::Subset subset_of(LossPart part) {
  return part == LossPart::kQuarter ? supernet::Subset::kQuarter : supernet::Subset::kRest;
}

}  // namespace

supernet::Evaluator calibration_sequences(const ProxyTask& proxy) {
  return {proxy.layout(), proxy.weights(), proxy.corpus().train, proxy.context(),
          kCalibrationSequences};
}

std::vector<double> int8_losses(const supernet::ParameterLayout& layout,
                                const std::vector<float>& parameters,
                                std::span<const Architecture> networks,
                                const supernet::Batch& calibration, const supernet::Batch& scored,
                                const supernet::QuantizationConfig& config) {
  std::vector<double> losses(networks.size());
  parallel_tasks(networks.size(), [&](std::size_t i) {
    try {
      const supernet::FoldedNetwork folded = fold(layout, parameters.data(), networks[i]);
      losses[i] = integer_loss(calibrated(folded, calibration, config), scored);
    } catch (const InputError& error) {
      throw InputError(describe(networks[i]) + " in int8: " + error.what());
    }
  });
  return losses;
}

std::optional<double> int8_loss(const supernet::ParameterLayout& layout,
                                const std::vector<float>& parameters, const Architecture& network,
                                const supernet::Batch& calibration, const supernet::Batch& scored) {
  try {
    return int8_losses(layout, parameters, {&network, 1}, calibration, scored)[0];
  } catch (const InputError& error) {
    log_warning(error.what());
    return std::nullopt;
  }
}

LossSource supernet_losses(ProxyTask& proxy, bool int8) {
  supernet::Evaluator& evaluator = proxy.evaluator();
  const auto calibration =
      int8 ? std::make_shared<const supernet::Evaluator>(calibration_sequences(proxy)) : nullptr;
  const auto sums = [&proxy, &evaluator, calibration](std::span<const Architecture> networks,
                                                      LossPart part) {
    if (part != LossPart::kInt8) return evaluator.loss_sums(networks, subset_of(part));
    std::vector<double> losses = int8_losses(proxy.layout(), proxy.weights(), networks,
                                             calibration->batch(), evaluator.batch());
    for (double& loss : losses) loss *= evaluator.sequences();
    return losses;
  };
  return {evaluator.sequences(supernet::Subset::kQuarter), evaluator.sequences(), sums, int8};
}

bool asks_for_int8(const RunConfig& config) {
  const auto limits_it = [](const Limit& limit) {
    return limit.objective == Objective::kPerplexityInt8;
  };
  return std::find(config.objectives.begin(), config.objectives.end(),
                   Objective::kPerplexityInt8) != config.objectives.end() ||
         std::any_of(config.limits.begin(), config.limits.end(), limits_it);
}

std::uint64_t loss_key(ProxyTask& proxy) {
  const std::vector<float>& weights = proxy.weights();
  std::uint64_t key = hash_bytes(weights.data(), weights.size() * sizeof(float));
  key = hash_text(proxy.fingerprint(), key);
  const std::int32_t how[] = {proxy.context(), proxy.evaluator().sequences(),
                              static_cast<std::int32_t>(proxy.training().products),
                              static_cast<std::int32_t>(chosen_device(proxy.training()))};
  return hash_bytes(how, sizeof how, key);
}

}  // namespace paretoformer::nas
