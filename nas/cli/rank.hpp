// What the ranks of an MPI run do other than rank 0, and rank 0's losses with their help.
#pragma once

#include "nas/core/loss_source.hpp"
#include "nas/run/config.hpp"
#include "nas/run/proxy_task.hpp"
#include "nas/run/standalone.hpp"
#include "support/communicator.hpp"

namespace paretoformer::nas {

// Until rank 0 ends. Writes no file and prints nothing.
void work_as_rank(Communicator& ranks);

// On rank 0: the losses of a supernet that is trained, measured on all ranks.
LossSource losses_of_ranks(Communicator& ranks, const RunConfig& config, ProxyTask& proxy,
                           LossSource source);

// On rank 0: the ranks that its training is spread over, and what calls them to it; none where its
// steps are one shard.
supernet::TrainingRanks training_ranks(Communicator* ranks, const RunConfig& config,
                                       const ProxyTask& proxy);

// On rank 0, whose losses are spread: train_standalone() on all ranks, each of which trains some of
// the networks for a while, and gives their files back.
void train_on_ranks(Communicator& ranks, const StandaloneWork& work, const Watch& watch);

}  // namespace paretoformer::nas
