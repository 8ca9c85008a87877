// Losses that all ranks of a run measure together.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "nas/cluster/loss_tasks.hpp"
#include "nas/core/loss_source.hpp"
#include "support/communicator.hpp"

namespace paretoformer::nas {

// A source of losses on another rank, and what it depends on.
struct RankLosses {
  LossSource source;
  LossIdentity identity;
};
using MakeLosses = std::function<RankLosses(const std::string& setup, const std::string& weights)>;

// On rank 0: gives `setup` and `weights` to all ranks and returns `source` spread over them.
// Network i of what is asked for is measured by rank i modulo their number, and its place in the
// result is i: the result is the source's, whoever measures. Throws Error, which names the rank,
// for what goes wrong on one, also when its identity is another; InputError where its own error is
// one.
LossSource spread(LossSource source, Communicator& ranks, const LossIdentity& identity,
                  const std::string& setup, std::string weights);

// First bytes of what rank 0 then says, before the setup and before a task.
inline constexpr char kSaysSetup = 's', kSaysTask = 't';
// On the others: what follows each (serve(), nas/cluster/rank_work.hpp).
void prepare_losses(Communicator& ranks, const MakeLosses& make, const std::string& setup,
                    std::optional<RankLosses>& losses);
void measure_losses(Communicator& ranks, const std::optional<RankLosses>& losses,
                    const std::string& task_asked);

}  // namespace paretoformer::nas
