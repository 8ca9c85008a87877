// The readers that are tried with random input.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "support/error.hpp"

namespace paretoformer::fuzz {

struct Target {
  const char* name;
  std::function<std::vector<std::string>()> seeds;  // inputs to begin with
  // Reads the input. Throws Error, or returns, or is wrong.
  std::function<void(const std::string&)> read;
};

const std::vector<Target>& targets();

}  // namespace paretoformer::fuzz
