// The main function of a benchmark that is a command.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <exception>

namespace paretoformer {

// What `run` returns; what it throws, in one line.
template <typename Run>
int command_main(const char* name, const Run& run) {
  try {
    return run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", name, error.what());
    return EXIT_FAILURE;
  }
}

}  // namespace paretoformer
