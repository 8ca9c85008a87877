// A network of another program's file, as the list of its operators: what is priced and analysed of
// it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "accel_sim/workload/operators.hpp"

namespace paretoformer::accel_sim {

struct ListedNetwork {
  std::string description;      // a line
  std::int64_t parameters = 0;  // trainable
  Workload usual;               // mask and biases as the network has them
  int longest = 0;              // sequence; 0: any
  // Computes what its file says: all positions, masked as it is. Then its sizes may all be fixed.
  bool is_graph = false;
  bool has_length = true, has_batch = true;
  // Where the work for a decoded token, an affine function of its position, has a bend; 0: nowhere.
  int window = 0;
  // In the order in which they run. Throws InputError for what the network cannot do.
  std::function<std::vector<TransformerOperator>(const Workload&)> operators;
};

}  // namespace paretoformer::accel_sim
