// Random input for everything that reads what people and programs hand over: nothing but an Error
// may come of it, and what is read and written again must be the same. Coverage-guided by
// libFuzzer; scripts/fuzz runs it.
//
//     fuzz                         prints the names of the targets
//     fuzz --seeds TARGET FOLDER   writes inputs to begin with
//     fuzz TARGET [options of libFuzzer] CORPUS...
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "support/log.hpp"
#include "tests/fuzz/targets.hpp"

namespace {

const paretoformer::fuzz::Target* chosen = nullptr;

const paretoformer::fuzz::Target* find(std::string_view name) {
  for (const auto& target : paretoformer::fuzz::targets())
    if (target.name == name) return &target;
  std::fprintf(stderr, "fuzz: no target \"%.*s\"\n", static_cast<int>(name.size()), name.data());
  std::exit(2);
}

// Otherwise random changes of the seeds would try nothing but what refuses them.
void require_good_seed() {
  std::string why;
  for (const std::string& seed : chosen->seeds()) {
    try {
      chosen->read(seed);
      return;
    } catch (const paretoformer::Error& error) {
      why = error.what();
    }
  }
  std::fprintf(stderr, "fuzz: no seed of %s is read: %s\n", chosen->name, why.c_str());
  std::exit(1);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* count, char*** words) {
  paretoformer::set_log_level(paretoformer::LogLevel::kOff);  // nearly all input is damaged
  char** const arguments = *words;
  if (*count < 2) {
    for (const auto& target : paretoformer::fuzz::targets()) std::puts(target.name);
    std::exit(0);
  }
  if (*count == 4 && std::string_view(arguments[1]) == "--seeds") {
    int number = 0;
    for (const std::string& seed : find(arguments[2])->seeds())
      std::ofstream(std::string(arguments[3]) + "/seed" + std::to_string(number++),
                    std::ios::binary)
          << seed;
    std::exit(0);
  }
  chosen = find(arguments[1]);
  require_good_seed();
  arguments[1] = arguments[0];  // libFuzzer sees the rest
  ++*words;
  --*count;
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    chosen->read(std::string(reinterpret_cast<const char*>(data), size));
  } catch (const paretoformer::Error&) {
  }
  return 0;
}
