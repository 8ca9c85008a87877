// Where the results of a run come from.
#pragma once

#include "nas/run/proxy_task.hpp"
#include "nas/run/run_folder.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::nas {

// Where results come from: hashes of configuration, hardware, text and weights, and the seed.
Json provenance(const RunFolder& run, const ProxyTask& proxy);

}  // namespace paretoformer::nas
