// The one exception family that every room throws.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace paretoformer {

// Something went wrong at run time (a full disk, a diverging loss). The command line exits with 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What the user gave cannot be used: names the file, the line or JSON path, the key, the value and
// what was expected. The command line exits with 2.
class InputError : public Error {
 public:
  using Error::Error;
};

// Long work was stopped from outside with its state saved. The command line exits with 130.
class Interrupted : public Error {
 public:
  using Error::Error;
};

// " (did you mean \"x\"?)" for the candidate closest to `word` within two edits, else "".
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace paretoformer
