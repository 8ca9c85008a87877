#include "supernet/safetensors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <numeric>

#include "supernet/network_file.hpp"
#include "supernet/training_run.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer {
namespace {

namespace fs = std::filesystem;

class SafetensorsFile : public testing::Test {
 protected:
  std::string error_of_reading() {
    try {
      read_safetensors(path_);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  }

  TemporaryFolder temporary_;
  fs::path path_ = temporary_ / "weights.safetensors";
};

TEST_F(SafetensorsFile, RoundTrip) {
  std::vector<float> a(6);
  std::iota(a.begin(), a.end(), 0.5F);
  const std::vector<float> b{-1.0F};
  write_safetensors(path_, {{"a", {2, 3}, a}, {"b", {1}, b}}, {{"step", "7"}});
  const Safetensors file = read_safetensors(path_);
  EXPECT_EQ(file.meta("step"), "7");
  ASSERT_EQ(file.tensors.size(), 2u);
  EXPECT_THAT(file.at("a", {2, 3}), testing::ElementsAreArray(a));
  EXPECT_THAT(file.at("b", {1}), testing::ElementsAre(-1.0F));
  EXPECT_THROW(file.at("c", {1}), InputError);
  EXPECT_THROW(file.at("a", {3, 2}), InputError);
  EXPECT_THROW(file.meta("fingerprint"), InputError);
}

// The layout that other readers expect: length, header padded to 8 bytes, values in order.
TEST_F(SafetensorsFile, HasTheFormatsLayout) {
  const std::vector<float> a{1.0F, 2.0F};
  write_safetensors(path_, {{"a", {2}, a}}, {});
  const std::string bytes = read_file(path_);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0u);
  const Json header = parse_json(bytes.substr(8, length), "header");
  EXPECT_EQ(header["a"]["dtype"], "F32");
  EXPECT_EQ(header["a"]["shape"], Json({2}));
  EXPECT_EQ(header["a"]["data_offsets"], Json({0, 8}));
  ASSERT_EQ(bytes.size(), 8 + length + 8);
  EXPECT_EQ(std::memcmp(bytes.data() + 8 + length, a.data(), 8), 0);
}

TEST_F(SafetensorsFile, CutAnywhereIsAnErrorThatNamesTheFile) {
  const std::vector<float> a(50, 1.5F);
  write_safetensors(path_, {{"a", {50}, a}}, {{"step", "7"}});
  const std::string whole = read_file(path_);
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    write_file_atomic(path_, whole.substr(0, size));
    EXPECT_THAT(error_of_reading(), testing::StartsWith(path_.string())) << size << " bytes";
  }
}

TEST_F(SafetensorsFile, AFlippedBitInTheValuesIsNoticed) {
  const std::vector<float> a(50, 1.5F);
  write_safetensors(path_, {{"a", {50}, a}}, {});
  std::string bytes = read_file(path_);
  bytes[bytes.size() - 9] = static_cast<char>(bytes[bytes.size() - 9] ^ 4);
  write_file_atomic(path_, bytes);
  EXPECT_THAT(error_of_reading(), testing::HasSubstr("checksum"));
}

TEST_F(SafetensorsFile, CheckpointKeepsTheWholeTrainingState) {
  const Architecture largest{8, 4, 11, {{2, 12}, {1, 16}}};
  const ParameterLayout layout(largest, 6);
  TrainingState<float> state;
  state.step = 41;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    state.parameters.push_back(static_cast<float>(i));
    state.m.push_back(static_cast<float>(i) * 0.5F);
    state.v.push_back(static_cast<float>(i) * 0.25F);
  }
  save_checkpoint(path_, layout, state, "abc");
  const TrainingState<float> loaded = load_checkpoint(path_, layout, "abc");
  EXPECT_EQ(loaded.step, 41);
  EXPECT_EQ(loaded.parameters, state.parameters);
  EXPECT_EQ(loaded.m, state.m);
  EXPECT_EQ(loaded.v, state.v);
  EXPECT_THROW(load_checkpoint(path_, layout, "other"), InputError);
  const ParameterLayout wider({12, 4, 11, {{2, 12}, {1, 16}}}, 6);
  EXPECT_THROW(load_checkpoint(path_, wider, "abc"), InputError);
}

TEST_F(SafetensorsFile, ExportedNetworkIsReadBack) {
  const ParameterLayout layout({8, 4, 11, {{2, 12}, {1, 16}}}, 6);
  const std::vector<float> parameters = initial_parameters<float>(layout, 3);
  const Architecture slice{5, 4, 11, {{1, 9}}};
  save_network(path_, layout, parameters, slice, {{"id", "x"}});
  const StandaloneNetwork network = load_network(path_);
  EXPECT_EQ(network.layout.largest(), slice);
  EXPECT_EQ(network.layout.context(), 6);
  EXPECT_EQ(network.metadata.at("id"), "x");
  EXPECT_EQ(network.parameters, extract(layout, parameters, ParameterLayout(slice, 6)));
  EXPECT_THROW(load_checkpoint(path_, layout, "abc"), InputError);
}

}  // namespace
}  // namespace paretoformer
