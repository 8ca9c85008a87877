// Measured costs of operators on a real device, from a CSV file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "latency_predictor/lookup_table.hpp"

namespace paretoformer::latency_predictor {

// Name of the model of a table of measurements.
inline constexpr const char* kMeasuredModel = "measured";

// A file that begins with a header of columns in any order: "operator"; "latency_UNIT" with cycles,
// ns, us, ms or s; where it was measured, "energy_UNIT" with fj, pj, nj, uj, mj or j. Others are
// left alone. Operators are written as describe() does; fields may be quoted, and separated by
// commas, or by semicolons or tabs, which decimal commas go with. Energies that are not there are
// 0. Times are kept to the femtosecond; so are cycles of `clock_mhz`, where that is given, and else
// they stay cycles. Throws InputError naming file and line for another header, an operator that is
// none or is there twice, and a cost that is missing, negative or too large; and for a clock that
// is no number above 0.
LookupTable read_measurements(const std::filesystem::path& path, const std::string& device,
                              std::optional<double> clock_mhz = {});

// Such a file without costs: a header in microseconds and microjoules and a line per operator.
std::string measurement_template(const std::vector<accel_sim::Operator>& operators);

}  // namespace paretoformer::latency_predictor
