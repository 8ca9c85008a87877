#include "supernet/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"

namespace paretoformer {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");

constexpr std::size_t kLengthBytes = 8;
constexpr const char* kChecksum = "xxh3";

std::int64_t elements(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (std::int64_t side : shape) count *= side;
  return count;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (std::int64_t side : shape) text += (text.empty() ? "" : "x") + std::to_string(side);
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  Json header;
  std::vector<std::string_view> pieces(2);
  std::size_t offset = 0;
  std::uint64_t checksum = 0;
  header["__metadata__"] = metadata;
  for (const NamedTensor& tensor : tensors) {
    const std::size_t bytes = tensor.values.size_bytes();
    header[tensor.name] =
        Json{{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
    pieces.emplace_back(reinterpret_cast<const char*>(tensor.values.data()), bytes);
    checksum = hash_bytes(tensor.values.data(), bytes, checksum);
  }
  header["__metadata__"][kChecksum] = hex(checksum);
  std::string text = header.dump();
  text.resize((text.size() + kLengthBytes - 1) / kLengthBytes * kLengthBytes, ' ');
  const std::uint64_t length = text.size();
  pieces[0] = {reinterpret_cast<const char*>(&length), kLengthBytes};
  pieces[1] = text;
  write_file_atomic(path, pieces);
}

Safetensors read_safetensors(const std::filesystem::path& path) {
  const std::string content = read_file(path);
  const std::string file = path.string();
  const auto damaged = [&](const std::string& why) {
    return InputError(file + ": not a whole safetensors file: " + why);
  };
  std::uint64_t length = 0;
  if (content.size() < kLengthBytes)
    throw damaged("it has only " + std::to_string(content.size()) + " bytes");
  std::memcpy(&length, content.data(), kLengthBytes);
  if (length > content.size() - kLengthBytes) throw damaged("its header is cut short");
  const Json header = parse_json(std::string_view(content).substr(kLengthBytes, length), file);
  const std::size_t begin = kLengthBytes + length;
  const std::size_t bytes = content.size() - begin;

  Safetensors result;
  result.file = file;
  result.data.resize(bytes / sizeof(float));
  std::memcpy(result.data.data(), content.data() + begin, result.data.size() * sizeof(float));
  std::uint64_t checksum = 0;
  const JsonObject root(JsonNode(header, file));
  for (const auto& item : header.items()) {
    const std::string& name = item.key();
    if (name == "__metadata__") {
      const JsonNode entries = root.at(name);
      for (const auto& item : JsonObject(entries).node().json().items())
        result.metadata[item.key()] = JsonObject(entries).string(item.key());
      continue;
    }
    const JsonObject object(root.at(name));
    if (object.string("dtype") != "F32") object.at("dtype").fail("is not supported: expected F32");
    NamedTensor tensor{name, {}, {}};
    for (const JsonNode& side : object.at("shape").elements())
      tensor.shape.push_back(side.integer(0, INT32_MAX));
    const std::vector<JsonNode> offsets = object.at("data_offsets").elements();
    if (offsets.size() != 2) object.at("data_offsets").fail("expected two offsets");
    const auto first = static_cast<std::size_t>(offsets[0].integer(0, INT64_MAX));
    const auto last = static_cast<std::size_t>(offsets[1].integer(0, INT64_MAX));
    if (last > bytes || first > last)
      throw damaged("tensor " + name + " ends at byte " + std::to_string(last) + " of " +
                    std::to_string(bytes));
    if (first % sizeof(float) != 0 ||
        static_cast<std::int64_t>(last - first) !=
            elements(tensor.shape) * static_cast<std::int64_t>(sizeof(float)))
      throw damaged("tensor " + name + " does not have the size of its shape");
    tensor.values =
        std::span(result.data).subspan(first / sizeof(float), (last - first) / sizeof(float));
    checksum = hash_bytes(tensor.values.data(), tensor.values.size_bytes(), checksum);
    result.tensors.push_back(std::move(tensor));
  }
  const auto expected = result.metadata.find(kChecksum);
  if (expected != result.metadata.end() && expected->second != hex(checksum))
    throw damaged("its checksum is " + hex(checksum) + ", expected " + expected->second);
  return result;
}

namespace {

std::vector<std::int64_t> shape_of(const Tensor& tensor) {
  if (tensor.rows == 1) return {tensor.columns};
  return {tensor.rows, tensor.columns};
}

}  // namespace

std::vector<NamedTensor> named_tensors(const ParameterLayout& layout, std::span<const float> arena,
                                       const std::string& prefix) {
  std::vector<NamedTensor> tensors;
  for (const Tensor& tensor : layout.tensors())
    tensors.push_back(
        {prefix + tensor.name, shape_of(tensor), arena.subspan(tensor.offset, tensor.size())});
  return tensors;
}

std::vector<float> read_tensors(const Safetensors& file, const ParameterLayout& layout,
                                const std::string& prefix) {
  std::vector<float> arena(layout.size());
  for (const Tensor& tensor : layout.tensors()) {
    const std::span<const float> source = file.at(prefix + tensor.name, shape_of(tensor));
    std::copy(source.begin(), source.end(),
              arena.begin() + static_cast<std::ptrdiff_t>(tensor.offset));
  }
  return arena;
}

std::span<const float> Safetensors::at(const std::string& name,
                                       const std::vector<std::int64_t>& shape) const {
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name != name) continue;
    if (tensor.shape != shape)
      throw InputError(file + ": tensor " + name + " has shape " + shape_text(tensor.shape) +
                       ", expected " + shape_text(shape));
    return tensor.values;
  }
  throw InputError(file + ": tensor " + name + " is missing");
}

const std::string& Safetensors::meta(const std::string& key) const {
  const auto entry = metadata.find(key);
  if (entry == metadata.end()) throw InputError(file + ": metadata \"" + key + "\" is missing");
  return entry->second;
}

}  // namespace paretoformer
