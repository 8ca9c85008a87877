// Numbers that are neither infinite nor undefined.
#pragma once

#include <cmath>
#include <span>
#include <string>

#include "support/error.hpp"

namespace paretoformer {

// Throws Error, "`what` is not finite".
inline void require_finite(std::span<const double> values, const char* what) {
  for (const double value : values)
    if (!std::isfinite(value)) throw Error(std::string(what) + " is not finite");
}

}  // namespace paretoformer
