// What the verbs of the command line share: reading what they are given, printing their answer,
// threads.
#pragma once

#include <oneapi/tbb/global_control.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nas/cli/options.hpp"
#include "search_spaces/architecture.hpp"
#include "search_spaces/search_space.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {

// A bare architecture, or a candidate or exported file that holds one. What it does not say of head
// width and vocabulary, `space` (if given) says. Throws InputError when the file holds neither.
Architecture architecture_argument(const std::filesystem::path& path, const SearchSpace* space);
Architecture architecture_in(const Json& json, const std::string& file, const SearchSpace* space);

// A list of architectures: of one, of a list of them or of candidates, or of a front.json. Throws
// InputError when the file holds none of these.
Json architectures_in(const std::filesystem::path& path);

// Throws InputError, which names the option, unless the text is UTF-8, as what is printed must be.
void require_utf8(std::string_view text, const std::string& option);

// Of "1,2,3": whole numbers from 1 to `largest`; none where it is not that.
std::vector<int> numbers_in(std::string_view text, int largest);

// Writes to standard output at once, control characters but line feeds escaped. Throws Error when
// it cannot (a full disk, a closed pipe).
void print(const std::string& text);

// A path as it is printed: on one line.
std::string path_text(const std::filesystem::path& path);

// Keeps to common.threads threads as long as the result lives.
std::unique_ptr<tbb::global_control> limit_threads(const CommonOptions& common);

// The time since it was made.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace paretoformer::nas
