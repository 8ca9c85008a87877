// What a simulation found, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "accel_sim/hardware/target.hpp"
#include "accel_sim/simulator.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::nas {

struct Simulation {
  accel_sim::Target hardware;
  std::vector<accel_sim::OperatorReport> operators;
};

// Consecutive calls of the same operator in one report, which is of all of them.
std::vector<accel_sim::OperatorReport> merged(const std::vector<accel_sim::OperatorReport>& calls);

// The sum over all operators and their repeats, exactly.
accel_sim::SimulationReport total(const Simulation& simulation);

// Cycles, energy, utilisation, breakdowns and accesses of the whole and of every operator; all are
// of all repeats.
Json to_json(const Simulation& simulation);

// A line per role, then the whole and where its cycles went.
std::string simulation_table(const Simulation& simulation);

}  // namespace paretoformer::nas
