#include "nas/run/supernet_losses.hpp"

#include "support/hash.hpp"

namespace paretoformer::nas {

LossSource supernet_losses(ProxyTask& proxy) {
  supernet::Evaluator& evaluator = proxy.evaluator();
  return {evaluator.sequences(supernet::Subset::kQuarter), evaluator.sequences(),
          [&evaluator](std::span<const Architecture> networks, supernet::Subset subset) {
            return evaluator.loss_sums(networks, subset);
          }};
}

std::uint64_t loss_key(ProxyTask& proxy) {
  const std::vector<float>& weights = proxy.weights();
  std::uint64_t key = hash_bytes(weights.data(), weights.size() * sizeof(float));
  key = hash_text(proxy.fingerprint(), key);
  const std::int32_t how[] = {proxy.context(), proxy.evaluator().sequences(),
                              static_cast<std::int32_t>(proxy.products())};
  return hash_bytes(how, sizeof how, key);
}

}  // namespace paretoformer::nas
