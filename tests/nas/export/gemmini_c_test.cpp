// The exported C program of a quantised network, compiled and run against a functional model of the
// accelerator (gemmini/model.c): its logits have the checksum that it expects, and its commands are
// those that the simulator prices, one by one.
#include "nas/export/gemmini_c.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "accel_sim/lowering/instructions.hpp"
#include "accel_sim/simulator.hpp"
#include "supernet/quantization/int8_evaluation.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/random.hpp"

namespace paretoformer::nas {
namespace {

namespace fs = std::filesystem;
using accel_sim::Matrix;
using accel_sim::Target;
using accel_sim::Tile;
using accel_sim::TileKind;

constexpr int kContext = 70;
const std::string kLibrary = std::string(PARETOFORMER_SOURCE_DIR) + "/tests/nas/export/gemmini";

std::vector<std::int32_t> random_tokens(Random& random, int count) {
  std::vector<std::int32_t> tokens;
  for (int t = 0; t < count; ++t) tokens.push_back(static_cast<std::int32_t>(random.below(90)));
  return tokens;
}

supernet::QuantizedNetwork random_network(Random& random) {
  const Architecture network{72, 24, 90, {{3, 200}, {2, 80}}};
  const supernet::ParameterLayout layout(network, kContext);
  std::vector<float> parameters(layout.size());
  for (float& parameter : parameters) parameter = static_cast<float>(0.2 * random.normal());
  const std::vector<std::int32_t> tokens = random_tokens(random, 8 * kContext);
  return calibrated(fold(layout, parameters.data(), network),
                    {tokens.data(), tokens.data(), 8, kContext});
}

// Of what is placed at 0 where the call has none.
std::string place(bool there, const Matrix& matrix) {
  return there ? std::to_string(matrix.address) : "-1";
}

void log_loop(std::ostream& log, const Tile& tile, const NetworkCall& call) {
  const bool gelu = call.call.op.kind == accel_sim::OperatorKind::kGelu;
  if (tile.kind == TileKind::kResidualAdd) {
    log << "add " << tile.rows << ' ' << tile.columns << ' ' << tile.left.address << ' '
        << place(tile.load_right, tile.right) << ' ' << tile.result.address << ' ' << (gelu ? 3 : 0)
        << '\n';
    return;
  }
  const bool softmax = tile.normalisation == accel_sim::Normalisation::kSoftmax;
  log << "loop " << tile.rows << ' ' << tile.inner << ' ' << tile.columns << ' '
      << place(tile.load_left, tile.left) << ' ' << place(tile.load_right, tile.right) << ' '
      << place(tile.load_sums, tile.sums) << ' ' << place(tile.store, tile.result) << ' '
      << tile.transposed_right << ' ' << (tile.result.element_bytes == 4) << ' ' << tile.accumulate
      << ' ' << (softmax ? 4 : 0) << '\n';
}

// A tile that the host unrolls, a row of blocks at a time.
void log_rows(std::ostream& log, const Tile& tile, const NetworkCall& call, const Target& target) {
  const int size = target.array_size;
  accel_sim::LoadSequence loads(tile, target);
  accel_sim::StoreSequence stores(tile, target);
  auto step = loads.next();
  auto mvout = stores.next();
  for (int row = 0; step || mvout; ++row) {
    for (; step && step->row == row; step = loads.next()) {
      accel_sim::Mvin mvin = loads.mvin(*step);
      if (step->only_row >= 0) {
        const std::int64_t at =
            (tile.result.address - call.place.result.address) / tile.result.stride + row * size +
            step->only_row;
        mvin.address += (call.constants.gathered[static_cast<std::size_t>(at)] - at) * mvin.stride;
      }
      log << "mvin " << mvin.address << ' ' << mvin.rows << ' ' << mvin.row_bytes << ' '
          << mvin.target.index * size + mvin.first_row << ' ' << mvin.accumulate << '\n';
    }
    for (; mvout && mvout->address < tile.result.at((row + 1) * size, 0).address;
         mvout = stores.next()) {
      constexpr int kLast[] = {0, 2, 4, 0}, kBefore[] = {0, 1, 3, 0};
      const int pass = static_cast<int>(mvout->pass);
      log << "mvout " << mvout->address << ' ' << mvout->rows << ' ' << mvout->row_bytes << ' '
          << mvout->source.index * size + mvout->first_row << ' '
          << (mvout->last_of_pass ? kLast : kBefore)[pass] << '\n';
    }
  }
}

std::string priced_commands(const NetworkProgram& program, const Target& target) {
  std::ostringstream log;
  for (const NetworkCall& call : program.calls)
    for (const Tile& tile : lower(call.call, target, &call.place).tiles)
      if (is_unrolled_by_host(tile))
        log_rows(log, tile, call, target);
      else
        log_loop(log, tile, call);
  return log.str();
}

class GemminiC : public ::testing::Test {
 protected:
  GemminiC() : box_(fs::temp_directory_path() / ("gemmini_c." + std::to_string(::getpid()))) {
    fs::create_directories(box_);
  }
  ~GemminiC() override { fs::remove_all(box_); }

  NetworkProgram export_to(const fs::path& file, const Target& target, int length) {
    Random random(21);
    const supernet::QuantizedNetwork network = random_network(random);
    const std::vector<std::int32_t> tokens = random_tokens(random, length);
    accel_sim::Workload workload = accel_sim::kSupernetWorkload;
    workload.sequence_length = length;
    const NetworkProgram program = network_program(
        network, tokens, target,
        compile_with_mapper(network.network, workload, target, simulated_prices(target)));
    supernet::IntegerActivations activations(network, length);
    std::vector<std::int32_t> logits(supernet::area(length, network.head.outputs));
    integer_logits(network, tokens, length, activations, logits.data());
    write_file_atomic(file,
                      gemmini_c(program, target,
                                {"a test", "of tests", gemmini_checksum(logits), 12345, tokens}));
    return program;
  }

  static std::string memories(const Target& target) {
    return " -DBANK_ROWS=" + std::to_string(target.scratchpad_blocks() * target.array_size / 4) +
           " -DACC_ROWS=" + std::to_string(target.accumulator_blocks() * target.array_size);
  }

  int shell(const std::string& command) {
    return std::system((command + " >" + (box_ / "said").string() + " 2>&1").c_str());
  }
  std::string said() { return read_file(box_ / "said"); }

  // Compiled and run against the model.
  void expect_right(const Target& target, int length, const std::string& name) {
    const fs::path file = box_ / "program.c", binary = box_ / "program", log = box_ / "log";
    const NetworkProgram program = export_to(file, target, length);
    ASSERT_EQ(shell("cc -std=gnu11 -O1 -Wall -Werror -I" + kLibrary + memories(target) +
                    " -DPROGRAM='\"" + file.string() + "\"' " + kLibrary + "/model.c -lm -o " +
                    binary.string()),
              0)
        << name << ": " << said();
    EXPECT_EQ(shell(binary.string() + " " + log.string()), 0) << name << ": " << said();
    EXPECT_NE(said().find("cycles 0 simulated 12345\nchecksum "), std::string::npos) << said();
    EXPECT_NE(said().find(" right\n"), std::string::npos) << said();
    const std::string priced = priced_commands(program, target);
    EXPECT_EQ(read_file(log), priced) << name;
    EXPECT_GT(priced.size(), 1000U);
  }

  fs::path box_;
};

Target target_of(const char* name) {
  Target target = accel_sim::find_target(name);
  target.nonlinear_units = accel_sim::NonlinearUnits::kOnChip;
  return target;
}

TEST_F(GemminiC, LogitsAndCommandsAreThePricedOnes) {
  for (const char* const name : {"gemmini_soc", "gemmini_transformer"})
    for (const int length : {1, 30, kContext}) expect_right(target_of(name), length, name);
}

// Tiles of several kinds: of small memories, with and without operands that stay; the mapper's.
TEST_F(GemminiC, OtherTiles) {
  Target target = target_of("gemmini_soc");
  target.scratchpad_kib = 8;
  target.accumulator_kib = 16;
  expect_right(target, kContext, "small memories");
  target.operand_reuse = false;
  expect_right(target, kContext, "no reuse");
  target = target_of("gemmini_soc");
  target.tiling = accel_sim::Tiling::kOptimal;
  expect_right(target, kContext, "optimal tiles");
}

TEST_F(GemminiC, WhatAProgramCannotHaveIsNamed) {
  Target target = target_of("gemmini_soc");
  target.fusion = accel_sim::Fusion::kOff;
  try {
    export_to(box_ / "program.c", target, 20);
    ADD_FAILURE() << "a softmax by itself was written";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("attention.softmax cannot be written as it is priced"),
              std::string::npos)
        << error.what();
  }
  target.fusion = accel_sim::Fusion::kBest;
  EXPECT_NO_THROW(export_to(box_ / "program.c", target, 20));
}

// A wrong weight is found.
TEST_F(GemminiC, AWrongNumberIsSaid) {
  const fs::path file = box_ / "program.c", binary = box_ / "program";
  const Target target = target_of("gemmini_soc");
  export_to(file, target, 20);
  std::string text = read_file(file);
  const auto digit = text.find("static const int32_t tokens[] = {") + 33;
  text[digit] = text[digit] == '1' ? '2' : '1';
  write_file_atomic(file, text);
  ASSERT_EQ(shell("cc -std=gnu11 -I" + kLibrary + memories(target) + " -DPROGRAM='\"" +
                  file.string() + "\"' " + kLibrary + "/model.c -lm -o " + binary.string()),
            0);
  EXPECT_NE(shell(binary.string()), 0);
  EXPECT_NE(said().find(" wrong, expected "), std::string::npos) << said();
}

// As Debian's cross compiler has it, with picolibc and nothing else; with the headers of a checkout
// of gemmini-rocc-tests as well, where PARETOFORMER_GEMMINI names one.
TEST_F(GemminiC, CompilesForRiscv) {
  if (shell("riscv64-unknown-elf-gcc --version") != 0)
    GTEST_SKIP() << "riscv64-unknown-elf-gcc is not installed";
  const fs::path file = box_ / "program.c";
  const Target target = target_of("gemmini_soc");
  export_to(file, target, 20);
  std::vector<std::string> headers{kLibrary};
  if (const char* checkout = std::getenv("PARETOFORMER_GEMMINI")) headers.emplace_back(checkout);
  for (const std::string& folder : headers)
    EXPECT_EQ(shell("riscv64-unknown-elf-gcc --specs=picolibc.specs -march=rv64gc -mabi=lp64d "
                    "-mcmodel=medany -O2 -std=gnu11 -c -I" +
                    folder + " " + file.string() + " -o " + (box_ / "program.o").string()),
              0)
        << folder << ": " << said();
}

}  // namespace
}  // namespace paretoformer::nas
