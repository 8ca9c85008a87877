// The verb `simulate`: what it reports adds up, its trace is a file that viewers read, and what
// cannot be simulated is refused.
#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <set>

#include "accel_sim/hardware/area.hpp"
#include "accel_sim/hardware/energy.hpp"
#include "accel_sim/hardware/target.hpp"
#include "support/hash.hpp"
#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr const char* kNetwork =
    R"({"model_width": 128, "vocabulary": 1000,
        "layers": [{"heads": 2, "ffn_width": 256}, {"heads": 1, "ffn_width": 512}]})";

std::int64_t femtojoules(const Json& picojoules) {
  return std::llround(picojoules.get<double>() * 1000);
}

// What the energies of the counted accesses come to, in picojoules.
double energy_of(const Json& accesses, const accel_sim::AccessEnergies& each) {
  const auto count = [&](const char* name) { return accesses[name].get<double>(); };
  return count("macs") * each.mac + count("pe_register") * each.pe_register +
         count("scratchpad") * each.scratchpad + count("accumulator") * each.accumulator +
         count("l2_bytes") * each.l2_byte + count("dram_bytes") * each.dram_byte;
}

class Simulate : public ::testing::Test {
 protected:
  void SetUp() override { write(box_ / "network.json", kNetwork); }

  Json simulate(Words arguments) {
    arguments.insert(arguments.begin(), "simulate");
    arguments.push_back("--json");
    const Result result = box_.run(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.err, "");
    return result.status == 0 ? parse(result.out) : Json();
  }

  // One line on standard error that contains `part`, nothing on standard output or in a file.
  void expect_refused(Words arguments, const std::string& part, int status = 2) {
    arguments.insert(arguments.begin(), "simulate");
    SCOPED_TRACE(::testing::PrintToString(arguments));
    const Words before = box_.files();
    const Result result = box_.run(arguments);
    EXPECT_EQ(result.status, status);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(lines(result.err).size(), 1u) << result.err;
    EXPECT_THAT(result.err, HasSubstr(part));
    EXPECT_EQ(box_.files(), before);
  }

  Sandbox box_;
};

// Whatever is said of the whole is the sum of what is said of the operators.
void expect_adds_up(const Json& answer, const std::string& hardware_name) {
  const accel_sim::Target hardware = accel_sim::find_target(hardware_name);
  const accel_sim::AccessEnergies each(hardware);
  std::int64_t cycles = 0, energy = 0, matmul_cycles = 0;
  std::map<std::string, std::int64_t> breakdown, accesses;
  const auto capacity = [&](std::int64_t taken) {
    return static_cast<double>(taken) * hardware.array_size * hardware.array_size;
  };
  for (const Json& op : answer["operators"]) {
    SCOPED_TRACE(op["operator"]);
    const std::int64_t own = op["cycles"];
    cycles += own;
    energy += femtojoules(op["energy_pj"]);
    std::int64_t parts = 0;
    for (const auto& [name, value] : op["breakdown"].items()) {
      parts += value.get<std::int64_t>();
      breakdown[name] += value.get<std::int64_t>();
    }
    EXPECT_EQ(parts, own);
    for (const auto& [name, value] : op["accesses"].items())
      accesses[name] += value.get<std::int64_t>();
    // Rounded to femtojoules once per repeat.
    EXPECT_NEAR(op["energy_pj"].get<double>(), energy_of(op["accesses"], each),
                0.001 * op["repeat"].get<double>());
    EXPECT_DOUBLE_EQ(op["utilization"].get<double>(),
                     op["accesses"]["macs"].get<double>() / capacity(own));
    const bool is_matmul = op["operator"].get<std::string>().rfind("matmul", 0) == 0;
    EXPECT_EQ(op.contains("tile"), is_matmul);
    if (!is_matmul) {
      EXPECT_EQ(op["accesses"]["macs"], 0);
      continue;
    }
    matmul_cycles += own;
    EXPECT_EQ(op["accesses"]["macs"],
              op["repeat"].get<std::int64_t>() * op["rows"].get<std::int64_t>() *
                  op["inner"].get<std::int64_t>() * op["columns"].get<std::int64_t>());
  }
  EXPECT_EQ(answer["cycles"], cycles);
  EXPECT_EQ(femtojoules(answer["energy_pj"]), energy);
  for (const auto& [name, value] : breakdown) EXPECT_EQ(answer["breakdown"][name], value) << name;
  for (const auto& [name, value] : accesses) EXPECT_EQ(answer["accesses"][name], value) << name;
  const double macs = answer["accesses"]["macs"].get<double>();
  EXPECT_DOUBLE_EQ(answer["utilization"].get<double>(), macs / capacity(cycles));
  EXPECT_DOUBLE_EQ(answer["matmul_utilization"].get<double>(),
                   matmul_cycles > 0 ? macs / capacity(matmul_cycles) : 0);
  double components = 0;
  for (const auto& [name, value] : answer["energy_breakdown_pj"].items())
    components += value.get<double>();
  EXPECT_NEAR(components / answer["energy_pj"].get<double>(), 1, 1e-9);
  EXPECT_EQ(answer["hardware"], (Json{{"name", hardware_name},
                                      {"hash", hex(target_hash(hardware))},
                                      {"area_mm2", area(hardware).total()}}));
}

TEST_F(Simulate, NetworkAddsUpOnEveryPreset) {
  for (const std::string& hardware : accel_sim::target_presets()) {
    SCOPED_TRACE(hardware);
    for (const char* mode : {"prefill", "decode"}) {
      const Json answer =
          simulate({"network.json", "--hardware", hardware, "--length", "48", "--mode", mode});
      expect_adds_up(answer, hardware);
      EXPECT_EQ(answer["operators"].size(), 2u * 12 + 3);
      EXPECT_EQ(answer["engine"], "fast");
      EXPECT_EQ(answer["mode"], mode);
      EXPECT_EQ(answer["sequence_length"], 48);
      const Json& projections = answer["operators"][2];
      EXPECT_EQ(projections["role"], "attention.qkv");
      EXPECT_EQ(projections["layer"], 0);
      EXPECT_EQ(projections["repeat"], 3);
      EXPECT_EQ(projections["rows"], mode == std::string("decode") ? 1 : 48);
      EXPECT_EQ(projections["inner"], 128);
      EXPECT_EQ(projections["columns"], 128);
    }
  }
}

// `predict` prices the schedule that `simulate` runs, and the best one is at least as good as
// either.
TEST_F(Simulate, FusionIsAParameterOfTheHardware) {
  std::map<std::string, double> edp;
  for (const char* fusion : {"off", "on", "best"}) {
    SCOPED_TRACE(fusion);
    write(box_ / "hardware.json",
          std::string(R"({"preset": "gemmini_transformer", "fusion": ")") + fusion + "\"}");
    const Json answer = simulate({"network.json", "--hardware", "hardware.json", "--length", "48"});
    EXPECT_EQ(answer["operators"].size(), 2u * 12 + 3);
    const Result predicted = box_.run(
        {"predict", "network.json", "--hardware", "hardware.json", "--length", "48", "--json"});
    ASSERT_EQ(predicted.status, 0) << predicted.err;
    EXPECT_EQ(parse(predicted.out)["cycles"], answer["cycles"]);
    edp[fusion] = answer["cycles"].get<double>() * answer["energy_pj"].get<double>();
  }
  EXPECT_LE(edp["best"], edp["off"]);
  EXPECT_LE(edp["best"], edp["on"]);
}

TEST_F(Simulate, ExportedFilesAreTakenAndTheDefaultsAreThoseOfPredict) {
  Json exported{{"id", "0"}, {"architecture", parse(kNetwork)}};
  write(box_ / "exported.json", exported.dump());
  const Json answer = simulate({"network.json"});
  EXPECT_EQ(simulate({"exported.json"}), answer);
  EXPECT_EQ(answer["hardware"]["name"], "gemmini_transformer");
  EXPECT_EQ(answer["sequence_length"], 512);
  EXPECT_EQ(answer["mode"], "prefill");
}

TEST_F(Simulate, StaticAndHostEnergyAreComponents) {
  write(box_ / "hardware.json",
        R"({"nonlinear_units": "host", "static_pj_per_cycle": 2, "host_pj_per_cycle": 3})");
  const Json answer = simulate({"network.json", "--hardware", "hardware.json", "--length", "16"});
  std::int64_t host = 0;
  for (const Json& op : answer["operators"])
    if (!op.contains("tile") && op["role"] != "embedding") host += op["cycles"].get<std::int64_t>();
  const Json& parts = answer["energy_breakdown_pj"];
  EXPECT_EQ(parts["static"], 2 * answer["cycles"].get<double>());
  EXPECT_EQ(parts["host"], 3.0 * static_cast<double>(host));
  double sum = 0;
  for (const auto& [name, value] : parts.items()) sum += value.get<double>();
  EXPECT_NEAR(sum / answer["energy_pj"].get<double>(), 1, 1e-9);
}

TEST_F(Simulate, MatmulWithItsTile) {
  const Words gemm{"--gemm", "128,768,768", "--hardware", "gemmini_dosa"};
  const Json greedy = simulate(gemm);
  expect_adds_up(greedy, "gemmini_dosa");
  ASSERT_EQ(greedy["operators"].size(), 1u);
  const Json& op = greedy["operators"][0];
  EXPECT_EQ(op["role"], "gemm");
  EXPECT_EQ(op["operator"], "matmul weights - 128 768 768");
  EXPECT_EQ(op["tile"], (Json{{"rows", 80}, {"inner", 768}, {"columns", 80}}));
  // 8 x 48 x 48 blocks, 16 cycles each, at least.
  EXPECT_GE(greedy["breakdown"]["array"].get<int>(), 8 * 48 * 48 * 16);

  const auto with_tile = [&](const std::string& tile) {
    Words arguments = gemm;
    arguments.insert(arguments.end(), {"--tile", tile});
    return simulate(arguments);
  };
  const Json chosen = with_tile("128,768,64");
  expect_adds_up(chosen, "gemmini_dosa");
  EXPECT_EQ(chosen["operators"][0]["tile"], (Json{{"rows", 128}, {"inner", 768}, {"columns", 64}}));
  EXPECT_NE(chosen["cycles"], greedy["cycles"]);
  // Elements are rounded up to blocks; the tile of the rule gives what the rule gives, but spares
  // the host the search for it.
  EXPECT_EQ(with_tile("113,753,49")["operators"], chosen["operators"]);
  const Json given = with_tile("80,768,80");
  EXPECT_EQ(given["accesses"], greedy["accesses"]);
  EXPECT_LT(given["cycles"], greedy["cycles"]);
  const auto others = [](const Json& answer) {
    return answer["cycles"].get<std::int64_t>() - answer["breakdown"]["host"].get<std::int64_t>();
  };
  EXPECT_EQ(others(given), others(greedy));
}

TEST_F(Simulate, ArrayCyclesOfASmallMatmul) {
  // Four blocks of weights, each fed with two blocks of 16 rows.
  const Json answer = simulate({"--gemm", "32,32,32"});
  EXPECT_EQ(answer["breakdown"]["array"], 4 * 2 * 16);
  EXPECT_EQ(answer["accesses"]["macs"], 32 * 32 * 32);
  expect_adds_up(answer, "gemmini_transformer");
}

// 64 x 32 times 32 x 64 on the measured machine. What the whole run takes stands at the top, and
// either part by itself.
TEST_F(Simulate, AMatmulAndWhatItsResultsPass) {
  const Words gemm{"--gemm", "64,32,64", "--transpose-b", "--hardware", "gemmini_soc"};
  const auto with = [&](const Words& more) {
    Words arguments = gemm;
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Json answer = simulate(arguments);
    expect_adds_up(answer, "gemmini_soc");
    return answer;
  };
  const Json plain = with({}), relu = with({"--activation", "relu"});
  EXPECT_EQ(plain["operators"][0]["operator"], "matmul transposed_activations - 64 32 64");
  EXPECT_EQ(relu["operators"][0]["operator"], "matmul transposed_activations relu 64 32 64");
  EXPECT_EQ(relu["cycles"], plain["cycles"]);
  EXPECT_EQ(with({"--activation", "gelu"})["cycles"], plain["cycles"]);
  for (const auto& [activation, role] :
       std::map<std::string, std::string>{{"softmax", "softmax"}, {"layernorm", "layer_norm"}}) {
    SCOPED_TRACE(activation);
    const Json fused = with({"--activation", activation});
    ASSERT_EQ(fused["operators"].size(), 2u);
    EXPECT_EQ(fused["operators"][0]["role"], "gemm");
    EXPECT_EQ(fused["operators"][1]["role"], role);
    EXPECT_GT(fused["operators"][1]["cycles"], 0);
    EXPECT_GT(fused["cycles"], plain["cycles"]);
    // By the rule the tile is all of it; rows by rows there is something to overlap.
    const Json rows = with({"--activation", activation, "--tile", "16,32,64"});
    EXPECT_EQ(rows["operators"][0]["tile"]["rows"], 16);
    EXPECT_NE(rows["cycles"], fused["cycles"]);
  }
}

// 64 int32, or 64 x 64 of them, beside 64 x 32 and 32 x 64 operands and 64 x 64 results.
TEST_F(Simulate, ABiasIsReadOnce) {
  const Words gemm{"--gemm", "64,32,64", "--hardware", "gemmini_soc"};
  const auto bytes = [&](const Words& more) {
    Words arguments = gemm;
    arguments.insert(arguments.end(), more.begin(), more.end());
    return simulate(arguments)["accesses"]["dram_bytes"].get<int>();
  };
  EXPECT_EQ(bytes({}), 2048 + 2048 + 4096);
  EXPECT_EQ(bytes({"--bias", "row"}), 8192 + 256);
  EXPECT_EQ(bytes({"--bias", "full"}), 8192 + 16384);
  // Rows of B that are a line apart are a line each, those of 64 bytes as well; at 96 they are on
  // three lines in two rows: 32 rows on 48.
  EXPECT_EQ(bytes({"--stride-b", "128"}), 8192);
  EXPECT_EQ(bytes({"--stride-b", "64"}), 8192);
  EXPECT_EQ(bytes({"--stride-b", "96"}), 8192 + 16 * 64);
}

TEST_F(Simulate, FunctionalResultsAreThoseOfTheIntegerOperators) {
  const auto functional = [&](Words arguments) {
    for (const char* word : {"--hardware", "gemmini_soc", "--functional"})
      arguments.emplace_back(word);
    const Json answer = simulate(arguments)["functional"];
    EXPECT_TRUE(answer["equal"].get<bool>());
    return answer["checksum"].get<std::string>();
  };
  Words of_network{"network.json"};
  const std::string checksum = functional({"--gemm", "100,300,70", "--bias", "row"});
  EXPECT_EQ(functional({"--gemm", "100,300,70", "--bias", "row"}), checksum);
  // Other tiles, other instructions, the same results.
  EXPECT_EQ(functional({"--gemm", "100,300,70", "--bias", "row", "--tile", "32,32,32"}), checksum);
  EXPECT_NE(functional({"--gemm", "100,300,70"}), checksum);
  functional({"--gemm", "60,64,60", "--transpose-b", "--activation", "softmax"});
  functional({"--elementwise", "layernorm_int8,40,100"});
  expect_refused({"network.json", "--functional"}, "expected --mode prefill, --mask causal");
  for (const char* word :
       {"--length", "40", "--mask", "causal", "--biases", "on", "--nonlinear-inputs", "int8"})
    of_network.emplace_back(word);
  functional(of_network);
}

TEST_F(Simulate, TheSecondTimeOperandsAreInL2) {
  const Words gemm{"--gemm", "64,32,64", "--hardware", "gemmini_soc", "--state"};
  const auto in = [&](const char* state) {
    Words arguments = gemm;
    arguments.emplace_back(state);
    return simulate(arguments);
  };
  const Json empty = in("empty"), warm = in("warm");
  EXPECT_EQ(empty["state"], "empty");
  EXPECT_EQ(warm["state"], "warm");
  EXPECT_LT(warm["cycles"], empty["cycles"]);
  EXPECT_LT(warm["accesses"]["dram_bytes"], empty["accesses"]["dram_bytes"]);
  EXPECT_EQ(warm["accesses"]["l2_bytes"], empty["accesses"]["l2_bytes"]);
  EXPECT_GE(in("cold")["cycles"], empty["cycles"]);
}

TEST_F(Simulate, ElementwiseOperators) {
  const auto with = [&](const Words& more) {
    Words arguments{"--hardware", "gemmini_soc", "--elementwise"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Json answer = simulate(arguments);
    expect_adds_up(answer, "gemmini_soc");
    return answer;
  };
  // Two int8 operands, or int32 sums; int8 results.
  const Json scaled = with({"residual_add,64,256"});
  EXPECT_EQ(scaled["accesses"]["dram_bytes"], 3 * 64 * 256);
  EXPECT_EQ(scaled["operators"][0]["role"], "residual_add");
  EXPECT_EQ(with({"layernorm,64,256"})["accesses"]["dram_bytes"], 5 * 64 * 256);
  EXPECT_EQ(with({"softmax,64,256"})["accesses"]["dram_bytes"], 5 * 64 * 256);
  // Scaled, 2 x 64 x 256 elements take at least a quarter of that in cycles.
  EXPECT_GE(scaled["cycles"], 8192);
  EXPECT_EQ(with({"residual_add,64,256", "--scales", "0.5"}), scaled);
  EXPECT_LT(with({"residual_add,64,256", "--scales", "1"})["cycles"], scaled["cycles"]);
}

TEST_F(Simulate, OperatorsThatCannotBe) {
  const auto refused = [&](Words more, const std::string& part) {
    more.insert(more.begin(), {"--hardware", "gemmini_soc"});
    expect_refused(more, part);
  };
  // 64 KiB of accumulator are 64 blocks, half of which hold a row of 32: 512 columns.
  refused({"--gemm", "16,16,513", "--activation", "softmax"},
          "--activation softmax: a row of 513 results does not fit the memories: expected whole "
          "rows of at most 512 (accumulator 64 KiB, scratchpad 256 KiB)");
  refused({"--gemm", "16,16,513", "--activation", "layernorm"}, "at most 512");
  refused({"--gemm", "16,16,64", "--activation", "softmax", "--tile", "16,16,48"},
          "--tile: \"16,16,48\" is too narrow for --activation softmax: expected whole rows, 64 "
          "columns");
  refused({"--gemm", "16,16,64", "--activation", "tanh"}, "--activation: tanh not in {relu,gelu");
  refused({"--gemm", "16,16,64", "--bias", "rows"}, "--bias: rows not in {row,full}");
  refused({"--gemm", "16,16,64", "--stride-b", "63"},
          "--stride-b: 63 is out of range: expected 64, the bytes of a row of B, to 1073741824");
  refused({"--gemm", "16,80,64", "--transpose-b", "--stride-b", "79"}, "expected 80");
  refused({"--gemm", "16,16,64", "--stride-b", "wide"}, "--stride-b");
  refused({"--gemm", "16,16,64", "--state", "hot"}, "--state: hot not in {empty,cold,warm}");
  for (const char* text : {"", "softmax", "softmax,", "softmax,16", "softmax,0,16",
                           "softmax,16,16,1", "softmax,16,x", "softmax,16,1048577"})
    refused({"--elementwise", text},
            std::string("--elementwise: \"") + text +
                "\" is not KIND,M,N: expected residual_add, layernorm, layernorm_int8, softmax or "
                "gelu_int8, and two numbers");
  refused({"--elementwise", "sofmax,16,16"},
          "--elementwise: \"sofmax\" is not known: expected one of residual_add, layernorm, "
          "layernorm_int8, softmax, gelu_int8 (did you mean \"softmax\"?)");
  refused({"--elementwise", "softmax,16,16", "--scales", "1"},
          "--scales: \"softmax,16,16\" has none: expected a residual_add");
  refused({"--gemm", "16,16,16", "--elementwise", "softmax,16,16"}, "excludes");
  for (const char* option : {"--activation", "--bias", "--stride-b"})
    expect_refused({"network.json", option, option == std::string("--bias") ? "row" : "64"},
                   option);
  expect_refused({"network.json", "--transpose-b"}, "--transpose-b requires --gemm");
  expect_refused({"network.json", "--scales", "1"}, "--scales requires --elementwise");
  for (const char* activation : {"gelu", "softmax", "layernorm"})
    expect_refused({"--gemm", "16,16,16", "--hardware", "gemmini_cnn", "--activation", activation},
                   std::string("--activation ") + activation + ": the hardware has no unit for it");
  expect_refused({"--gemm", "16,16,16", "--mask", "causal"}, "--mask");
  expect_refused({"network.json", "--mask", "full"}, "--mask: full not in {none,causal}");
  expect_refused({"network.json", "--biases", "yes"}, "--biases: yes not in {off,on}");
}

// Two layers of two heads and one: a mask of 48 x 48 int32 is loaded for each of the three, and
// every bias once.
TEST_F(Simulate, MaskAndBiasesAreLoaded) {
  const Words network{"network.json", "--length", "48", "--hardware", "gemmini_soc"};
  const auto with = [&](const Words& more) {
    Words arguments = network;
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Json answer = simulate(arguments);
    expect_adds_up(answer, "gemmini_soc");
    return answer;
  };
  const auto role = [](const Json& answer, const std::string& role) {
    std::int64_t cycles = 0;
    for (const Json& op : answer["operators"])
      if (op["role"] == role) cycles += op["cycles"].get<std::int64_t>();
    return cycles;
  };
  const Json plain = with({}), masked = with({"--mask", "causal"}),
             biased = with({"--biases", "on"});
  EXPECT_EQ(with({"--mask", "none", "--biases", "off"}), plain);
  EXPECT_EQ(plain["mask"], "none");
  EXPECT_EQ(plain["biases"], false);
  EXPECT_EQ(masked["mask"], "causal");
  EXPECT_EQ(biased["biases"], true);
  const auto l2_bytes = [](const Json& answer) {
    return answer["accesses"]["l2_bytes"].get<std::int64_t>();
  };
  EXPECT_EQ(l2_bytes(masked) - l2_bytes(plain), 3 * 48 * 48 * 4);
  EXPECT_GT(role(masked, "attention.scores"), role(plain, "attention.scores"));
  for (const char* matmul : {"attention.qkv", "attention.output", "ffn.up", "ffn.down"})
    EXPECT_GE(role(biased, matmul), role(plain, matmul)) << matmul;
  // Scores have none; what L2 has kept for them is not quite the same.
  EXPECT_NEAR(static_cast<double>(role(biased, "attention.scores")),
              static_cast<double>(role(plain, "attention.scores")),
              0.01 * static_cast<double>(role(plain, "attention.scores")));
  // A token that is decoded may attend to all.
  Json token = with({"--mode", "decode", "--mask", "causal"});
  token["mask"] = "none";
  EXPECT_EQ(token, with({"--mode", "decode"}));
}

TEST_F(Simulate, DecodingATokenIsLessWorkThanAllPositions) {
  const Words arguments{"network.json", "--length", "256"};
  Words decode = arguments;
  decode.insert(decode.end(), {"--mode", "decode"});
  const Json all = simulate(arguments), token = simulate(decode);
  EXPECT_LT(token["cycles"].get<std::int64_t>() * 4, all["cycles"].get<std::int64_t>());
  EXPECT_LT(token["matmul_utilization"].get<double>(), 1.0 / 16 + 1e-9);
}

TEST_F(Simulate, TextSaysWhereTheCyclesGo) {
  const Result result = box_.run({"simulate", "network.json", "--length", "64"});
  ASSERT_EQ(result.status, 0) << result.err;
  for (const char* part :
       {"attention.qkv", "ffn.down", "language_model_head", "total", "gemmini_transformer",
        "Of all cycles, the array", "%  works", "waits for loads"})
    EXPECT_THAT(result.out, HasSubstr(part));
  // Layers are one line together: title, head, 12 roles and 3 outside, total, matmuls, "Of all".
  std::set<std::string> roles;
  for (const std::string& line : lines(result.out))
    if (line[0] != ' ') roles.insert(line.substr(0, line.find(' ')));
  EXPECT_EQ(roles.size(), 2u + 15 + 3);
  EXPECT_THAT(lines(result.out), ::testing::SizeIs(::testing::Le(roles.size() + 7)));
}

TEST_F(Simulate, TraceIsWrittenAndChangesNothing) {
  const Words arguments{"network.json", "--length", "32"};
  Words traced = arguments;
  traced.insert(traced.end(), {"--trace", "trace.json"});
  const Json answer = simulate(arguments);
  EXPECT_EQ(simulate(traced), answer);
  const Json trace = parse(content(box_ / "trace.json"));
  EXPECT_EQ(trace["otherData"]["cycles"], answer["cycles"]);
  EXPECT_EQ(trace["otherData"]["hardware"], answer["hardware"]);
  std::size_t operators = 0;
  std::int64_t end = 0;
  for (const Json& event : trace["traceEvents"]) {
    if (event["ph"] != "X") continue;
    operators += event["tid"] == 0;
    end = std::max(end, event["ts"].get<std::int64_t>() + event["dur"].get<std::int64_t>());
  }
  std::size_t calls = 0;
  for (const Json& op : answer["operators"]) calls += op["repeat"].get<std::size_t>();
  EXPECT_EQ(operators, calls);
  EXPECT_EQ(end, answer["cycles"]);
  EXPECT_EQ(box_.files(), (Words{"network.json", "trace.json"}));
}

TEST_F(Simulate, TheReferenceEngineAgreesAndGivesUpAtItsLimit) {
  const Words matmul = {"--gemm", "100,200,150"};
  Words by_cycle = matmul;
  by_cycle.insert(by_cycle.end(), {"--engine", "reference"});
  const Json fast = simulate(matmul), reference = simulate(by_cycle);
  EXPECT_EQ(fast["engine"], "fast");
  EXPECT_EQ(reference["engine"], "reference");
  EXPECT_NEAR(fast["cycles"].get<double>() / reference["cycles"].get<double>(), 1, 0.08);
  EXPECT_EQ(fast["accesses"]["scratchpad"], reference["accesses"]["scratchpad"]);
  by_cycle.insert(by_cycle.end(), {"--cycle-limit", "1000"});
  expect_refused(by_cycle, "1000 cycles", 1);
  expect_refused({"--gemm", "16,16,16", "--cycle-limit", "0"}, "--cycle-limit");
}

TEST_F(Simulate, ShapesAndTiles) {
  for (const char* shape : {"0,16,16", "16,-1,16", "-1,16,16", "16,16", "16,16,16,16", "16,16,x",
                            "16,16,16 ", "", "16;16;16", "1048577,1,1", "99999999999,1,1"}) {
    expect_refused({"--gemm", shape}, std::string("--gemm: \"") + shape + "\" is not M,K,N");
    expect_refused({"--gemm", "16,16,16", "--tile", shape}, "--tile: \"");
  }
  expect_refused({"--gemm", "512,512,512", "--tile", "512,16,512"},
                 "a tile of 32 x 1 x 32 blocks does not fit the accumulator");
  expect_refused({"--gemm", "512,4096,512", "--tile", "16,4096,16"},
                 "a tile of 1 x 256 x 1 blocks does not fit the scratchpad");
  expect_refused({"--gemm", "32768,1024,32768", "--tile", "1,1,1"}, "is cut into 268435456 tiles");
  expect_refused({"--gemm", "1048576,1,1048576"}, "does not fit the simulator's address space");
  expect_refused({"network.json", "--length", "1048576"}, "address space");
}

// And the same answer, without it, where nobody looks.
TEST_F(Simulate, ALongOneShowsItsProgressOnATerminal) {
  write(box_ / "wide.json", R"({"model_width": 256, "layers": [{"heads": 4, "ffn_width": 1024},
      {"heads": 4, "ffn_width": 1024}, {"heads": 4, "ffn_width": 1024}]})");
  const std::string words = "simulate wide.json --length 1024 --engine reference --json";
  const Result shown = box_.run_on_terminal(words, "shown.json");
  EXPECT_EQ(shown.status, 0) << shown.out;
  EXPECT_THAT(shown.out, HasSubstr("\rsimulate ["));
  EXPECT_THAT(shown.out, HasSubstr("100%"));
  const Result quiet = box_.run_on_terminal(words + " -q", "quiet.json");
  EXPECT_EQ(quiet.out, "");
  EXPECT_EQ(content(box_ / "shown.json"), content(box_ / "quiet.json"));
  EXPECT_GT(parse(content(box_ / "shown.json"))["cycles"], 0);
}

TEST_F(Simulate, CommandLine) {
  expect_refused(
      {}, "expected an architecture file, --gemm M,K,N, --elementwise KIND,M,N or --mapping FILE");
  expect_refused({"network.json", "--gemm", "16,16,16"}, "--gemm");
  expect_refused({"network.json", "--tile", "16,16,16"}, "--tile requires --gemm");
  expect_refused({"--gemm", "16,16,16", "--length", "16"}, "--length");
  expect_refused({"--gemm", "16,16,16", "--mode", "decode"}, "--mode");
  expect_refused({"network.json", "--length", "0"}, "--length");
  expect_refused({"network.json", "--mode", "train"}, "--mode");
  expect_refused({"network.json", "--engine", "slow"}, "--engine");
  expect_refused({"network.json", "--hardware", "gemini_cnn"}, "did you mean \"gemmini_cnn\"?");
  expect_refused({"--gemm", "16,16,16", "--hardware", "caf\xe9"}, "--hardware: is not valid UTF-8");
  expect_refused({"missing.json"}, "missing.json");
  expect_refused({"--gemm", "16,16,16", "--trace", ""}, "--trace");
  expect_refused({"--gemm", "16,16,16", "--trace", "missing/trace.json"},
                 "missing/trace.json: cannot create file", 1);
  expect_refused({"--gemm", "9000,9000,9000", "--trace", "trace.json"},
                 "trace.json: the trace would be too large");
}

}  // namespace
}  // namespace paretoformer::integration
