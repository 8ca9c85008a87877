// Networks that are trained alone, from scratch, as the supernet was: the same text as its largest
// network in the same order, the same learning rates over the steps, but neither other networks nor
// distillation.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "nas/run/config.hpp"
#include "nas/run/proxy_task.hpp"
#include "search_spaces/architecture.hpp"
#include "support/watch.hpp"

namespace paretoformer::nas {

struct StandaloneWork {
  const RunConfig& config;
  const ProxyTask& proxy;  // its text
  std::vector<Architecture> networks;
  int steps;                     // of each
  std::filesystem::path folder;  // where they are, finished or not
};

// 0: as many as the supernet's, from each of which a network learns what one network of a sandwich
// does.
int steps_alone(const RunConfig& config, int steps);

// Trains what is not finished, several at a time. Finished ones are kept in the folder as exported
// networks, unfinished ones continue from their checkpoints; neither these nor the number of
// threads change the result. Reports the steps of all networks together. Throws Interrupted, with
// the state saved, when it is to stop; InputError when a kept network was trained from something
// else; what train() throws.
void train_standalone(const StandaloneWork& work, const Watch& watch);
// The same, and their losses on the whole validation text (nats per token).
std::vector<double> standalone_losses(const StandaloneWork& work, const Watch& watch);

// The name of a network's files, without what they end in.
std::string standalone_name(const RunConfig& config, const Architecture& network, int steps);
bool is_finished(const std::filesystem::path& folder, const std::string& name);
// Those of its files that are there.
std::vector<std::string> standalone_files(const std::filesystem::path& folder,
                                          const std::string& name);

}  // namespace paretoformer::nas
