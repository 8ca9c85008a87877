// The other side of shared_losses.hpp: a process that measures losses for a search.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>

#include "nas/cluster/loss_tasks.hpp"
#include "nas/core/loss_source.hpp"

namespace paretoformer::nas {

struct WorkerOptions {
  double lease_seconds = 0;
  double idle_seconds = 0;  // without work, after which it goes; 0: never
};

struct WorkDone {
  std::size_t tasks = 0, losses = 0;
  bool idle = false;  // went because there was nothing to do
};

// Takes tasks from `folder`, which it makes, until the search `is_over`; whoever is there last then
// removes the folder. Throws InputError when the search measures with other weights or on a
// processor that rounds otherwise; what it has claimed is free then.
WorkDone work_on_losses(const LossSource& source, const LossIdentity& identity,
                        const std::filesystem::path& folder, const WorkerOptions& options,
                        const std::function<bool()>& is_over);

}  // namespace paretoformer::nas
