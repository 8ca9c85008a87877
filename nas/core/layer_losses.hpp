// Losses of networks as sums of what each layer adds, and the file of them (docs/configuration.md).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "nas/core/knapsack.hpp"
#include "search_spaces/search_space.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::nas {

// A number for every combination of the axes' choices, read from a list of rows and written as one.
class LossGrid {
 public:
  struct Axis {
    std::string key;
    std::vector<int> choices;  // increasing
  };
  explicit LossGrid(std::vector<Axis> axes);

  double& at(std::span<const int> values);  // one of each axis' choices
  double at(std::span<const int> values) const;
  // Each of [{KEY: CHOICE, ..., "loss": NUMBER}, ...] is of all combinations with the choices that
  // it names; what it does not name may be any. Throws InputError when a combination has no row, or
  // two.
  void read(const JsonNode& rows);
  Json to_json() const;  // a row for every combination

 private:
  std::size_t index_of(std::span<const int> values) const;
  std::string describe(std::size_t index) const;
  void read_row(const JsonNode& row, std::size_t number, std::vector<std::size_t>& row_of);

  std::vector<Axis> axes_;
  std::vector<double> losses_;
};

class LayerLosses {
 public:
  // The terms of every layer choice; nothing is added for depth and width.
  LayerLosses(const SearchSpace& space, const LayerTerm& loss);

  // Reads {"format", "layers": rows of "layer" (its place, from 0), "model_width" and the genes of
  // layers, "networks": rows of "depth" and "model_width" (left out: nothing)}. Throws InputError.
  static LayerLosses from_json(const JsonNode& node, const SearchSpace& space);
  Json to_json() const;

  double layer(int model_width, int index, const Layer& layer) const;
  double frame(int depth, int model_width) const;

 private:
  explicit LayerLosses(const SearchSpace& space);
  std::vector<int> place(int model_width, int index, const Layer& layer) const;

  std::vector<Gene<Layer>> genes_;
  LossGrid layers_, networks_;
};

// What stands in for the loss where nothing is known of it: minus the number of parameters.
LayerLosses minus_parameters(const SearchSpace& space);

}  // namespace paretoformer::nas
