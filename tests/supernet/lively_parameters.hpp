// Parameters to test gradients with.
#pragma once

#include <cstddef>
#include <vector>

#include "supernet/model/parameters.hpp"
#include "support/random.hpp"

namespace paretoformer::supernet {

// Weights large enough that every path carries a gradient well above rounding.
template <class T>
std::vector<T> lively_parameters(const ParameterLayout& layout) {
  Random random(22);
  std::vector<T> parameters(layout.size());
  for (std::size_t i = 0; i < parameters.size(); ++i)
    parameters[i] = static_cast<T>(0.3 * random.normal() + (i < layout.matrix_size() ? 0 : 0.2));
  return parameters;
}

}  // namespace paretoformer::supernet
