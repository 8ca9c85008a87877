// The parts that all ranks of a run have in its work. Rank 0 has the search, the run folder and the
// command line; the others wait for what it asks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "nas/cluster/spread_losses.hpp"
#include "support/communicator.hpp"

namespace paretoformer::nas {

// What another rank does when it is asked for.
struct RankWork {
  // Makes the losses from what spread() was given; what it throws, rank 0 throws.
  MakeLosses losses;
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
