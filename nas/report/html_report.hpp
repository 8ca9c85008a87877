// The result of a run as one file for a browser, which needs nothing else: no network, no library.
#pragma once

#include <string>

#include "nas/core/archive.hpp"
#include "nas/core/final_front.hpp"
#include "nas/core/predictors.hpp"
#include "nas/run/proxy_task.hpp"
#include "nas/run/run_folder.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::nas {

// What the report shows, from the run folder's logs and the arguments: all candidates, the front
// with the predicted cost of every operator, hypervolume, losses, what a study has found,
// configuration, provenance. It
// depends on the run only: no times, not where the run folder is.
Json report_data(const RunFolder& run, const ProxyTask& proxy, const Predictors& predictors,
                 const Archive& archive, const FinalFront& front);

// The page that shows it.
std::string html_report(const Json& data);

// Writes front.svg and report.html of the run folder.
void write_pictures(const RunFolder& run, const ProxyTask& proxy, const Predictors& predictors,
                    const Archive& archive, const FinalFront& front);

}  // namespace paretoformer::nas
