// An ONNX graph as the list of operators that an accelerator runs.
#pragma once

#include "accel_sim/workload/listed_network.hpp"
#include "accel_sim/workload/onnx_file.hpp"

namespace paretoformer::accel_sim {

// What each node becomes is in docs/workload.md. Throws InputError for a node that is not
// understood. Its sizes that have names are the workload's sequence length and batch; what is
// computed is all of the graph.
ListedNetwork listed(const OnnxGraph& graph);

}  // namespace paretoformer::accel_sim
