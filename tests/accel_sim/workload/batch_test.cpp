// Several sequences at once (Workload::batch): all their work, weights once, and a place for each
// in a network's memory.
#include <gmock/gmock.h>

#include <set>

#include "accel_sim/lowering/network_memory.hpp"
#include "accel_sim/lowering/peak_memory.hpp"
#include "accel_sim/simulator.hpp"
#include "accel_sim/workload/profile.hpp"
#include "accel_sim/workload/transformer.hpp"
#include "accel_sim/workload/workload_fields.hpp"
#include "support/error.hpp"
#include "support/json.hpp"

namespace paretoformer::accel_sim {
namespace {

const Architecture kBatchNetwork{64, 16, 100, {{4, 96}, {2, 128}}};

std::vector<Workload> workloads() {
  std::vector<Workload> list;
  for (const Mode mode : {Mode::kPrefill, Mode::kDecode})
    for (const Mask mask : {Mask::kNone, Mask::kCausal})
      for (const NonlinearInputs inputs : {NonlinearInputs::kSums, NonlinearInputs::kInt8})
        list.push_back({24, mode, mask, /*biases=*/true, inputs});
  return list;
}

Transformer grouped() {
  Transformer network;
  network.block = {.width = 64,
                   .heads = 4,
                   .key_heads = 2,
                   .head_width = 16,
                   .ffn_width = 96,
                   .is_gated = true,
                   .activation = FfnActivation::kSilu,
                   .rms_norm = true,
                   .rotary = true};
  network.layers = 2;
  network.vocabulary = 100;
  network.embedding_width = 64;
  network.final_norm = true;
  network.head = LanguageModelHead::kTied;
  return network;
}

// FLOPs, and bytes of weights.
template <typename Network>
std::pair<std::int64_t, std::int64_t> work(const Network& network, const Workload& workload) {
  std::int64_t flops = 0, weights = 0;
  for (const TransformerOperator& item : transformer_operators(network, workload)) {
    flops += item.repeat * statistics(item.op).flops;
    if (has_weights(item.op)) weights += item.repeat * right_bytes(item.op);
  }
  return {flops, weights};
}

TEST(Batch, IsSoManyTimesTheWorkWithTheSameWeights) {
  for (const Workload& one : workloads()) {
    Workload five = one;
    five.batch = 5;
    const auto check = [&](const auto& network) {
      const auto [flops, weights] = work(network, one);
      EXPECT_EQ(work(network, five), std::pair(5 * flops, weights));
    };
    check(kBatchNetwork);
    check(grouped());
  }
}

TEST(Batch, ProfilesReadWeightsOnce) {
  for (const Mode mode : {Mode::kPrefill, Mode::kDecode}) {
    const WorkloadCount one = profile(kBatchNetwork, 24, mode, false).total();
    const WorkloadCount five = profile(kBatchNetwork, 24, mode, false, 5).total();
    EXPECT_EQ(five.flops, 5 * one.flops);
    EXPECT_LT(five.mops, 5 * one.mops);
  }
}

TEST(Batch, IsSimulatedAsAWhole) {
  for (const Workload& one : workloads()) {
    Workload three = one;
    three.batch = 3;
    const Target target = find_target("gemmini_transformer");
    std::int64_t macs = 0, macs_of_three = 0;
    Cycles cycles, cycles_of_three;
    for (const auto& part : simulate_network(kBatchNetwork, one, target)) {
      macs += part.report.accesses.macs;
      cycles += part.report.cost.latency;
    }
    for (const auto& part : simulate_network(kBatchNetwork, three, target)) {
      macs_of_three += part.report.accesses.macs;
      cycles_of_three += part.report.cost.latency;
    }
    EXPECT_EQ(macs_of_three, 3 * macs);
    EXPECT_GT(cycles_of_three, cycles);
    EXPECT_LT(cycles_of_three, cycles * 3);  // matrices of weights are loaded once
  }
}

// What a call's result covers there.
std::pair<std::int64_t, std::int64_t> rows_of(const Matrix& matrix, const Operator& op) {
  return {matrix.address,
          matrix.address + (op.rows - 1) * matrix.stride + matrix.bytes(op.columns)};
}

TEST(Batch, SequencesHavePlacesOfTheirOwn) {
  const Target target = find_target("gemmini_transformer");
  for (Workload workload : workloads()) {
    workload.batch = 3;
    const std::vector<Call> calls =
        compile_with_mapper(kBatchNetwork, workload, target, simulated_prices(target));
    const NetworkMemory memory(kBatchNetwork, workload, target, calls);
    for (const Call& call : calls) {
      std::set<std::int64_t> begins;
      for (int i = 0; i < call.repeat; ++i) {
        const Placement placement = memory.placement(call, i);
        EXPECT_LE(rows_of(placement.result, call.op).second, memory.bytes());
        begins.insert(placement.result.address);
      }
      EXPECT_EQ(static_cast<std::int64_t>(begins.size()), call.repeat) << call.role;
    }
  }
}

// Of every sequence the row of the token's position.
TEST(Batch, DecodedKeysLieInEverySequencesCache) {
  const Target target = find_target("gemmini_transformer");
  const Workload workload{.sequence_length = 24, .mode = Mode::kDecode, .batch = 3};
  const std::vector<Call> calls =
      compile_with_mapper(kBatchNetwork, workload, target, simulated_prices(target));
  const NetworkMemory memory(kBatchNetwork, workload, target, calls);
  for (const Call& projection : calls) {
    if (projection.role != "attention.qkv" || projection.layer != 0) continue;
    const Matrix keys = memory.placement(projection, 1).result;
    for (const Call& scores : calls)
      if (scores.role == "attention.scores" && scores.layer == 0)
        for (int sequence = 0; sequence < 3; ++sequence) {
          const Matrix read = memory.placement(scores, 4 * sequence).right;
          EXPECT_EQ(keys.at(sequence, 0).address, read.at(23, 0).address);
        }
  }
}

TEST(Batch, TakesMoreMemoryButForWeights) {
  const Target target = find_target("gemmini_transformer");
  const auto peak = [&](int batch, Mode mode) {
    Workload workload = kSupernetWorkload;
    workload.mode = mode;
    workload.batch = batch;
    workload.sequence_length = 24;
    const std::vector<Call> calls =
        compile_with_mapper(kBatchNetwork, workload, target, simulated_prices(target));
    return peak_memory(calls, workload, kBatchNetwork.model_width);
  };
  EXPECT_EQ(peak(3, Mode::kPrefill).stored, peak(1, Mode::kPrefill).stored);
  EXPECT_EQ(peak(3, Mode::kPrefill).alive, 3 * peak(1, Mode::kPrefill).alive);
  // Keys and values of 24 positions, 4 and 2 heads of 16.
  EXPECT_EQ(peak(3, Mode::kDecode).stored - peak(1, Mode::kDecode).stored, 2 * 2 * 24 * 6 * 16);
}

TEST(Batch, IsInFilesOnlyWhenThereIsOne) {
  Workload workload;
  EXPECT_FALSE(write_fields(kWorkloadFields, workload).contains("batch"));
  workload.batch = 4;
  const Json json = write_fields(kWorkloadFields, workload);
  EXPECT_EQ(json["batch"], 4);
  Workload again;
  read_fields(JsonObject(JsonNode(json, "file")), kWorkloadFields, again, true);
  EXPECT_EQ(again, workload);
}

TEST(Batch, HasSoManyPositionsAtMost) {
  EXPECT_THROW(transformer_operators(kBatchNetwork, {.sequence_length = 1 << 19, .batch = 3}),
               InputError);
  EXPECT_NO_THROW(transformer_operators(
      kBatchNetwork, {.sequence_length = 1 << 19, .mode = Mode::kDecode, .batch = 3}));
}

}  // namespace
}  // namespace paretoformer::accel_sim
