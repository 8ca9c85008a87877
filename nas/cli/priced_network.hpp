// The one answer to what a network costs: what `predict` and `simulate` say without a predictor,
// and what a search confirms.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "accel_sim/simulator.hpp"
#include "accel_sim/workload/listed_network.hpp"
#include "nas/cli/options.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::nas {

struct RunConfig;

// A network, what it runs on, and what its file says of its cost.
struct PricedNetwork {
  Architecture architecture;
  std::optional<accel_sim::ListedNetwork> listed;  // instead of it
  accel_sim::Target hardware;
  std::string hardware_name;  // a preset's, or a file's
  accel_sim::Workload workload;
  // Of an exported file, and of a front's member: whether hardware and workload are its run's, and
  // the run's in words.
  bool is_as_in_run = true;
  std::string run;
  std::optional<accel_sim::HardwareCost> confirmed;
  bool confirms_no_cost = false;  // but the loss: its run priced another device
};

// "length 48 (prefill)", "length 48 (prefill, causal mask, biases, LayerNorm and GELU of int8)".
std::string in_words(const accel_sim::Workload& workload);

// Under the keys of its fields in files.
Json workload_json(const accel_sim::Workload& workload);

// One line.
std::string describe(const PricedNetwork& network);

// What is not given is what an exported file says of its run; of a bare architecture it is
// gemmini_transformer, 512 positions, prefill, neither mask nor biases, LayerNorm and GELU of sums.
// The same of other programs' networks, but with the mask and the biases that they have, and no
// more positions. Throws InputError.
PricedNetwork priced_network(const std::filesystem::path& file, const PricingOptions& given);
// The same of no network yet: what is not given is the run's, or that of a bare architecture.
PricedNetwork usual_pricing(const PricingOptions& given, const RunConfig* run = nullptr);

struct WholeSimulation {
  std::vector<accel_sim::OperatorReport> operators;
  std::string why_cold;  // empty: simulate_network(), every operator at its place
};

// simulate_network(); of networks beyond its memory, and of those that are lists of operators, the
// operators by themselves.
WholeSimulation simulate_whole(const PricedNetwork& network,
                               const accel_sim::NetworkOptions& options);

// What `answer` is if not what the network's file confirms, or not of the whole network, for a line
// of its own; "" if there is nothing to say.
std::string note_on(const PricedNetwork& network, const accel_sim::HardwareCost& answer,
                    const std::string& why_cold);

}  // namespace paretoformer::nas
