// The front of a search looked at again, closely: every member simulated as a whole network, where
// the search added up predicted operators, and scored on the whole validation text, in fp32 and in
// the accelerator's integers.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "latency_predictor/latency_predictor.hpp"
#include "nas/core/final_front.hpp"
#include "nas/core/loss_source.hpp"
#include "nas/core/predictors.hpp"
#include "nas/run/proxy_task.hpp"
#include "nas/run/run_folder.hpp"
#include "support/watch.hpp"

namespace paretoformer::nas {

// Why networks of the space cannot be simulated as a whole: the predictor is of a device that is
// not described, or the largest is too large for the accelerator's DRAM. Empty when they can be.
std::string why_unsimulated(const latency_predictor::LatencyPredictor& predictor,
                            const SearchSpace& space);

// Confirms the members of archive.front() whose values are not in confirmed.jsonl of the run yet
// (those of an interrupted confirmation, or of a front before the search went on), and judges the
// front by them. Members are simulated, and scored on what the search has not seen of the
// validation text. In integers they are scored on the sequences that the search has seen, which
// gives what integers add to the loss of the whole text; on all of the text where integers are
// among the objectives or limits. Values are in that file before they count; they do not depend on
// threads or interruptions. Reports at the beginning, too, what is known. Throws Interrupted when
// it is to stop, InputError naming the line of a damaged file, and what simulate_network() throws.
// `losses` are those of the task's supernet (supernet_losses.hpp), whoever measures them.
FinalFront confirm_front(const RunFolder& run, const ProxyTask& proxy, const LossSource& losses,
                         const Predictors& predictors, const Archive& archive, const Watch& watch);

// What a confirmation says of networks that the search has evaluated, or not: from confirmed.jsonl,
// or measured now, with the run's weights.
std::vector<Objectives> confirmed_objectives(const RunFolder& run, const ProxyTask& proxy,
                                             const LossSource& losses, const Predictors& predictors,
                                             const Archive& archive,
                                             std::span<const Architecture> networks);

// How far two losses of a confirmed front must be apart for the text to tell them apart: the
// standard error of the difference between neighbours on a text of this length, from some pairs of
// them and the sequences that score candidates. 0 with fewer than two members. Needs weights.
double text_error(const ProxyTask& proxy, const FinalFront& front);

// The same from confirmed.jsonl alone; predicted_front() while a member of the front is missing
// there.
FinalFront load_final_front(const RunFolder& run, const ProxyTask& proxy,
                            const Predictors& predictors, const Archive& archive);

}  // namespace paretoformer::nas
