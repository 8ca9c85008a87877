// Writes a GGUF file: keys with values, and tensors (ggml/docs/gguf.md, version 3).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace paretoformer::nas {

class GgufFile {
 public:
  using Value = std::variant<std::uint32_t, float, bool, std::string, std::vector<std::int32_t>,
                             std::vector<float>, std::vector<std::string>>;
  void add(std::string_view key, const Value& value);
  // In fp32, row by row; one row: a vector.
  void add(std::string_view name, std::int64_t rows, std::int64_t columns,
           std::span<const float> values);

  std::string bytes() const;

 private:
  std::uint64_t key_count_ = 0, tensor_count_ = 0;
  std::string keys_, tensors_, data_;
};

}  // namespace paretoformer::nas
