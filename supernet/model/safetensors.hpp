// Weights in the safetensors format: an 8-byte header length, a JSON header with names, types,
// shapes and offsets, then raw little-endian values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "supernet/model/parameters.hpp"

namespace paretoformer::supernet {

struct NamedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::span<const float> values;
};

// Writes atomically; adds an XXH3 checksum of names and values, the same in any order of tensors,
// to the metadata. Throws Error.
void write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata);

struct Safetensors {
  std::map<std::string, std::string> metadata;
  std::vector<NamedTensor> tensors;  // sorted by name; their values point into `data`
  std::vector<float> data;

  // Throws InputError naming the file when there is no such tensor.
  const NamedTensor& tensor(const std::string& name) const;
  // Throws InputError naming the file when there is no such tensor or its shape differs.
  std::span<const float> at(const std::string& name, const std::vector<std::int64_t>& shape) const;
  // Throws InputError naming the file when the key is absent.
  const std::string& meta(const std::string& key) const;
  std::string file;
};

// The tensors of an arena, as written to and read from files: matrices have two dimensions, [out]
// [in], and vectors one. Reading takes a matrix of one row as a vector, too, and throws InputError
// naming file and tensor when one is missing, has another shape, or a value that is not finite.
std::vector<NamedTensor> named_tensors(const ParameterLayout& layout, std::span<const float> arena,
                                       const std::string& prefix = "");
std::vector<float> read_tensors(const Safetensors& file, const ParameterLayout& layout,
                                const std::string& prefix);

// The names of all tensors in the order in which this program writes them, by a file's metadata.
using WrittenOrder = std::function<std::vector<std::string>(const Safetensors& file)>;
// Appends those of a layout.
void append_names(const ParameterLayout& layout, const std::string& prefix,
                  std::vector<std::string>& names);

// Reads F32 tensors: whatever their order in header and data, empty ones and scalars included.
// Throws InputError naming the file when it is absent, cut short, edited (a checksum that does not
// fit), or not in this format: with a header of at most 100 MB and every byte of the data in
// exactly one tensor, which it names. The checksum of earlier versions is of the values in the
// order that they wrote, which is the file's own or, of a file that was saved again in another one,
// what `order` says; it is asked only then.
Safetensors read_safetensors(const std::filesystem::path& path, const WrittenOrder& order = {});

}  // namespace paretoformer::supernet
