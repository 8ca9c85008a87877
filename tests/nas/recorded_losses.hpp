// The preset space "enumerable" with what a trained supernet scores on every network of it, so that
// a search among real losses takes a moment.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <vector>

#include "latency_predictor/latency_predictor.hpp"
#include "nas/core/candidate_evaluator.hpp"
#include "nas/core/loss_source.hpp"
#include "search_spaces/search_space.hpp"

namespace paretoformer::nas {

// tests/data/enumerable_losses.txt, a line per network in the order of SearchSpace::enumerate():
// the mean losses on a quarter of the validation sequences and on all of them, in 1e-5 nats per
// token. It is losses.txt of the run folder of
//
//     paretoformer compare enumerable
//
// and has to be written again when the preset's space or training changes.
class RecordedLosses {
 public:
  static constexpr int kSequences = 128, kQuarter = 32, kContext = 64;

  RecordedLosses() {
    std::ifstream in(PARETOFORMER_SOURCE_DIR "/tests/data/enumerable_losses.txt");
    std::int64_t quarter = 0, all = 0;
    while (in >> quarter >> all) {
      // Sums over sequences, of which a search makes means again.
      const double on_quarter = 1e-5 * static_cast<double>(quarter) * kQuarter;
      const double on_all = 1e-5 * static_cast<double>(all) * kSequences;
      sums_.push_back({on_quarter, on_all - on_quarter});
    }
    EXPECT_TRUE(in.eof());
    EXPECT_EQ(static_cast<std::int64_t>(sums_.size()), space_.count());
    predictor_.fill(space_);
  }

  const SearchSpace& space() const { return space_; }
  const latency_predictor::LatencyPredictor& predictor() const { return predictor_; }
  // Valid as long as this object.
  LossSource source() const {
    return {kQuarter, kSequences, [this](std::span<const Architecture> networks, LossPart part) {
              std::vector<double> sums;
              for (const Architecture& network : networks) {
                const auto& [quarter, rest] =
                    sums_.at(static_cast<std::size_t>(space_.index_of(network)));
                sums.push_back(part == LossPart::kQuarter ? quarter : rest);
              }
              return sums;
            }};
  }

 private:
  struct Sums {
    double quarter, rest;
  };

  SearchSpace space_ = SearchSpace::find("enumerable").with_vocabulary(512);
  latency_predictor::LatencyPredictor predictor_{
      accel_sim::find_target("gemmini_transformer"),
      accel_sim::Workload{kContext, accel_sim::Mode::kPrefill}};
  std::vector<Sums> sums_;
};

}  // namespace paretoformer::nas
