// What a search asks of its workers, and what they answer: files with checksums.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nas/core/loss_source.hpp"
#include "support/checksum.hpp"

namespace paretoformer::nas {

// At the end of both.
inline constexpr Checksum kTaskChecksum{",\n\"check\": \"", "\"}\n"};

// What losses depend on but the network. Whoever has another one gives other answers.
struct LossIdentity {
  std::uint64_t weights = 0;     // and text, sequences, products: loss_key()
  std::uint64_t arithmetic = 0;  // the bits of a loss: processors of other kinds round otherwise

  bool operator==(const LossIdentity&) const = default;
};
// Measures a loss for it, of `largest`.
LossIdentity identity_of(const LossSource& source, std::uint64_t weights,
                         const Architecture& largest);

struct LossTask {
  LossIdentity identity;
  LossPart part = LossPart::kQuarter;
  std::vector<Architecture> networks;

  bool operator==(const LossTask&) const = default;
};
std::string task_text(const LossTask& task);
// A hash of the text.
std::string name_of(const LossTask& task);
// Throws InputError naming `file`.
LossTask loss_task_from_text(const std::string& text, const std::string& file);

// The sums of LossSource::sums(), in the order of the task; those that are not finite as NaN.
std::string answer_text(const LossTask& task, const std::vector<double>& sums);
// Throws InputError naming `file`, also when it is the answer to another task.
std::vector<double> sums_from_text(const LossTask& task, const std::string& text,
                                   const std::string& file);

}  // namespace paretoformer::nas
