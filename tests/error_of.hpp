// What is said of input that is refused.
#pragma once

#include <functional>
#include <string>

#include "support/error.hpp"

namespace paretoformer {

// The message of the InputError that an action throws, or "no error".
inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace paretoformer
