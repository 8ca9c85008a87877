// What prices the candidates of a run.
#pragma once

#include "latency_predictor/latency_predictor.hpp"
#include "nas/core/predictors.hpp"
#include "nas/run/run_folder.hpp"
#include "search_spaces/search_space.hpp"

namespace paretoformer::nas {

// The configuration's, by default the simulator, operator by operator. Throws InputError when its
// file is none, or for another hardware or workload.
latency_predictor::LatencyPredictor predictor_of(const RunConfig& config);

// The configuration's if it names one; else that of the run folder; else, of the simulator,
// operator by operator at their places in whole networks of `space`, which takes some seconds. Sums
// alone where a network of the space cannot be simulated as a whole.
latency_predictor::LatencyPredictor predictor_of(const RunFolder& run, const SearchSpace& space);
latency_predictor::LatencyPredictor predictor_in_place(const RunConfig& config,
                                                       const SearchSpace& space);

// The same for every hardware that the configuration lets networks choose, made when the first
// network on it is priced, and kept in the run folder, which is not written before that.
Predictors predictors_of(const RunFolder& run, const SearchSpace& space);
// Without a run folder.
Predictors predictors_in_place(const RunConfig& config, const SearchSpace& space);

}  // namespace paretoformer::nas
