// Runs whose networks choose what they run on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "accel_sim/hardware/area.hpp"
#include "nas/run/comparison.hpp"
#include "nas/run/confirmation.hpp"
#include "nas/run/front_file.hpp"
#include "nas/run/loss_cache.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "nas/run/supernet_losses.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "tests/nas/tiny_run.hpp"

namespace paretoformer::nas {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

// The tiny run, on an array of 8 or 16 and with one of two scratchpads.
Json joint_json(const fs::path& run) {
  Json json = to_json(tiny_config(run));
  json["hardware_space"] = {{"array_size", {8, 16}}, {"scratchpad_kib", {16, 64}}};
  json["objectives"] = {"perplexity", "edp", "area"};
  json["search"]["evaluations"] = 36;
  return json;
}

RunConfig parse_joint(const Json& json) {
  return run_config_from_json(JsonNode(json, "c.json"), "");
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

TEST(HardwareSpaceConfig, ChangesNothingWhereItIsAbsent) {
  const RunConfig plain = tiny_config("run");
  EXPECT_FALSE(to_json(plain).contains("hardware_space"));
  EXPECT_TRUE(plain.hardware_space.empty());
  const RunConfig joint = parse_joint(joint_json("run"));
  EXPECT_EQ(training_hash(joint), training_hash(plain));
  EXPECT_NE(config_hash(joint), config_hash(plain));
  EXPECT_EQ(to_json(parse_joint(to_json(joint))), to_json(joint));
  Architecture network = joint.space.smallest();
  EXPECT_EQ(joint.hardware_of(network), joint.hardware);
  network.hardware = {1, 2};
  EXPECT_EQ(joint.hardware_of(network).array_size, 8);
  EXPECT_EQ(joint.hardware_of(network).scratchpad_kib, 64);
}

TEST(HardwareSpaceConfig, RefusesWhatDoesNotGoTogether) {
  Json json = joint_json("run");
  json.erase("hardware_space");
  EXPECT_THAT(error_of([&] { parse_joint(json); }),
              HasSubstr("c.json: /hardware_space: is absent: \"area\""));
  json["objectives"] = {"perplexity", "edp"};
  json["limits"] = {{"area", 0.5}};
  EXPECT_THAT(error_of([&] { parse_joint(json); }), HasSubstr("/hardware_space: is absent"));
  json = joint_json("run");
  json["hardware_space"]["array_size"] = {8, 12};
  EXPECT_THAT(error_of([&] { parse_joint(json); }),
              AllOf(HasSubstr("c.json: /hardware_space/array_size: 12"), HasSubstr("is not")));
}

class HardwareSpaceRun : public ::testing::Test {
 protected:
  TemporaryFolder box_;
  RunConfig config_ = parse_joint(joint_json(box_ / "run"));
};

TEST_F(HardwareSpaceRun, AreaLimitsNameTheCheapestMachine) {
  Json json = joint_json(box_ / "run");
  // 8 x 8 PEs 0.029, 16 KiB of scratchpad 0.034, 256 KiB of accumulator 0.584, control 0.052 and
  // half of the lanes 0.06216.
  const double least = 0.029 + 0.034 + 0.584 + 0.052 + 0.06216;
  for (const double limit : {0.999 * least, 1.001 * least}) {
    json["limits"] = {{"area", limit}};
    const RunConfig config = parse_joint(json);
    const ProxyTask proxy(config, {});
    const Predictors predictors = predictors_in_place(config, proxy.space());
    const std::string error = error_of([&] { require_feasible(config, proxy, predictors); });
    if (limit < least)
      EXPECT_THAT(error, AllOf(HasSubstr("no network of the space meets the limit area"),
                               HasSubstr("on array_size 8, scratchpad_kib 16")));
    else
      EXPECT_EQ(error, "no InputError");
  }
}

TEST_F(HardwareSpaceRun, ASearchMeasuresEveryNetworkOnceAndResumesToTheSameBits) {
  TinyRun run(config_);
  std::set<std::uint64_t> asked;
  std::size_t questions = 0;
  LossSource source = supernet_losses(run.proxy);
  source.sums = [&, inner = source.sums](std::span<const Architecture> networks, LossPart part) {
    for (const Architecture& network : networks) {
      EXPECT_TRUE(network.hardware.empty());
      asked.insert(architecture_id(network));
    }
    questions += networks.size();
    return inner(networks, part);
  };
  LossCache cache(run.folder.losses(), loss_key(run.proxy));
  const Predictors predictors = predictors_of(run.folder, run.proxy.space());
  CandidateEvaluator evaluator(cached(source, cache), predictors, run.proxy.context());
  const FinishedSearch found = run_search(run.folder, run.proxy, evaluator, {});
  ASSERT_EQ(found.archive.size(), 36u);
  std::set<std::uint64_t> networks;
  std::set<std::vector<int>> machines;
  for (const Candidate& each : found.archive.candidates()) {
    networks.insert(architecture_id(without_hardware(each.architecture)));
    machines.insert(each.architecture.hardware);
    const accel_sim::Target target = config_.hardware_of(each.architecture);
    EXPECT_EQ(each.objectives.area_mm2, accel_sim::area(target).total());
  }
  EXPECT_LT(networks.size(), 36u);  // some are on several machines
  EXPECT_EQ(asked, networks);
  EXPECT_LE(questions, 2 * networks.size());  // a quarter and the rest of each
  EXPECT_EQ(machines.size(), 4u);
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(run.folder.predictors()))
    files += entry.path().extension() == ".json";
  EXPECT_EQ(files, 4u);

  // Cut after ten lines, with predictors that are read again: the same bits.
  const std::string history = read_file(run.folder.history());
  std::size_t end = 0;
  for (int line = 0; line < 10; ++line) end = history.find('\n', end) + 1;
  write_file_atomic(run.folder.history(), history.substr(0, end));
  CandidateEvaluator again(cached(source, cache), predictors_of(run.folder, run.proxy.space()),
                           run.proxy.context());
  questions = 0;
  run_search(run.folder, run.proxy, again, {});
  EXPECT_EQ(read_file(run.folder.history()), history);
  EXPECT_EQ(questions, 0u);

  // Confirmed once per network, on every machine by itself; named in files.
  const FinalFront front =
      confirm_front(run.folder, run.proxy, again.losses(), predictors, found.archive, Watch{});
  const Json json = front_json(run.folder, run.proxy, found.archive, front);
  ASSERT_FALSE(json["front"].empty());
  for (const Json& member : json["front"]) {
    EXPECT_TRUE(member["hardware_choice"].contains("scratchpad_kib"));
    EXPECT_TRUE(member["hardware_choice"].contains("array_size"));
    EXPECT_TRUE(member["confirmed"].contains("latency_cycles"));
  }
  export_front(run.folder, run.proxy, found.archive, front, box_ / "export");
  for (const FrontMember& member : front.members) {
    const Json file = read_json(box_ / "export" / (hex(member.candidate.id) + ".json"));
    const accel_sim::Target target = config_.hardware_of(member.candidate.architecture);
    EXPECT_EQ(file["hardware"], to_json(target));
    EXPECT_EQ(file["provenance"]["hardware_hash"], hex(target_hash(target)));
    EXPECT_EQ(file["objectives"]["area_mm2"], member.candidate.objectives.area_mm2);
  }
}

TEST_F(HardwareSpaceRun, AnotherSpaceIsNotTheRun) {
  Json other = joint_json(box_ / "run");
  other["objectives"] = {"perplexity", "edp"};
  { RunFolder::open(parse_joint(other), false).keep(); }
  other["hardware_space"]["array_size"] = {8, 32};
  EXPECT_THAT(
      error_of([&] { RunFolder::open(parse_joint(other), true); }),
      HasSubstr("differs from the run's at /hardware_space/array_size: [8,32], was [8,16]"));
  other.erase("hardware_space");
  EXPECT_THAT(error_of([&] { RunFolder::open(parse_joint(other), true); }),
              HasSubstr("/hardware_space: is gone"));
}

TEST_F(HardwareSpaceRun, AContestantSearchesFixedMachinesApart) {
  const ProxyTask proxy(config_, {});
  LossSource losses{2, 8, [](std::span<const Architecture> networks, LossPart part) {
                      std::vector<double> sums;
                      for (const Architecture& network : networks)
                        sums.push_back((part == LossPart::kQuarter ? 2 : 6) *
                                       (3 + 1.0 / network.model_width + 1.0 / network.depth()));
                      return sums;
                    }};
  SearchConfig base;
  base.population = 10;
  ComparisonTask task{.space = proxy.designs(),
                      .objectives = {Objective::kPerplexity, Objective::kEdp, Objective::kArea},
                      .limits = {},
                      .contestants = {contestant_from_text("evolution:apart=2", base),
                                      contestant_from_text("evolution", base)},
                      .seeds = 2,
                      .step = 20,
                      .budget = 60,
                      .losses = losses,
                      .predictors = predictors_in_place(config_, proxy.space()),
                      .context = 32,
                      .enumerable = 0};
  const Comparison comparison = compare(task);
  for (const std::vector<Race>& races : comparison.races)
    for (const Race& race : races) EXPECT_EQ(race.evaluations, 60u);
  // The reference is that of all machines: two of the four cover less of it than the choice.
  EXPECT_GT(comparison.hypervolumes(0, 0)[0], 0);
  EXPECT_NE(comparison.hypervolumes(0, 2), comparison.hypervolumes(1, 2));
  task.contestants = {contestant_from_text("evolution:apart=5", base)};
  EXPECT_THAT(error_of([&] { compare(task); }), HasSubstr("there are 4 combinations"));
  task.contestants = {contestant_from_text("fisher", base)};
  EXPECT_THAT(error_of([&] { compare(task); }), HasSubstr("pruning is for one machine"));
  EXPECT_THAT(error_of([&] { contestant_from_text("evolution:apart=0", base); }),
              HasSubstr("apart"));
}

}  // namespace
}  // namespace paretoformer::nas
