// What a run found, in words and tables.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "accel_sim/hardware/hardware_space.hpp"
#include "latency_predictor/lookup_table.hpp"
#include "nas/core/archive.hpp"
#include "nas/core/final_front.hpp"
#include "nas/core/search.hpp"
#include "nas/run/proxy_task.hpp"
#include "nas/run/run_folder.hpp"

namespace paretoformer::nas {

// The search space and the text in one line.
std::string space_summary(const ProxyTask& proxy);

// One line per member of the front, best perplexity first, compared with the largest network if
// that is known; then
// what was dropped, the knee and the best members, and how far predictions were off. Unless it
// shows `all`, without those whose loss is less than kTextErrors x `text_error` above that of the
// line before, and with at most kScreenRows members. `hardware` is what members were to choose
// from.
std::string front_table(const supernet::Corpus& corpus, const FinalFront& front,
                        const std::optional<Objectives>& largest, double text_error = 0,
                        bool all = false, const accel_sim::HardwareSpace& hardware = {});
inline constexpr std::size_t kScreenRows = 12;
// Losses so many standard errors apart are told apart (two-sided, 95 %).
inline constexpr double kTextErrors = 2;

// Perplexities of the smallest and the largest network between those of trivial models.
std::string perplexity_summary(const ProxyTask& proxy, double smallest, double largest);
std::string separation_summary(const Separation& separation);

// A cost table, one line per operator and layer, of latencies in `unit`.
std::string breakdown_table(const std::vector<latency_predictor::OperatorPrediction>& operators,
                            latency_predictor::TimeUnit unit);

}  // namespace paretoformer::nas
