// A search's losses, measured together with workers that come and go (work_folder.hpp).
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>

#include "nas/cluster/loss_tasks.hpp"
#include "nas/core/loss_source.hpp"

namespace paretoformer::nas {

// `source`, whose losses are asked for in tasks in `folder` whenever workers are there; this
// process takes tasks, too. A claimed task is waited for as long as its lease lives. Without
// workers nothing is written. `identity` is asked for when it is needed. Losses that a killed
// search has not taken up stay in the folder for the next one. Not for several threads at a time.
LossSource shared(LossSource source, const std::filesystem::path& folder,
                  std::function<LossIdentity()> identity);

}  // namespace paretoformer::nas
