// A run as a Chrome trace: a JSON file that ui.perfetto.dev and chrome://tracing draw.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "accel_sim/engines/engine.hpp"
#include "accel_sim/hardware/hardware_cost.hpp"
#include "accel_sim/workload/operators.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::accel_sim {

// Operators follow each other in time, each a span in the lane "operators". What host, load,
// execute and store do inside one is drawn for its first repeat only. A cycle is a microsecond of
// the viewer. Transfers that overlap take further rows of their lane ("load 2").
class ChromeTrace {
 public:
  // The next operator of the run: `item.repeat` times `cycles`; `spans` count from its beginning.
  void add(const TransformerOperator& item, Cycles cycles, Trace spans = {});

  // Where the run is after the operators added so far.
  Cycles total() const { return now_; }

  // Writes the file; `about` goes to its "otherData". Throws Error when the file cannot be written.
  void write(const std::filesystem::path& path, const Json& about) const;

 private:
  // The row of the lane that is free at `begin`, taken until `end`.
  int take_row(Lane lane, std::int64_t begin, std::int64_t end);

  Cycles now_;
  std::vector<std::string> events_;                      // of an operator each
  std::array<std::vector<std::int64_t>, 4> rows_taken_;  // by lane: until when each row is
};

}  // namespace paretoformer::accel_sim
