#include "nas/export/gguf_file.hpp"

#include <bit>
#include <type_traits>

#include "support/bytes.hpp"

namespace paretoformer::nas {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is in little-endian order");

constexpr std::uint32_t kVersion = 3;
constexpr std::size_t kAlignment = 32;  // of tensors, where no key says otherwise
constexpr std::uint32_t kFp32 = 0;      // ggml_type
enum ValueType : std::uint32_t {        // gguf_metadata_value_type
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9
};

template <class T>
requires std::is_arithmetic_v<T>
void append(std::string& to, T value) { append_bytes(to, &value, 1); }
void append(std::string& to, std::string_view text) { append_text(to, text); }

template <class T>
constexpr std::uint32_t type_of() {
  if constexpr (std::is_same_v<T, std::uint32_t>) return kUint32;
  if constexpr (std::is_same_v<T, std::int32_t>) return kInt32;
  if constexpr (std::is_same_v<T, float>) return kFloat32;
  if constexpr (std::is_same_v<T, bool>) return kBool;
  return kString;
}

template <class T>
void append_value(std::string& to, const T& value) {
  append(to, type_of<T>());
  append(to, value);
}
template <class T>
void append_value(std::string& to, const std::vector<T>& values) {
  append(to, std::uint32_t{kArray});
  append(to, type_of<T>());
  append(to, std::uint64_t{values.size()});
  for (const T& value : values) append(to, value);
}

void pad(std::string& to) { to.append((kAlignment - to.size() % kAlignment) % kAlignment, '\0'); }

}  // namespace

void GgufFile::add(std::string_view key, const Value& value) {
  append(keys_, key);
  std::visit([&](const auto& held) { append_value(keys_, held); }, value);
  ++key_count_;
}

void GgufFile::add(std::string_view name, std::int64_t rows, std::int64_t columns,
                   std::span<const float> values) {
  append(tensors_, name);
  append(tensors_, std::uint32_t{rows > 1 ? 2U : 1U});
  append(tensors_, static_cast<std::uint64_t>(columns));  // the contiguous dimension is first
  if (rows > 1) append(tensors_, static_cast<std::uint64_t>(rows));
  append(tensors_, kFp32);
  pad(data_);
  append(tensors_, std::uint64_t{data_.size()});
  append_bytes(data_, values.data(), values.size());
  ++tensor_count_;
}

std::string GgufFile::bytes() const {
  std::string all = "GGUF";
  append(all, kVersion);
  append(all, tensor_count_);
  append(all, key_count_);
  all += keys_;
  all += tensors_;
  pad(all);
  all += data_;
  pad(all);
  return all;
}

}  // namespace paretoformer::nas
