#include "latency_predictor/learned/learned_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <tbb/global_control.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <optional>
#include <string>

#include "accel_sim/simulator.hpp"
#include "latency_predictor/file/predictor_file.hpp"
#include "latency_predictor/latency_predictor.hpp"
#include "latency_predictor/learned/learned_fit.hpp"
#include "latency_predictor/tables.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::latency_predictor {
namespace {

using ::testing::HasSubstr;

// Small networks at short lengths: a second to fit, some under the address sanitizer.
FitOptions small_options() {
  FitOptions options;
  options.space = SearchSpace::find("quickstart");
  options.shortest = 32;
  options.longest = 256;
  options.samples = 160;
  options.combinations = 120;
  options.seed = 7;
  return options;
}

// Fitted once for all tests.
const LearnedModel& small_model() {
  static const LearnedModel model = fit(small_options());
  return model;
}

double off(double predicted, double truth) { return std::abs(predicted / truth - 1); }

double off(const LearnedCost& predicted, const accel_sim::HardwareCost& truth) {
  return off(static_cast<double>(predicted.cost.latency.value()),
             static_cast<double>(truth.latency.value()));
}

accel_sim::Target example_hardware() {
  accel_sim::Target hardware = small_options().base;
  hardware.array_size = 8;
  hardware.scratchpad_kib = 128;
  hardware.accumulator_kib = 64;
  return hardware;
}

const accel_sim::Operator kProjection = accel_sim::matmul(100, 96, 256);
const Architecture kLearnedNetwork{96, 32, 0, {{4, 384}, {2, 256}, {4, 384}}};

// --- what it predicts

TEST(LearnedModel, IsCloseOnHeldOutCombinations) {
  const std::vector<Combination> combinations = held_out_combinations(small_options(), 60);
  const ModelErrors errors =
      measure_errors(small_model(), combinations, simulate_operators(combinations));
  EXPECT_LT(errors.relative.latency_mape, 0.05);
  EXPECT_LT(errors.relative.energy_mape, 0.03);
  EXPECT_GT(errors.latency_tau, 0.9);
  EXPECT_GE(errors.latency_coverage, 0.9);
  EXPECT_GE(errors.energy_coverage, 0.9);
}

TEST(LearnedModel, NineInTenOperatorsAreWithinTwiceTheirUncertainty) {
  int operators = 0, latency = 0, energy = 0;
  for (const Combination& each : held_out_combinations(small_options(), 40))
    for (const accel_sim::OperatorReport& item :
         simulate(each.network, each.workload, each.hardware)) {
      const LearnedCost predicted = small_model().predict(item.item.op, each.hardware);
      if (predicted.relative_uncertainty() == 0) continue;
      const accel_sim::HardwareCost& truth = item.report.cost;
      ++operators;
      if (off(predicted, truth) <= 2 * predicted.latency_uncertainty) ++latency;
      if (off(predicted.cost.energy.value(), truth.energy.value()) <=
          2 * predicted.energy_uncertainty + 1e-9)
        ++energy;
    }
  EXPECT_GE(latency, 0.8 * operators);
  EXPECT_GE(energy, 0.8 * operators);
}

TEST(LearnedModel, ANetworkIsTheSumOfItsOperators) {
  const accel_sim::Target hardware = example_hardware();
  for (const accel_sim::Mode mode : {accel_sim::Mode::kPrefill, accel_sim::Mode::kDecode}) {
    accel_sim::HardwareCost sum;
    for (const accel_sim::TransformerOperator& item :
         accel_sim::scheduled_operators(kLearnedNetwork, {100, mode}, hardware))
      sum += small_model().predict(item.op, hardware).cost * item.repeat;
    EXPECT_EQ(small_model().predict(kLearnedNetwork, {100, mode}, hardware).cost, sum);
  }
}

TEST(LearnedModel, PricesForALatencyPredictor) {
  const accel_sim::Target hardware = example_hardware();
  const accel_sim::Workload workload{100, accel_sim::Mode::kPrefill};
  const LatencyPredictor predictor(hardware, workload, learned_table(small_model(), hardware));
  EXPECT_EQ(predictor.predict(kLearnedNetwork),
            small_model().predict(kLearnedNetwork, workload, hardware).cost);
  EXPECT_THAT(predictor.table().model(), HasSubstr("learned/"));
  accel_sim::Target other = hardware;
  other.l2_kib = 1024;
  EXPECT_THROW(learned_table(small_model(), other), InputError);
}

TEST(LearnedModel, HostOperatorsAndGeluAreExact) {
  FitOptions options = small_options();
  options.base = accel_sim::find_target("gemmini_cnn");
  options.samples = 20;
  options.combinations = 10;
  const LearnedModel on_host = fit(options);
  const auto expect_exact = [](const LearnedModel& model, const accel_sim::Operator& op,
                               const accel_sim::Target& hardware) {
    const LearnedCost predicted = model.predict(op, hardware);
    EXPECT_EQ(predicted.cost, simulated_cost(op, hardware)) << describe(op);
    EXPECT_EQ(predicted.relative_uncertainty(), 0);
    EXPECT_FALSE(predicted.extrapolates);
  };
  for (const accel_sim::OperatorKind kind :
       {accel_sim::OperatorKind::kSoftmax, accel_sim::OperatorKind::kLayerNorm,
        accel_sim::OperatorKind::kGelu, accel_sim::OperatorKind::kResidualAdd})
    expect_exact(on_host, elementwise(kind, 77, 130), options.base);
  expect_exact(small_model(), elementwise(accel_sim::OperatorKind::kGelu, 77, 130),
               example_hardware());
}

TEST(LearnedModel, EveryAccessButTheDramsIsCounted) {
  for (const Combination& each : held_out_combinations(small_options(), 12))
    for (const accel_sim::OperatorReport& item :
         simulate(each.network, each.workload, each.hardware)) {
      const OperatorFeatures known = operator_features(item.item.op, each.hardware);
      if (known.exact()) continue;
      const accel_sim::AccessCounts& truth = item.report.accesses;
      EXPECT_EQ(known.accesses.macs, truth.macs);
      EXPECT_EQ(known.accesses.pe_register, truth.pe_register) << describe(item.item.op);
      EXPECT_EQ(known.accesses.scratchpad, truth.scratchpad) << describe(item.item.op);
      EXPECT_EQ(known.accesses.accumulator, truth.accumulator) << describe(item.item.op);
    }
}

// Between neighbours the tiles may fit better, and learned factors may differ; a doubled network
// costs more.
TEST(LearnedModel, MoreWorkCostsMore) {
  const accel_sim::Target hardware = example_hardware();
  for (const accel_sim::Mode mode : {accel_sim::Mode::kPrefill, accel_sim::Mode::kDecode}) {
    accel_sim::HardwareCost before;
    for (const int width : {48, 96}) {
      const Architecture network{width, 32, 0, {{width / 32, 4 * width}, {width / 32, 4 * width}}};
      const accel_sim::HardwareCost now =
          small_model().predict(network, {128, mode}, hardware).cost;
      EXPECT_GT(now.latency, before.latency);
      EXPECT_GT(now.energy, before.energy);
      before = now;
    }
  }
  accel_sim::HardwareCost before;
  for (const int length : {32, 64, 128, 256}) {
    const accel_sim::HardwareCost now =
        small_model().predict(kLearnedNetwork, {length, accel_sim::Mode::kPrefill}, hardware).cost;
    EXPECT_GT(now.latency, before.latency) << length;
    EXPECT_GT(now.energy, before.energy) << length;
    before = now;
  }
}

// --- what it does not know

TEST(LearnedModel, SaysWhenItExtrapolates) {
  const LearnedModel& model = small_model();
  const accel_sim::Target hardware = example_hardware();
  EXPECT_FALSE(model.predict(kProjection, hardware).extrapolates);
  EXPECT_FALSE(
      model.predict(kLearnedNetwork, {100, accel_sim::Mode::kPrefill}, hardware).extrapolates);
  EXPECT_TRUE(
      model.predict(kLearnedNetwork, {300, accel_sim::Mode::kPrefill}, hardware).extrapolates);
  EXPECT_TRUE(
      model.predict(kLearnedNetwork, {300, accel_sim::Mode::kDecode}, hardware).extrapolates);
  EXPECT_TRUE(model.predict(accel_sim::matmul(100, 96, 4096), hardware).extrapolates);
  EXPECT_TRUE(model.predict(accel_sim::matmul(400, 96, 256), hardware).extrapolates);
  accel_sim::Target larger = hardware;
  larger.scratchpad_kib = 1024;
  EXPECT_TRUE(model.predict(kProjection, larger).extrapolates);
  EXPECT_TRUE(
      model.predict(kLearnedNetwork, {100, accel_sim::Mode::kPrefill}, larger).extrapolates);
}

TEST(LearnedModel, AModeThatWasNotFittedIsExtrapolation) {
  FitOptions options = small_options();
  options.modes = {accel_sim::Mode::kPrefill};
  options.samples = 40;
  options.combinations = 20;
  const LearnedModel model = fit(options);
  const LearnedCost predicted =
      model.predict(kLearnedNetwork, {100, accel_sim::Mode::kDecode}, example_hardware());
  EXPECT_TRUE(predicted.extrapolates);
  EXPECT_GT(predicted.relative_uncertainty(), 0.1);
}

TEST(LearnedModel, RefusesOtherHardware) {
  accel_sim::Target hardware = example_hardware();
  hardware.l2_kib = 1024;
  try {
    small_model().predict(kProjection, hardware);
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("l2_kib 1024: expected its base's 512"));
  }
  EXPECT_THROW(small_model().predict(kLearnedNetwork, {100, accel_sim::Mode::kPrefill}, hardware),
               InputError);
  hardware = example_hardware();
  hardware.fusion = accel_sim::Fusion::kOn;
  EXPECT_THROW(small_model().predict(kLearnedNetwork, {100, accel_sim::Mode::kPrefill}, hardware),
               InputError);
}

// --- fitting

TEST(LearnedFit, DoesNotDependOnThreads) {
  FitOptions options = small_options();
  options.samples = 60;
  options.combinations = 30;
  std::optional<std::string> first;
  for (const std::size_t threads : {1, 2}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    const std::string text = fit(options).text();
    EXPECT_EQ(text, first.value_or(text));
    first = text;
  }
  options.seed = 8;
  EXPECT_NE(fit(options).text(), *first);
}

// Runs `work` in a thread with a stack of that size.
void run_on_stack(std::size_t bytes, std::function<void()> work) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, bytes), 0);
  pthread_t thread{};
  const auto body = [](void* argument) -> void* {
    (*static_cast<std::function<void()>*>(argument))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, body, &work), 0);
  pthread_attr_destroy(&attributes);
  pthread_join(thread, nullptr);
}

TEST(LearnedFit, FitsAndLoadsOnASmallStack) {
  FitOptions options = small_options();
  options.samples = 40;
  options.combinations = 20;
  std::string fitted, loaded;
  run_on_stack(256 * 1024, [&] {
    fitted = fit(options, 4).text();
    loaded = LearnedModel::from(PredictorFile::parse(fitted, "file")).text();
  });
  EXPECT_FALSE(fitted.empty());
  EXPECT_EQ(loaded, fitted);
}

TEST(LearnedFit, TakesNoMoreThanItsSamples) {
  int samples = 0;
  for (const LearnedGroup& group : small_model().content().groups) samples += group.samples;
  EXPECT_EQ(samples, small_options().samples);
  EXPECT_EQ(small_model().content().samples, samples);
}

TEST(LearnedFit, HeldOutCombinationsAreNot) {
  const FitOptions options = small_options();
  const auto same = [](const Combination& a, const Combination& b) {
    return a.workload == b.workload && a.hardware == b.hardware && a.network == b.network;
  };
  const std::vector<Combination> once = held_out_combinations(options, 10);
  const std::vector<Combination> twice = held_out_combinations(options, 10);
  EXPECT_TRUE(std::equal(once.begin(), once.end(), twice.begin(), twice.end(), same));
  // Short ranges, where many draws are refused.
  FitOptions narrow = options;
  narrow.longest = narrow.shortest + 8;
  EXPECT_EQ(held_out_combinations(narrow, 200).size(), 200U);
  for (const Combination& each : once) {
    EXPECT_GE(each.workload.sequence_length, options.shortest);
    EXPECT_LE(each.workload.sequence_length, options.longest);
  }
}

TEST(LearnedFit, SaysWhenNothingIsLeftToHoldOut) {
  FitOptions options = small_options();
  options.shortest = options.longest = 32;
  options.modes = {accel_sim::Mode::kDecode};
  options.array_size = options.scratchpad_kib = options.accumulator_kib = {};
  options.bus_bytes_per_cycle = {};
  EXPECT_THROW(held_out_combinations(options, 1), InputError);
  options.samples = 20;
  const LearnedModel model = fit(options);
  EXPECT_FALSE(
      model.predict(kLearnedNetwork, {32, accel_sim::Mode::kDecode}, options.base).extrapolates);
}

TEST(LearnedFit, ReportsBothChoices) {
  FitOptions options = small_options();
  options.combinations = 30;
  const FitReport report = compare_choices(options, {40, 80}, 12);
  ASSERT_EQ(report.points.size(), 2U);
  EXPECT_EQ(report.points[1].samples, 80);
  EXPECT_LT(report.points[1].active.relative.latency_mape, 0.2);
  EXPECT_THAT(report.text(), HasSubstr("active"));
  EXPECT_EQ(report.json()["points"][0]["samples"], 40);
}

TEST(LearnedFit, NamesOptionsOutOfRange) {
  const auto error_of = [](auto change) -> std::string {
    FitOptions options = small_options();
    change(options);
    try {
      fit(options);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_of([](FitOptions& o) { o.samples = 501; }), HasSubstr("1 to 500"));
  EXPECT_THAT(error_of([](FitOptions& o) { o.seed = ~std::uint64_t{0}; }), HasSubstr("seed"));
  EXPECT_THAT(error_of([](FitOptions& o) { o.modes.clear(); }), HasSubstr("modes"));
  EXPECT_THAT(error_of([](FitOptions& o) { o.longest = 16; }), HasSubstr("lengths"));
  EXPECT_THAT(error_of([](FitOptions& o) { o.array_size = {12}; }), HasSubstr("array_size"));
  EXPECT_THAT(
      error_of([](FitOptions& o) { o.base.dataflow = accel_sim::Dataflow::kOutputStationary; }),
      HasSubstr("weight_stationary"));
  EXPECT_THAT(error_of([](FitOptions& o) { o.base.tiling = accel_sim::Tiling::kOptimal; }),
              HasSubstr("tiling optimal is out of range: expected greedy"));
  EXPECT_THAT(error_of([](FitOptions& o) { o.base.fusion = accel_sim::Fusion::kBest; }),
              HasSubstr("fusion best is out of range: expected library"));
  EXPECT_THAT(error_of([](FitOptions& o) { o.base.masking = accel_sim::Masking::kRowBlocks; }),
              HasSubstr("masking row_blocks is out of range: expected bias"));
}

// --- its file

class LearnedModelFile : public testing::Test {
 protected:
  void SetUp() override {
    small_model().save(path_);
    text_ = read_file(path_);
  }

  std::string error_of(const std::string& text) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << text;
    try {
      LearnedModel::load(path_);
    } catch (const InputError& error) {
      const std::string message = error.what();
      EXPECT_THAT(message, HasSubstr(path_.string()));
      EXPECT_EQ(message.find('\n'), std::string::npos);
      return message;
    }
    return "no error";
  }

  std::string with(const std::string& from, const std::string& to) const {
    std::string text = text_;
    return text.replace(text.find(from), from.size(), to);
  }

  // The same under a checksum that fits.
  std::string forged(const std::string& from, const std::string& to) const {
    return refitted(with(from, to));
  }
  static std::string refitted(std::string text) {
    const std::string key = ",\n  \"checksum\": \"";
    text.resize(text.rfind(key));
    return text + key + hex(hash_text(text)) + "\"\n}\n";
  }

  TemporaryFolder temporary_;
  std::filesystem::path path_ = temporary_ / "model.json";
  std::string text_;
};

TEST_F(LearnedModelFile, RoundTripKeepsEveryPredictionAndTheText) {
  const LearnedModel read = LearnedModel::load(path_);
  EXPECT_EQ(read.text(), text_);
  for (const Combination& each : held_out_combinations(small_options(), 20)) {
    const LearnedCost a = small_model().predict(each.network, each.workload, each.hardware);
    const LearnedCost b = read.predict(each.network, each.workload, each.hardware);
    EXPECT_EQ(a.cost, b.cost);
    EXPECT_EQ(a.latency_uncertainty, b.latency_uncertainty);
    EXPECT_EQ(a.energy_uncertainty, b.energy_uncertainty);
    EXPECT_EQ(a.extrapolates, b.extrapolates);
  }
}

TEST_F(LearnedModelFile, CutOrEditedFilesAreRefused) {
  for (std::size_t size = 0; size < text_.size(); size += 1 + text_.size() / 40)
    EXPECT_NE(error_of(text_.substr(0, size)), "no error") << size;
  EXPECT_NE(error_of(text_.substr(0, text_.size() - 1)), "no error");
  for (std::size_t i = 0; i < text_.size(); i += 1 + text_.size() / 60) {
    std::string text = text_;
    text[i] = text[i] == '7' ? '8' : '7';
    EXPECT_NE(error_of(text), "no error") << i;
  }
  EXPECT_THAT(error_of(with("\"samples\": 160", "\"samples\": 161")), HasSubstr("cut or edited"));
}

// Every group's numbers under `key` but the first are kept.
std::string with_first(std::string text, const std::string& key, const std::string& number) {
  for (std::size_t at = 0; (at = text.find(key, at)) != std::string::npos; at += key.size()) {
    const std::size_t begin = text.find_first_not_of("[ \n", at + key.size());
    text.replace(begin, text.find_first_of(",]", begin) - begin, number);
  }
  return text;
}

TEST_F(LearnedModelFile, AnyNumbersGiveACostOrAnError) {
  for (const char* wrong : {"1e19", "-1e19", "1e999", "NaN", "null", "\"1\""})
    EXPECT_NE(error_of(refitted(with_first(text_, "\"spread\": ", wrong))), "no error") << wrong;
  EXPECT_THAT(error_of(refitted(with_first(text_, "\"seen\": ", "1e18"))),
              HasSubstr("is no range"));
  // Predicts far too much: nothing that fits a cost.
  std::string text = with_first(text_, "\"coefficients\": ", "1e18");
  for (const char* key : {"\"mean\": ", "\"scale\": "}) text = with_first(text, key, "1e18");
  EXPECT_EQ(error_of(refitted(text)), "no error");
  const Combination each = held_out_combinations(small_options(), 1)[0];
  const LearnedCost cost =
      LearnedModel::load(path_).predict(each.network, each.workload, each.hardware);
  EXPECT_TRUE(std::isfinite(cost.latency_uncertainty));
  EXPECT_TRUE(std::isfinite(cost.energy_uncertainty));
  EXPECT_GE(cost.cost.latency.value(), 0);
}

TEST_F(LearnedModelFile, OtherVersionsAndFormatsAreCalledThat) {
  EXPECT_THAT(error_of(with("predictor.2", "predictor.3")), HasSubstr("of this version"));
  EXPECT_THAT(error_of(forged(accel_sim::kSimulatorModel, "simulator/0")),
              HasSubstr(std::string("expected \"") + accel_sim::kSimulatorModel + "\""));
  EXPECT_THAT(error_of(forged("\"learned\"", "\"table\"")),
              HasSubstr("is another kind of predictor: expected \"learned\""));
  EXPECT_THAT(error_of("{}\n"), HasSubstr("is no predictor of this version"));
}

TEST_F(LearnedModelFile, ContentIsCheckedEvenUnderAFittingChecksum) {
  EXPECT_THAT(error_of(forged("\"projection\"", "\"projektion\"")), HasSubstr("projektion"));
  EXPECT_THAT(error_of(forged("\"mean\": [0.0,", "\"mean\": [")), HasSubstr("elements: expected"));
  EXPECT_THAT(error_of(forged("\"l2_kib\": 512", "\"l2_kib\": 1")), HasSubstr("l2_kib"));
  EXPECT_THAT(error_of(forged("\"l2_kib\": 512", "\"l2_kib\": 1024")), HasSubstr("/hardware_hash"));
  EXPECT_THAT(error_of(forged("\"seed\": 7", "\"sead\": 7")), HasSubstr("seed"));
  EXPECT_THAT(error_of(forged("\"spread\"", "\"spraed\"")), HasSubstr("\"spread\" is missing"));
  EXPECT_EQ(error_of(forged("\"seed\": 7", "\"seed\": 7")), "no error");
}

TEST(LearnedModel, AFileThatIsNotThere) {
  EXPECT_THROW(LearnedModel::load("no such file.json"), InputError);
}

}  // namespace
}  // namespace paretoformer::latency_predictor
