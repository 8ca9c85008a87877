#include "supernet/model/safetensors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <limits>
#include <numeric>

#include "supernet/model/network_file.hpp"
#include "supernet/training/training_run.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::supernet {
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

  std::string error_of_loading() {
    try {
      load_network(path_);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  }
  // A file with this header, `padding` after it, and these values.
  void write_raw(const std::string& header, const std::vector<float>& values = {},
                 const std::string& padding = "") {
    const std::string text = header + padding;
    const std::uint64_t length = text.size();
    std::string bytes(reinterpret_cast<const char*>(&length), 8);
    bytes += text;
    for (const float value : values) bytes.append(reinterpret_cast<const char*>(&value), 4);
    write_file_atomic(path_, bytes);
  }
  std::string error_of(const std::string& header, const std::vector<float>& values = {}) {
    write_raw(header, values);
    return error_of_reading();
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

TEST_F(SafetensorsFile, ReadsWhatTheFormatAllows) {
  // Any order in header and data, an empty tensor, a scalar, no metadata, keys it does not know.
  for (const char* padding : {"", " ", "       "}) {
    write_raw(R"({"c":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},)"
              R"("empty":{"dtype":"F32","shape":[3,0,5],"data_offsets":[4,4],"more":1},)"
              R"("b":{"dtype":"F32","shape":[],"data_offsets":[12,16]},)"
              R"("a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}})",
              {1, 2, 3, 4}, padding);
    const Safetensors file = read_safetensors(path_);
    EXPECT_THAT(file.at("a", {1, 1}), testing::ElementsAre(1));
    EXPECT_THAT(file.at("c", {2}), testing::ElementsAre(2, 3));
    EXPECT_THAT(file.at("b", {}), testing::ElementsAre(4));
    EXPECT_TRUE(file.at("empty", {3, 0, 5}).empty());
    EXPECT_TRUE(file.metadata.empty());
  }
  write_raw("{}");
  EXPECT_TRUE(read_safetensors(path_).tensors.empty());
  write_raw(
      R"({"__metadata__":{"step":"7"},"e":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})");
  EXPECT_EQ(read_safetensors(path_).meta("step"), "7");
}

TEST_F(SafetensorsFile, NamesTheTensorThatIsMisplaced) {
  const auto two = [&](const std::string& a, const std::string& b) {
    return error_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)" + a +
                        R"(},"b":{"dtype":"F32","shape":[1],"data_offsets":)" + b + "}}",
                    {1, 2, 3});
  };
  const std::string whole = path_.string() + ": not a whole safetensors file: ";
  EXPECT_EQ(two("[0,8]", "[8,12]"), "no error");
  EXPECT_EQ(two("[4,12]", "[0,4]"), "no error");
  EXPECT_EQ(two("[0,8]", "[4,8]"), whole + "tensor b lies at bytes 4 to 8, expected to begin at 8");
  EXPECT_EQ(two("[0,8]", "[12,16]"), whole + "tensor b ends at byte 16 of 12");
  EXPECT_EQ(two("[4,12]", "[4,8]"),
            whole + "tensor b lies at bytes 4 to 8, expected to begin at 0");
  EXPECT_EQ(two("[8,0]", "[8,12]"),
            whole + "tensor a lies at bytes 8 to 0, expected to begin at 0");
  EXPECT_EQ(two("[0,4]", "[4,8]"), whole + "tensor a does not have the size of its shape, [2]");
  EXPECT_EQ(two("[0,7]", "[7,12]"), whole + "tensor a does not have the size of its shape, [2]");
  EXPECT_THAT(two("[0,-1]", "[8,12]"), testing::HasSubstr("/a/data_offsets/1: -1 is out of range"));
  EXPECT_THAT(two("[0,8,9]", "[8,12]"),
              testing::HasSubstr("/a/data_offsets: [0,8,9] expected two"));
  EXPECT_EQ(error_of("{}", {1}), whole + "its tensors end at byte 0 of 4");
}

TEST_F(SafetensorsFile, NamesTheTensorOfAnotherTypeOrTooLarge) {
  const auto one = [&](const std::string& dtype, const std::string& shape) {
    return error_of("{\"a\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
                    ",\"data_offsets\":[0,0]}}");
  };
  EXPECT_EQ(one("F32", "[0]"), "no error");
  for (const char* dtype : {"F64", "BF16", "I64", "f32", ""})
    EXPECT_EQ(one(dtype, "[0]"),
              path_.string() + ": /a/dtype: \"" + dtype + "\" is not supported: expected F32");
  for (const char* shape :
       {"[65536,65536,65536,65536]", "[2147483647,2147483647,2147483647,2147483647,0]",
        "[4611686018427387904]", "[9223372036854775807]"})
    EXPECT_EQ(one("F32", shape), path_.string() +
                                     ": not a whole safetensors file: tensor a is too large: its "
                                     "sizes multiply to more than 2^63 - 1");
  EXPECT_THAT(one("F32", "[18446744073709551615]"), testing::HasSubstr("/a/shape/0: "));
  EXPECT_THAT(one("F32", "[-1]"), testing::HasSubstr("/a/shape/0: -1 is out of range"));
  EXPECT_THAT(one("F32", "[1.5]"), testing::HasSubstr("/a/shape/0: 1.5 has the wrong type"));
}

TEST_F(SafetensorsFile, TheHeaderIsBounded) {
  std::string bytes(8, '\0');
  for (const std::uint64_t length :
       {std::uint64_t{100'000'001}, std::uint64_t{1} << 40, UINT64_MAX}) {
    std::memcpy(bytes.data(), &length, 8);
    write_file_atomic(path_, bytes);
    EXPECT_EQ(error_of_reading(),
              path_.string() + ": not a whole safetensors file: its header has " +
                  std::to_string(length) + " bytes: expected at most 100000000");
  }
}

// As a library that loads and saves again may: sorted by name, everything else kept.
TEST_F(SafetensorsFile, AnotherOrderOfTensorsKeepsTheChecksum) {
  const std::vector<float> b{1, 2}, a{3};
  write_safetensors(path_, {{"b", {2}, b}, {"a", {1}, a}}, {{"step", "7"}});
  const Safetensors file = read_safetensors(path_);
  const auto saved_again = [&](const std::vector<float>& values) {
    return error_of(R"({"__metadata__":)" + Json(file.metadata).dump() +
                        R"(,"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                        R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                    values);
  };
  EXPECT_EQ(saved_again({3, 1, 2}), "no error");
  EXPECT_THAT(read_safetensors(path_).at("b", {2}), testing::ElementsAreArray(b));
  EXPECT_THAT(saved_again({1, 2, 3}), testing::HasSubstr("checksum"));
  EXPECT_THAT(saved_again({3, 1, 2.5}), testing::HasSubstr("checksum"));
}

TEST_F(SafetensorsFile, TheChecksumOfEarlierVersionsIsOfTheValuesInTheirOrder) {
  const std::vector<float> values{1, 2, 3};
  const auto old = [&](std::uint64_t checksum) {
    return error_of(R"({"__metadata__":{"xxh3":")" + hex(checksum) +
                        R"("},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                        R"("a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
                    values);
  };
  EXPECT_EQ(old(hash_bytes(values.data() + 2, 4, hash_bytes(values.data(), 8))), "no error");
  EXPECT_THAT(old(1), testing::HasSubstr("checksum"));
}

// Of the earlier versions' files, with their checksum, what a library makes that sorts by name.
TEST_F(SafetensorsFile, AnotherOrderOfAnEarlierVersionsTensorsIsTheSameToWhoKnowsTheFirst) {
  const ParameterLayout layout({8, 4, 11, {{2, 12}}}, 6);
  TrainingState<float> state;
  state.parameters = initial_parameters<float>(layout, 1);
  state.m = initial_parameters<float>(layout, 2);
  state.v = initial_parameters<float>(layout, 3);
  const auto sorted_again = [&](const std::vector<std::string>& prefixes) {
    const Safetensors file = read_safetensors(path_);
    Json header{{"__metadata__", file.metadata}};
    header["__metadata__"].erase("xxh3_by_name");
    std::vector<float> data;
    for (const NamedTensor& tensor : file.tensors) {
      const std::size_t begin = 4 * data.size();
      data.insert(data.end(), tensor.values.begin(), tensor.values.end());
      header[tensor.name] = {
          {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {begin, 4 * data.size()}}};
    }
    std::uint64_t checksum = 0;
    for (const std::string& prefix : prefixes)
      for (const Tensor& tensor : layout.tensors()) {
        const auto values = file.tensor(prefix + tensor.name).values;
        checksum = hash_bytes(values.data(), values.size_bytes(), checksum);
      }
    header["__metadata__"]["xxh3"] = hex(checksum);
    EXPECT_THAT(error_of(header.dump(), data), testing::HasSubstr("order of tensors"));
    return std::pair(header.dump(), data);
  };
  save_network(path_, layout, state.parameters, layout.largest(), {});
  auto [header, data] = sorted_again({""});
  EXPECT_EQ(error_of_loading(), "no error");
  EXPECT_EQ(load_network(path_).parameters, state.parameters);
  data[5] += 1;
  write_raw(header, data);
  EXPECT_THAT(error_of_loading(), testing::HasSubstr("checksum"));

  save_checkpoint(path_, layout, state, "this");
  sorted_again({"", "adam.m.", "adam.v."});
  EXPECT_EQ(load_checkpoint(path_, layout, "this").v, state.v);
}

TEST_F(SafetensorsFile, WeightsAreFinite) {
  const ParameterLayout layout({8, 4, 11, {{2, 12}}}, 6);
  std::vector<float> weights = initial_parameters<float>(layout, 3);
  const Tensor& tensor = layout.tensors()[4];
  weights[tensor.offset + 5] = std::numeric_limits<float>::quiet_NaN();
  save_network(path_, layout, weights, layout.largest(), {});
  EXPECT_EQ(error_of_loading(),
            path_.string() + ": tensor " + tensor.name + " holds a NaN: expected finite weights");
  weights[tensor.offset + 5] = -std::numeric_limits<float>::infinity();
  save_network(path_, layout, weights, layout.largest(), {});
  EXPECT_EQ(error_of_loading(), path_.string() + ": tensor " + tensor.name +
                                    " holds an infinity: expected finite weights");
}

// [out][in], however many rows: what reads the weights elsewhere multiplies by them.
TEST_F(SafetensorsFile, AMatrixOfOneRowHasTwoDimensions) {
  const ParameterLayout layout({1, 7, 11, {{1, 1}}}, 1);
  const std::vector<float> weights = initial_parameters<float>(layout, 3);
  save_network(path_, layout, weights, layout.largest(), {});
  const Safetensors file = read_safetensors(path_);
  for (const NamedTensor& tensor : file.tensors) {
    const bool vector = tensor.name.ends_with("bias") || tensor.name.ends_with("norm.weight");
    EXPECT_EQ(tensor.shape.size(), vector ? 1u : 2u) << tensor.name;
  }
  EXPECT_EQ(file.at("layers.0.ffn.up.weight", {1, 1}).size(), 1u);
  EXPECT_EQ(file.at("layers.0.attention.output.weight", {1, 7}).size(), 7u);
  EXPECT_EQ(load_network(path_).parameters, weights);

  // Earlier versions wrote such a matrix as a vector.
  std::vector<NamedTensor> tensors = named_tensors(layout, weights);
  for (NamedTensor& tensor : tensors)
    if (tensor.shape.size() == 2 && tensor.shape[0] == 1) tensor.shape.erase(tensor.shape.begin());
  std::map<std::string, std::string> metadata = file.metadata;
  metadata.erase("xxh3_by_name");
  write_safetensors(path_, tensors, metadata);
  EXPECT_EQ(load_network(path_).parameters, weights);
}

TEST_F(SafetensorsFile, SizesThatAreNotThereTakeNoMemory) {
  const auto error = [&](const std::string& architecture) {
    write_raw(Json{
        {"__metadata__",
         {{"format", "paretoformer.network.1"}, {"architecture", architecture}, {"context", "32"}}}}
                  .dump());
    return error_of_loading();
  };
  EXPECT_EQ(error(R"({"model_width":65536,"vocabulary":330,)"
                  R"("layers":[{"heads":8,"ffn_width":65536}]})"),
            path_.string() + ": tensor token_embedding.weight is missing");
  EXPECT_THAT(error(R"({"model_width":1048576,"vocabulary":1048576,)"
                    R"("layers":[{"heads":8,"ffn_width":1048576}]})"),
              testing::HasSubstr("too large: it has "));
  EXPECT_THAT(error(R"({"model_width":16,"layers":[{"heads":1,"ffn_width":1}]})"),
              testing::HasSubstr("/architecture: key \"vocabulary\" is missing"));
  // 65536 heads of width 65536 are 0 columns in 32 bits.
  EXPECT_THAT(error(R"({"model_width":16,"head_width":65536,"vocabulary":330,)"
                    R"("layers":[{"heads":65536,"ffn_width":32}]})"),
              testing::HasSubstr("/architecture/layers/0/heads: 65536 is out of range: expected an "
                                 "integer from 1 to 16"));
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
}  // namespace paretoformer::supernet
