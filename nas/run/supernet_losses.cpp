#include "nas/run/supernet_losses.hpp"

#include <algorithm>
#include <memory>

#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/log.hpp"
#include "support/parallel.hpp"

namespace paretoformer::nas {
namespace {

int sequences_of_text(const ProxyTask& proxy) {
  return static_cast<int>((proxy.corpus().validation.size() - 1) /
                          static_cast<std::size_t>(proxy.context()));
}

// What not every source is asked for: it is made when it is.
class Texts {
 public:
  explicit Texts(const ProxyTask& proxy) : proxy_(proxy) {}

  std::vector<double> int8_sums(std::span<const Architecture> networks,
                                const supernet::Evaluator& scored) {
    if (!calibration_) {
      calibration_.emplace(calibration_sequences(proxy_));
      integer_loss_ = make_integer_loss(proxy_.layout(), proxy_.weights(), proxy_.training());
    }
    std::vector<double> losses =
        int8_losses(integer_loss_, networks, calibration_->batch(), scored.batch());
    for (double& loss : losses) loss *= scored.sequences();
    return losses;
  }
  std::vector<double> whole_int8_sums(std::span<const Architecture> networks) {
    if (!whole_) whole_.emplace(proxy_.losses(), proxy_.corpus().validation, proxy_.context());
    return int8_sums(networks, *whole_);
  }
  std::vector<double> unseen_sums(std::span<const Architecture> networks) {
    if (!unseen_)
      unseen_.emplace(supernet::Evaluator::of_the_rest(proxy_.losses(), proxy_.corpus().validation,
                                                       proxy_.context(),
                                                       proxy_.validation_sequences()));
    std::vector<double> sums = unseen_->loss_sums(networks, supernet::Subset::kQuarter);
    const std::vector<double> rest = unseen_->loss_sums(networks, supernet::Subset::kRest);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += rest[i];
    return sums;
  }

 private:
  const ProxyTask& proxy_;
  std::optional<supernet::Evaluator> calibration_, whole_, unseen_;
  supernet::IntegerLoss integer_loss_;  // on the training's device
};

}  // namespace

supernet::Evaluator calibration_sequences(const ProxyTask& proxy) {
  return {proxy.layout(), proxy.weights(), proxy.corpus().train, proxy.context(),
          kCalibrationSequences};
}

std::vector<double> int8_losses(const supernet::IntegerLoss& loss,
                                std::span<const Architecture> networks,
                                const supernet::Batch& calibration, const supernet::Batch& scored) {
  std::vector<double> losses(networks.size());
  parallel_tasks(networks.size(), [&](std::size_t i) {
    try {
      losses[i] = loss(networks[i], calibration, scored);
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
    return int8_losses(integer_loss_of(layout, parameters), {&network, 1}, calibration, scored)[0];
  } catch (const InputError& error) {
    log_warning(error.what());
    return std::nullopt;
  }
}

LossSource supernet_losses(ProxyTask& proxy, bool int8) {
  supernet::Evaluator& seen = proxy.evaluator();
  const auto texts = std::make_shared<Texts>(proxy);
  LossSource source;
  source.quarter = seen.sequences(supernet::Subset::kQuarter);
  source.sequences = seen.sequences();
  source.sums = [&seen, texts](std::span<const Architecture> networks, LossPart part) {
    switch (part) {
      case LossPart::kQuarter:
        return seen.loss_sums(networks, supernet::Subset::kQuarter);
      case LossPart::kRest:
        return seen.loss_sums(networks, supernet::Subset::kRest);
      case LossPart::kInt8:
        return texts->int8_sums(networks, seen);
      case LossPart::kUnseen:
        return texts->unseen_sums(networks);
      case LossPart::kWholeInt8:
        break;
    }
    return texts->whole_int8_sums(networks);
  };
  source.int8 = int8;
  source.unseen = sequences_of_text(proxy) - source.sequences;
  return source;
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
