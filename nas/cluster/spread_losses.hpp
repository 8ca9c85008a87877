// Losses that all ranks of a run measure together, and their part of other work. Rank 0 has the
// search, the run folder and the command line; the others wait for what it asks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "nas/cluster/loss_tasks.hpp"
#include "nas/core/loss_source.hpp"
#include "support/communicator.hpp"

namespace paretoformer::nas {

// A source of losses on another rank, and what it depends on.
struct RankLosses {
  LossSource source;
  LossIdentity identity;
};

// On rank 0: gives `setup` and `weights` to all ranks and returns `source` spread over them.
// Network i of what is asked for is measured by rank i modulo their number, and its place in the
// result is i: the result is the source's, whoever measures. Throws Error, which names the rank,
// for what goes wrong on one, also when its identity is another; InputError where its own error is
// one.
LossSource spread(LossSource source, Communicator& ranks, const LossIdentity& identity,
                  const std::string& setup, std::string weights);

// What another rank does when it is asked for.
struct RankWork {
  // Makes the losses from what spread() was given; what it throws, rank 0 throws.
  std::function<RankLosses(const std::string& setup, const std::string& weights)> losses;
  // Takes part in a training, from what call_to_train() was given to its end; does not throw.
  std::function<void(const std::string& setup)> train = {};
  // Does its part of what share_out() was given and returns the answer; what it throws, rank 0
  // throws.
  std::function<std::string(const std::string& part)> part = {};
};

// On the others: does what rank 0 asks until that ends.
void serve(Communicator& ranks, const RankWork& work);
// On rank 0: gives every other rank its part of some work, does its own, and returns all answers by
// rank. Throws Error, which names the rank, for what goes wrong on one.
std::vector<std::string> share_out(Communicator& ranks, const std::vector<std::string>& parts,
                                   const std::function<std::string()>& own);
// On rank 0: what calls the others to a training (supernet/training/sharded_backend.hpp).
std::string call_to_train(const std::string& setup);
// On rank 0, at its end, whatever that is: the others go.
void dismiss(Communicator& ranks);

}  // namespace paretoformer::nas
