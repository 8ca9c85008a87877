// Networks whose losses are known without measuring them.
#pragma once

#include <span>
#include <vector>

#include "nas/cluster/loss_tasks.hpp"

namespace paretoformer::nas {

inline constexpr LossIdentity kKnownIdentity{1, 2};

inline std::vector<Architecture> some_networks(int count, int first = 1) {
  std::vector<Architecture> networks;
  for (int i = 0; i < count; ++i) networks.push_back({16 * (first + i), 16, 256, {{1, 32}}});
  return networks;
}

inline std::vector<double> true_sums(std::span<const Architecture> networks, LossPart part) {
  std::vector<double> sums;
  for (const Architecture& network : networks)
    sums.push_back(network.model_width / 3.0 + static_cast<double>(part));
  return sums;
}

}  // namespace paretoformer::nas
