// What several verbs are told.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace paretoformer {
class Communicator;
}

namespace paretoformer::nas {

struct CommonOptions {
  bool json = false;
  int threads = 0;                // 0: all cores
  Communicator* ranks = nullptr;  // of an MPI run, of which this is rank 0; null: it is none
};

struct RunOptions {
  std::string config;                  // a preset, a file or a run folder
  std::vector<std::string> overrides;  // "key.path=value"
  bool resume = false;
};

// What a network is priced on, as far as it is given (priced_network.hpp).
struct PricingOptions {
  std::optional<std::string> hardware;
  std::optional<int> length, batch;
  std::optional<std::string> mode;
  std::optional<std::string> mask, biases, nonlinear_inputs;

  bool any() const {
    return hardware || length || batch || mode || mask || biases || nonlinear_inputs;
  }
};

}  // namespace paretoformer::nas
