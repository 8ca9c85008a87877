// Ranks that mpirun or srun has started, in a build with -DPARETOFORMER_MPI=ON.
#pragma once

#include <memory>

#include "support/communicator.hpp"

namespace paretoformer::nas {

// What a launcher says of this process in the environment, also without MPI.
struct Launched {
  bool by_launcher = false;
  int rank = 0, size = 1;
};
Launched launched();

// All processes that were launched together; null for one that was started by hand. To be called
// once, and to live until all of them end. A rank that is not heard of for some time (default 30 s;
// environment variable PARETOFORMER_SILENCE, seconds) ends all with a line that names it. Throws
// InputError in a build without MPI.
std::unique_ptr<Communicator> join_ranks();

}  // namespace paretoformer::nas
