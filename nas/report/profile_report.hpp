// Workloads, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "accel_sim/closed_form/survey_model.hpp"
#include "accel_sim/workload/profile.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::nas {

// Profiles of one model, at a number of lengths.
struct ProfileReport {
  std::string title;
  std::vector<accel_sim::Profile> profiles;
  std::vector<accel_sim::SurveyEstimates> estimates;  // of each on some hardware, or none
};

// [{"length", "operators": [{"name", "flops", "mops", "intensity"}, ...], "total": {...}}, ...];
// with estimates, all have "dram_bytes", "non_ideal_intensity", "compute_cycles", "memory_cycles"
// and "cycles" as well.
Json to_json(const ProfileReport& report);

// GFLOPs, GMOPs and intensity: a line per class of operators and one for the whole, length by
// length.
std::string profile_table(const ProfileReport& report);

// "length,operator,flops,mops,intensity"; the whole is the operator "total". With estimates, their
// columns follow.
std::string profile_csv(const ProfileReport& report);

// Each class's share of FLOPs and of MOPs as stacked bars, one per length.
std::string profile_svg(const ProfileReport& report);

}  // namespace paretoformer::nas
