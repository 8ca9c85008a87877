// A training whose gradients are sums of shards (shards.hpp), on one machine or on several.
#pragma once

#include <functional>
#include <memory>

#include "supernet/training/backend.hpp"
#include "support/communicator.hpp"

namespace paretoformer::supernet {

// With config.shards of each step. The shards of this process, of rank 0 or of one without others,
// are worked on by a back end for them alone, which is that of make_backend(). Throws InputError,
// which names the rank, where one cannot do what is asked for or has other last bits, and Error
// where it has other weights when those of this one are downloaded.
template <class T>
std::shared_ptr<TrainingBackend<T>> make_sharded_backend(const ParameterLayout& layout,
                                                         const TrainingConfig& config,
                                                         TrainingState<T>& state,
                                                         Arithmetic arithmetic,
                                                         const TrainingRanks& ranks);

// What a training on rank 0 was made for.
struct TrainingSetup {
  ParameterLayout layout;
  TrainingConfig config;
};

// What another rank does until the back end on rank 0 is gone. What `setup` throws, rank 0 throws.
void serve_training(Communicator& ranks, const std::function<TrainingSetup()>& setup);

}  // namespace paretoformer::supernet
