// The C functions: the same answers as the C++ classes, and an error for everything that is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "latency_predictor/latency_predictor.hpp"
#include "latency_predictor/lookup_table.hpp"
#include "latency_predictor/paretoformer.h"
#include "support/files.hpp"
#include "support/json.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::latency_predictor {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

struct Free {
  void operator()(paretoformer_predictor* predictor) const {
    paretoformer_predictor_free(predictor);
  }
};
using Predictor = std::unique_ptr<paretoformer_predictor, Free>;

const Architecture kCNetwork{96, 16, 50, {{4, 384}, {2, 256}}};

class LatencyPredictorC : public testing::Test {
 protected:
  static Predictor simulator(const char* hardware = "gemmini_transformer", int64_t length = 32,
                             paretoformer_mode mode = PARETOFORMER_PREFILL) {
    return Predictor(paretoformer_predictor_simulator(hardware, length, mode, nullptr));
  }

  // Expects that the last call failed, with one line that contains `part`.
  void expect_error(paretoformer_status got, paretoformer_status expected, const char* part) {
    EXPECT_EQ(got, expected);
    EXPECT_EQ(error_.status, expected);
    EXPECT_THAT(error_.text, AllOf(HasSubstr(part), Not(HasSubstr("\n"))));
    error_ = {PARETOFORMER_OK, "as it was"};
  }
  void expect_bad_input(paretoformer_status got, const char* part) {
    expect_error(got, PARETOFORMER_BAD_INPUT, part);
  }
  void expect_no_predictor(paretoformer_predictor* got, const char* part,
                           paretoformer_status expected = PARETOFORMER_BAD_INPUT) {
    EXPECT_EQ(got, nullptr);
    paretoformer_predictor_free(got);
    expect_error(error_.status, expected, part);
  }

  // kCNetwork, in arrays that have room for a third layer.
  std::array<int64_t, 3> heads_ = {4, 2, 0}, ffn_widths_ = {384, 256, 0};
  paretoformer_architecture network_ = {96, 16, 50, 3, heads_.data(), ffn_widths_.data(), nullptr};
  paretoformer_error error_ = {PARETOFORMER_OK, "as it was"};
  paretoformer_cost cost_ = {-1, -1};
  TemporaryFolder temporary_;
  std::string path_ = (temporary_ / "my.predictor").string();
};

TEST_F(LatencyPredictorC, Version) { EXPECT_THAT(paretoformer_version(), HasSubstr(".")); }

TEST_F(LatencyPredictorC, PredictsWhatTheClassPredicts) {
  for (const char* name : {"gemmini_cnn", "gemmini_transformer"})
    for (const auto& [c_mode, mode] : {std::pair(PARETOFORMER_PREFILL, accel_sim::Mode::kPrefill),
                                       std::pair(PARETOFORMER_DECODE, accel_sim::Mode::kDecode)}) {
      const Predictor predictor = simulator(name, 48, c_mode);
      ASSERT_EQ(paretoformer_predict(predictor.get(), &network_, &cost_, &error_), PARETOFORMER_OK);
      const accel_sim::HardwareCost expected =
          LatencyPredictor(accel_sim::find_target(name), {48, mode}).predict(kCNetwork);
      EXPECT_EQ(cost_.cycles, expected.latency.value());
      EXPECT_EQ(cost_.femtojoules, expected.energy.femtojoules());
      int64_t length = 0;
      paretoformer_mode found = PARETOFORMER_PREFILL;
      EXPECT_EQ(paretoformer_predictor_workload(predictor.get(), &length, &found, &error_),
                PARETOFORMER_OK);
      EXPECT_EQ(length, 48);
      EXPECT_EQ(found, c_mode);
    }
  EXPECT_STREQ(error_.text, "as it was");
}

TEST_F(LatencyPredictorC, ABatchIsItsNetworks) {
  const Predictor predictor = simulator();
  const std::vector<int64_t> widths = {96, 64, 128};
  const std::vector<int64_t> heads = {4, 2, 0, /**/ 1, 1, 1, /**/ 3, 0, 0};
  const std::vector<int64_t> ffn_widths = {384, 256, 0, /**/ 64, 96, 64, /**/ 64, 0, 0};
  const paretoformer_architectures networks = {
      3, widths.data(), 16, 0, 3, heads.data(), ffn_widths.data(), nullptr};
  std::array<int64_t, 3> cycles{}, femtojoules{};
  ASSERT_EQ(paretoformer_predict_batch(predictor.get(), &networks, cycles.data(),
                                       femtojoules.data(), &error_),
            PARETOFORMER_OK);
  network_.vocabulary = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    network_.model_width = widths[i];
    network_.heads = heads.data() + 3 * i;
    network_.ffn_widths = ffn_widths.data() + 3 * i;
    ASSERT_EQ(paretoformer_predict(predictor.get(), &network_, &cost_, &error_), PARETOFORMER_OK);
    EXPECT_EQ(cycles[i], cost_.cycles) << i;
    EXPECT_EQ(femtojoules[i], cost_.femtojoules) << i;
  }
  const paretoformer_architectures none = {0, nullptr, 64, 0, 0, nullptr, nullptr, nullptr};
  EXPECT_EQ(paretoformer_predict_batch(predictor.get(), &none, nullptr, nullptr, &error_),
            PARETOFORMER_OK);
}

TEST_F(LatencyPredictorC, BreaksDownAsTheClassDoes) {
  const Predictor predictor = simulator();
  const auto expected = LatencyPredictor(accel_sim::find_target("gemmini_transformer"),
                                         {32, accel_sim::Mode::kPrefill})
                            .breakdown(kCNetwork);
  std::size_t count = 0;
  ASSERT_EQ(paretoformer_breakdown(predictor.get(), &network_, nullptr, 0, &count, &error_),
            PARETOFORMER_OK);
  ASSERT_EQ(count, expected.size());
  std::vector<paretoformer_operator> operators(count);
  expect_bad_input(paretoformer_breakdown(predictor.get(), &network_, operators.data(), count - 1,
                                          &count, &error_),
                   "expected 27 operators");
  ASSERT_EQ(
      paretoformer_breakdown(predictor.get(), &network_, operators.data(), count, &count, &error_),
      PARETOFORMER_OK);
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_EQ(operators[i].role, expected[i].role);
    EXPECT_EQ(operators[i].operation, describe(expected[i].op));
    EXPECT_EQ(operators[i].layer, expected[i].layer);
    EXPECT_EQ(operators[i].repeat, expected[i].repeat);
    EXPECT_EQ(operators[i].cost.cycles, expected[i].cost.latency.value());
    EXPECT_EQ(operators[i].cost.femtojoules, expected[i].cost.energy.femtojoules());
  }
}

// The names of the largest operators must fit their fields.
TEST_F(LatencyPredictorC, NamesAreNotCut) {
  constexpr int kLargest = 1 << 20;
  const paretoformer_operator each{};
  for (const accel_sim::TransformerOperator& item :
       accel_sim::transformer_operators({kLargest, kLargest, kLargest, {{1, kLargest}}},
                                        {kLargest, accel_sim::Mode::kPrefill})) {
    EXPECT_LT(item.role.size(), sizeof(each.role));
    EXPECT_LT(describe(item.op).size(), sizeof(each.operation));
  }
}

TEST_F(LatencyPredictorC, SavesWhatItLoads) {
  const Predictor predictor = simulator();
  ASSERT_EQ(paretoformer_predict(predictor.get(), &network_, &cost_, &error_), PARETOFORMER_OK);
  ASSERT_EQ(paretoformer_predictor_save(predictor.get(), path_.c_str(), &error_), PARETOFORMER_OK);
  const accel_sim::HardwareCost expected = LatencyPredictor::load(path_).predict(kCNetwork);
  EXPECT_EQ(cost_.cycles, expected.latency.value());

  const Predictor loaded(paretoformer_predictor_load(path_.c_str(), &error_));
  ASSERT_NE(loaded, nullptr) << error_.text;
  paretoformer_cost again = {0, 0};
  ASSERT_EQ(paretoformer_predict(loaded.get(), &network_, &again, &error_), PARETOFORMER_OK);
  EXPECT_EQ(again.cycles, cost_.cycles);
  EXPECT_EQ(again.femtojoules, cost_.femtojoules);
  heads_[0] = 3;
  expect_error(paretoformer_predict(loaded.get(), &network_, &again, &error_), PARETOFORMER_FAILURE,
               "\"matmul weights - 32 96 48\"");
  EXPECT_EQ(again.cycles, cost_.cycles);
}

TEST_F(LatencyPredictorC, SaysWhatLatenciesCount) {
  paretoformer_unit unit = -1;
  ASSERT_EQ(paretoformer_predictor_unit(simulator().get(), &unit, &error_), PARETOFORMER_OK);
  EXPECT_EQ(unit, PARETOFORMER_CYCLES);
  LookupTable table(LatencyPredictor::device_hash("phone"), "measured", nullptr,
                    TimeUnit::kFemtoseconds);
  for (const accel_sim::TransformerOperator& item :
       accel_sim::transformer_operators(kCNetwork, {32, accel_sim::Mode::kPrefill}))
    table.insert(item.op, {accel_sim::Cycles(8'613'100'000), accel_sim::Picojoules(0.5)});
  const LatencyPredictor device("phone", {32, accel_sim::Mode::kPrefill}, table);
  device.save(path_);
  const Predictor loaded(paretoformer_predictor_load(path_.c_str(), &error_));
  ASSERT_EQ(paretoformer_predictor_unit(loaded.get(), &unit, &error_), PARETOFORMER_OK);
  EXPECT_EQ(unit, PARETOFORMER_FEMTOSECONDS);
  ASSERT_EQ(paretoformer_predict(loaded.get(), &network_, &cost_, &error_), PARETOFORMER_OK);
  EXPECT_EQ(cost_.cycles, device.predict(kCNetwork).latency.value());
  EXPECT_EQ(cost_.cycles % 8'613'100'000, 0);
  expect_bad_input(paretoformer_predictor_unit(nullptr, &unit, &error_), "predictor is NULL");
  expect_bad_input(paretoformer_predictor_unit(loaded.get(), nullptr, &error_), "unit is NULL");
}

TEST_F(LatencyPredictorC, FillsASpace) {
  const std::string space = (temporary_ / "space.json").string();
  std::ofstream(space) << R"({"name": "tiny", "head_width": 16, "vocabulary": 50, "depth": [1, 2],
      "model_width": [32], "heads": [1, 2], "ffn_width": [64]})";
  const Predictor predictor = simulator();
  ASSERT_EQ(paretoformer_predictor_fill(predictor.get(), space.c_str(), &error_), PARETOFORMER_OK);
  ASSERT_EQ(paretoformer_predictor_save(predictor.get(), path_.c_str(), &error_), PARETOFORMER_OK);
  const LatencyPredictor loaded = LatencyPredictor::load(path_);
  EXPECT_GT(loaded.predict({32, 16, 50, {{2, 64}, {1, 64}}}).latency.value(), 0);
  expect_bad_input(paretoformer_predictor_fill(predictor.get(), "surway", &error_), "surway");
}

TEST_F(LatencyPredictorC, NullIsAnError) {
  const Predictor predictor = simulator();
  const auto* p = predictor.get();
  expect_no_predictor(paretoformer_predictor_load(nullptr, &error_), "path is NULL");
  expect_no_predictor(paretoformer_predictor_simulator(nullptr, 32, PARETOFORMER_PREFILL, &error_),
                      "hardware is NULL");
  paretoformer_predictor_free(nullptr);
  expect_bad_input(paretoformer_predictor_save(nullptr, path_.c_str(), &error_), "predictor is");
  expect_bad_input(paretoformer_predictor_save(p, nullptr, &error_), "path is NULL");
  expect_bad_input(paretoformer_predictor_fill(nullptr, "survey", &error_), "predictor is NULL");
  expect_bad_input(paretoformer_predictor_fill(p, nullptr, &error_), "space is NULL");
  int64_t length = 0;
  paretoformer_mode mode{};
  expect_bad_input(paretoformer_predictor_workload(nullptr, &length, &mode, &error_), "predictor");
  expect_bad_input(paretoformer_predictor_workload(p, nullptr, &mode, &error_), "sequence_length");
  expect_bad_input(paretoformer_predictor_workload(p, &length, nullptr, &error_), "mode is NULL");

  expect_bad_input(paretoformer_predict(nullptr, &network_, &cost_, &error_), "predictor is NULL");
  expect_bad_input(paretoformer_predict(p, nullptr, &cost_, &error_), "architecture is NULL");
  expect_bad_input(paretoformer_predict(p, &network_, nullptr, &error_), "cost is NULL");
  std::size_t count = 0;
  paretoformer_operator* const none = nullptr;
  expect_bad_input(paretoformer_breakdown(nullptr, &network_, none, 0, &count, &error_), "predict");
  expect_bad_input(paretoformer_breakdown(p, nullptr, none, 0, &count, &error_), "architecture is");
  expect_bad_input(paretoformer_breakdown(p, &network_, none, 0, nullptr, &error_), "count is");
  expect_bad_input(paretoformer_breakdown(p, &network_, none, 99, &count, &error_), "operators is");
  network_.heads = nullptr;
  expect_bad_input(paretoformer_predict(p, &network_, &cost_, &error_), "heads is NULL");
  network_.heads = heads_.data();
  network_.ffn_widths = nullptr;
  expect_bad_input(paretoformer_predict(p, &network_, &cost_, &error_), "ffn_widths is NULL");
  // Nobody has to ask why.
  EXPECT_EQ(paretoformer_predict(p, &network_, &cost_, nullptr), PARETOFORMER_BAD_INPUT);
  EXPECT_EQ(paretoformer_predictor_load("nowhere", nullptr), nullptr);
  EXPECT_EQ(cost_.cycles, -1);
}

TEST_F(LatencyPredictorC, WeightsMayHaveFourBits) {
  accel_sim::Target target = accel_sim::find_target("gemmini_transformer");
  target.int4_weights = true;
  const std::string hardware = (temporary_ / "int4.json").string();
  write_file_atomic(hardware, to_json(target).dump());
  const Predictor predictor = simulator(hardware.c_str());
  const std::array<int64_t, 6> bits = {4, 8, 0, /**/ 8, 8, -1};
  network_.weight_bits = bits.data();
  ASSERT_EQ(paretoformer_predict(predictor.get(), &network_, &cost_, &error_), PARETOFORMER_OK);
  Architecture network = kCNetwork;
  network.layers[0].weight_bits = 4;
  const LatencyPredictor expected(target, {32, accel_sim::Mode::kPrefill});
  EXPECT_EQ(cost_.femtojoules, expected.predict(network).energy.femtojoules());
  EXPECT_LT(cost_.femtojoules, expected.predict(kCNetwork).energy.femtojoules());

  const std::array<int64_t, 2> widths = {96, 96};
  const std::vector<int64_t> heads = {4, 2, 0, 4, 2, 0}, ffn_widths = {384, 256, 0, 384, 256, 0};
  const paretoformer_architectures networks = {
      2, widths.data(), 16, 50, 3, heads.data(), ffn_widths.data(), bits.data()};
  std::array<int64_t, 2> cycles{}, femtojoules{};
  ASSERT_EQ(paretoformer_predict_batch(predictor.get(), &networks, cycles.data(),
                                       femtojoules.data(), &error_),
            PARETOFORMER_OK);
  EXPECT_EQ(femtojoules[0], cost_.femtojoules);
  EXPECT_EQ(femtojoules[1], expected.predict(kCNetwork).energy.femtojoules());
  EXPECT_STREQ(error_.text, "as it was");

  const std::array<int64_t, 3> wrong = {8, 5, 8};
  network_.weight_bits = wrong.data();
  expect_bad_input(paretoformer_predict(predictor.get(), &network_, &cost_, &error_),
                   "weight_bits[1] 5 is out of range: expected 4 or 8");
  network_.weight_bits = bits.data();
  expect_bad_input(paretoformer_predict(simulator().get(), &network_, &cost_, &error_),
                   "expected int4_weights true");
}

TEST_F(LatencyPredictorC, NullInABatchIsAnError) {
  const Predictor predictor = simulator();
  const auto* p = predictor.get();
  const int64_t width = 96;
  const paretoformer_architectures good = {
      1, &width, 16, 0, 3, heads_.data(), ffn_widths_.data(), nullptr};
  int64_t cycles = -1, femtojoules = -1;
  const auto refused = [&](const paretoformer_predictor* with,
                           const paretoformer_architectures* networks, int64_t* c, int64_t* f,
                           const char* part) {
    expect_bad_input(paretoformer_predict_batch(with, networks, c, f, &error_), part);
  };
  refused(nullptr, &good, &cycles, &femtojoules, "predictor is NULL");
  refused(p, nullptr, &cycles, &femtojoules, "architectures is NULL");
  refused(p, &good, nullptr, &femtojoules, "cycles is NULL");
  refused(p, &good, &cycles, nullptr, "femtojoules is NULL");
  auto bad = good;
  bad.model_widths = nullptr;
  refused(p, &bad, &cycles, &femtojoules, "model_widths is NULL");
  bad = good;
  bad.heads = nullptr;
  refused(p, &bad, &cycles, &femtojoules, "heads is NULL");
  bad = good;
  bad.ffn_widths = nullptr;
  refused(p, &bad, &cycles, &femtojoules, "ffn_widths is NULL");
  EXPECT_EQ(cycles, -1);
}

TEST_F(LatencyPredictorC, AbsurdSizesAreErrors) {
  const Predictor predictor = simulator();
  const auto refused = [&](int64_t& value, std::initializer_list<int64_t> wrong, const char* part) {
    const int64_t right = value;
    for (const int64_t each : wrong) {
      value = each;
      expect_bad_input(paretoformer_predict(predictor.get(), &network_, &cost_, &error_), part);
      std::size_t count = 0;
      expect_bad_input(
          paretoformer_breakdown(predictor.get(), &network_, nullptr, 0, &count, &error_), part);
    }
    value = right;
  };
  const int64_t huge = INT64_MAX, wraps = int64_t{1} << 32 | 96;
  refused(network_.model_width, {0, -1, huge, INT64_MIN, wraps}, "model_width");
  refused(network_.head_width, {0, -1, huge, wraps}, "head_width");
  refused(network_.vocabulary, {-1, huge, wraps}, "vocabulary");
  refused(heads_[1], {0, -1, huge, wraps}, "heads[1]");
  refused(ffn_widths_[0], {0, -1, huge, wraps}, "ffn_widths[0]");
  refused(heads_[2], {1}, "ffn_widths[2] 0 is out of range");
  refused(heads_[0], {1 << 20}, "expected at most");  // heads * head_width

  network_.max_layers = SIZE_MAX;
  expect_bad_input(paretoformer_predict(predictor.get(), &network_, &cost_, &error_), "layers");
  network_.max_layers = 0;
  expect_bad_input(paretoformer_predict(predictor.get(), &network_, &cost_, &error_), "0 layers");
  network_.max_layers = 3;
  heads_ = ffn_widths_ = {0, 0, 0};
  expect_bad_input(paretoformer_predict(predictor.get(), &network_, &cost_, &error_), "0 layers");
  EXPECT_EQ(cost_.cycles, -1);
}

TEST_F(LatencyPredictorC, ABatchNamesTheNetworkThatIsWrong) {
  const Predictor predictor = simulator();
  const std::array<int64_t, 2> widths = {96, 96}, heads = {1, -7}, ffn_widths = {64, 64};
  paretoformer_architectures networks = {
      2, widths.data(), 16, 0, 1, heads.data(), ffn_widths.data(), nullptr};
  std::array<int64_t, 2> cycles = {-1, -1}, femtojoules = {-1, -1};
  const auto refused = [&](const char* part) {
    expect_bad_input(paretoformer_predict_batch(predictor.get(), &networks, cycles.data(),
                                                femtojoules.data(), &error_),
                     part);
  };
  refused("network 1: heads[0] -7 is out of range: expected 1 to 1048576");
  EXPECT_GT(cycles[0], 0);
  EXPECT_EQ(cycles[1], -1);
  networks.count = SIZE_MAX / 4;
  refused("count");
  networks.count = 2;
  for (const std::size_t layers : {std::size_t{0}, std::size_t{1025}, SIZE_MAX}) {
    networks.max_layers = layers;
    refused("max_layers");
  }
  networks.max_layers = 1;
  networks.head_width = 0;
  refused("head_width");
}

TEST_F(LatencyPredictorC, WrongWorkloadsAreErrors) {
  for (const int64_t length : {int64_t{0}, int64_t{-1}, int64_t{1} << 32 | 32, INT64_MAX})
    expect_no_predictor(
        paretoformer_predictor_simulator("gemmini_cnn", length, PARETOFORMER_PREFILL, &error_),
        "sequence_length");
  expect_no_predictor(paretoformer_predictor_simulator("gemmini_cnn", 32, 2, &error_),
                      "mode 2 is unknown");
  expect_no_predictor(
      paretoformer_predictor_simulator("gemini_cnn", 32, PARETOFORMER_PREFILL, &error_),
      "did you mean \"gemmini_cnn\"?");
}

TEST_F(LatencyPredictorC, WrongFilesAreErrors) {
  const std::string nowhere = (temporary_ / "nowhere").string();
  EXPECT_EQ(paretoformer_predictor_load(nowhere.c_str(), &error_), nullptr);
  EXPECT_NE(error_.status, PARETOFORMER_OK);
  EXPECT_THAT(error_.text, HasSubstr(nowhere));

  const Predictor predictor = simulator();
  ASSERT_EQ(paretoformer_predictor_save(predictor.get(), path_.c_str(), nullptr), PARETOFORMER_OK);
  const std::string text = read_file(path_);
  std::ofstream(path_, std::ios::trunc) << text.substr(0, text.size() / 2);
  expect_no_predictor(paretoformer_predictor_load(path_.c_str(), &error_), "checksum");

  expect_error(paretoformer_predictor_save(predictor.get(), (nowhere + "/x").c_str(), &error_),
               PARETOFORMER_FAILURE, nowhere.c_str());
}

TEST_F(LatencyPredictorC, ErrorsAreOneLineThatFits) {
  EXPECT_EQ(paretoformer_predictor_load("two\nlines\r", &error_), nullptr);
  EXPECT_THAT(error_.text, AllOf(HasSubstr("two\\nlines\\r"), Not(HasSubstr("\n"))));

  // Never half of a two-byte character at the end, wherever the cut falls.
  for (const char* start : {"", "x"}) {
    std::string name = start;
    for (std::size_t i = 0; i < sizeof(error_.text); ++i) name += "\xC3\xA9";
    EXPECT_EQ(paretoformer_predictor_simulator(name.c_str(), 32, PARETOFORMER_PREFILL, &error_),
              nullptr);
    EXPECT_GE(std::strlen(error_.text), sizeof(error_.text) - 3);
    EXPECT_THAT(error_.text, EndsWith("\xC3\xA9"));
  }
}

TEST_F(LatencyPredictorC, AnswersDoNotDependOnThreads) {
  const Predictor shared = simulator();
  constexpr int kThreads = 4, kNetworks = 12;
  std::vector<std::vector<int64_t>> answers(kThreads);
  const auto ask = [&](const paretoformer_predictor* predictor, std::vector<int64_t>& found) {
    for (int i = 0; i < kNetworks; ++i) {
      const int64_t heads = 1 + i % 4, ffn_width = 32 * (1 + i);
      const paretoformer_architecture network = {64, 16, 0, 1, &heads, &ffn_width, nullptr};
      paretoformer_cost cost = {-1, -1};
      paretoformer_predict(predictor, &network, &cost, nullptr);
      found.push_back(cost.cycles);
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(kThreads + 1);
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] { ask(shared.get(), answers[static_cast<std::size_t>(t)]); });
  // Every file that is saved meanwhile is a whole one.
  threads.emplace_back([&] {
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(paretoformer_predictor_save(shared.get(), path_.c_str(), nullptr), PARETOFORMER_OK);
      EXPECT_NE(Predictor(paretoformer_predictor_load(path_.c_str(), nullptr)), nullptr);
    }
  });
  for (std::thread& thread : threads) thread.join();
  std::vector<int64_t> expected;
  ask(simulator().get(), expected);
  for (const std::vector<int64_t>& found : answers) EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace paretoformer::latency_predictor
