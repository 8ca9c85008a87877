// Measured costs of operators on a real device, from a CSV file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "latency_predictor/lookup_table.hpp"

namespace paretoformer {

// Name of the model of a table of measurements.
inline constexpr const char* kMeasuredModel = "measured";

// A file that begins with a header of three columns in any order: "operator"; "latency_UNIT" with
// cycles, ns, us, ms or s; "energy_UNIT" with fj, pj, nj, uj, mj or j. Operators are written as
// describe() does. Times are turned into cycles of `clock_mhz`. Throws InputError naming file and
// line for another header, an operator that is none or is there twice, and a cost that is missing,
// negative or too large.
LookupTable read_measurements(const std::filesystem::path& path, const std::string& device,
                              double clock_mhz);

// Such a file without costs: a header in microseconds and microjoules and a line per operator.
std::string measurement_template(const std::vector<Operator>& operators);

}  // namespace paretoformer
