// Which operators of a Transformer run together: fusion of a matmul with the softmax or the
// LayerNorm after it (survey Sec. 5.5), whole rows of results staying in the accumulator.
#pragma once

#include <functional>
#include <vector>

#include "accel_sim/hardware/hardware.hpp"
#include "accel_sim/hardware/hardware_cost.hpp"
#include "accel_sim/workload/operators.hpp"
#include "search_spaces/architecture.hpp"

namespace paretoformer::accel_sim {

// A cost model: the price of running an operator once. Must be a pure function, and callable from
// several threads at once.
using OperatorPricer = std::function<HardwareCost(const Operator&)>;

// transformer_operators(), as Hardware::fusion has them run. There are as many, in the same order
// and the same roles; what is fused has the matmul's shape as well (softmax_of(), layer_norm_of(),
// residual_add_of()) and is priced for what it adds to the matmul's run. Pairs are
//
// - scores and their softmax: fused, or the scores leave as int32 sums and come back (tiled_norm);
// - the output projection, or FFN down, with the residual add and the LayerNorm after it, which may
//   be the next layer's or the final one: fused, the residual stream is loaded into the
//   accumulator, products are added to it, and the sum leaves as it is and normalised.
//
// Gemmini's library fuses the softmax whenever whole rows fit (Fusion::kLibrary), and never the
// LayerNorm. Fusion::kBest fuses a pair whose energy-delay product, that of the sum of its
// operators by `price`, is lower for it; of equal ones it fuses neither; the others need no
// `price`. Rows that do not fit the accumulator, and hardware without normaliser or with an
// output-stationary array, leave nothing to choose. Throws what transformer_operators() and `price`
// throw, and Error where there is none and must be.
std::vector<TransformerOperator> scheduled_operators(const Architecture& architecture,
                                                     const Workload& workload,
                                                     const Hardware& hardware,
                                                     const OperatorPricer& price = {});

// The same for part of the list.
std::vector<TransformerOperator> scheduled(std::vector<TransformerOperator> list,
                                           const Hardware& hardware,
                                           const OperatorPricer& price = {});

// The same for scores alone: the matmul, as transformer_operators() has it, that runs in its place.
Operator scheduled_scores(const Operator& scores, const Hardware& hardware,
                          const OperatorPricer& price = {});

// Every operator that scheduled_operators() may answer or price for the network, some more than
// once.
std::vector<Operator> operators_to_schedule(const Architecture& architecture,
                                            const Workload& workload, const Hardware& hardware);

}  // namespace paretoformer::accel_sim
