// Logs of JSON lines in which an edited, removed or moved line is noticed when they are read again.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "support/json.hpp"

namespace paretoformer {

// The lines of one log, in their order: each carries, as its last key, a hash of itself and of the
// check of the line before. Lines that were written without one may come first.
class LineChain {
 public:
  // Of a log that does not exist yet, or of one that goes on after `lines`, which are not checked.
  explicit LineChain(const std::vector<std::string>& lines = {});

  // The next line: `json`, an object, with its "check", and '\n'.
  std::string line(const Json& json);
  // Hands what the next line (without '\n') holds, but for its check, to `use`, whose errors come
  // first: they say more. Throws InputError beginning with `where` when the line is no JSON or has
  // been changed.
  void read(std::string_view line, const std::string& where,
            const std::function<void(const JsonNode&)>& use);

 private:
  std::string last_;  // check; empty: none yet
};

}  // namespace paretoformer
