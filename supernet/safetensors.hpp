// Weights in the safetensors format: an 8-byte header length, a JSON header with names, types,
// shapes and offsets, then raw little-endian values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "supernet/parameters.hpp"

namespace paretoformer {

struct NamedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::span<const float> values;
};

// Writes atomically; adds an XXH3 checksum of the values to the metadata. Throws Error.
void write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata);

struct Safetensors {
  std::map<std::string, std::string> metadata;
  std::vector<NamedTensor> tensors;  // their values point into `data`
  std::vector<float> data;

  // Throws InputError naming the file when there is no such tensor or its shape differs.
  std::span<const float> at(const std::string& name, const std::vector<std::int64_t>& shape) const;
  // Throws InputError naming the file when the key is absent.
  const std::string& meta(const std::string& key) const;
  std::string file;
};

// The tensors of an arena, as written to and read from files: vectors have one dimension.
std::vector<NamedTensor> named_tensors(const ParameterLayout& layout, std::span<const float> arena,
                                       const std::string& prefix = "");
std::vector<float> read_tensors(const Safetensors& file, const ParameterLayout& layout,
                                const std::string& prefix);

// Reads F32 tensors. Throws InputError naming the file when it is absent, cut short, edited (a
// checksum that does not fit) or not in this format.
Safetensors read_safetensors(const std::filesystem::path& path);

}  // namespace paretoformer
