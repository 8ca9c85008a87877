// The same network and the same training step written for libtorch, as a careful user would.
//
// Nothing of libtorch shows here: its headers take most of a minute to compile.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "supernet/model/network.hpp"
#include "supernet/model/parameters.hpp"
#include "supernet/training/trainer.hpp"

namespace paretoformer {

// Before anything else of libtorch is called.
void configure_libtorch(int threads);
// Version, vector instructions, matrix library and threads, for the report.
std::string describe_libtorch();

class LibtorchPeer {
 public:
  // Starts from a copy of `parameters`, which are those of the layout's largest network.
  LibtorchPeer(const ParameterLayout& layout, const TrainingConfig& config,
               const std::vector<float>& parameters);
  ~LibtorchPeer();

  struct Step {
    double loss, gradient_norm;  // before the update; the norm before clipping
  };
  Step train(const Batch& batch);
  // Mean loss (nats per token), without what a backward pass would need.
  double loss(const Batch& batch);

  // Seconds spent in the parts of all training steps so far.
  struct Breakdown {
    double forward = 0, backward = 0, optimizer = 0;
  };
  const Breakdown& breakdown() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace paretoformer
