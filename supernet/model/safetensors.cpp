#include "supernet/model/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <tuple>

#include "support/checked.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"

namespace paretoformer::supernet {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kLongestHeader = 100'000'000;  // as the reference implementation has it
constexpr const char* kChecksum = "xxh3_by_name";
constexpr const char* kOldChecksum = "xxh3";  // of the values in the order in which it was written

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (std::int64_t side : shape) text += (text.empty() ? "" : ",") + std::to_string(side);
  return "[" + text + "]";
}

bool by_name(const NamedTensor& a, const NamedTensor& b) { return a.name < b.name; }

// Of tensors sorted by name: whoever saves them in another order leaves it as it is.
std::uint64_t checksum_of(const std::vector<NamedTensor>& tensors) {
  std::uint64_t checksum = 0;
  for (const NamedTensor& tensor : tensors)
    checksum = hash_bytes(tensor.values.data(), tensor.values.size_bytes(),
                          hash_text(tensor.name, checksum));
  return checksum;
}

std::uint64_t old_checksum_of(const Safetensors& file, const std::vector<std::string>& names) {
  std::uint64_t checksum = 0;
  for (const std::string& name : names) {
    const std::span<const float> values = file.tensor(name).values;
    checksum = hash_bytes(values.data(), values.size_bytes(), checksum);
  }
  return checksum;
}

// `names` are in the order of the file, `damaged` begins the error.
void require_checksums(const Safetensors& file, const std::vector<std::string>& names,
                       const WrittenOrder& order, const std::string& damaged) {
  const auto differs = [&file](const char* key, std::uint64_t checksum) {
    const auto expected = file.metadata.find(key);
    return expected != file.metadata.end() && expected->second != hex(checksum);
  };
  const std::uint64_t checksum = checksum_of(file.tensors);
  if (differs(kChecksum, checksum))
    throw InputError(damaged + "its checksum is " + hex(checksum) + ", expected " +
                     file.meta(kChecksum));
  const std::uint64_t old = old_checksum_of(file, names);
  if (!differs(kOldChecksum, old)) return;
  if (order && !differs(kOldChecksum, old_checksum_of(file, order(file)))) return;
  throw InputError(damaged + "its checksum is " + hex(old) + ", expected " +
                   file.meta(kOldChecksum) +
                   ": values or the order of tensors are not as they were written");
}

// A tensor as the header has it.
struct Entry {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t begin = 0, end = 0;  // bytes of the data
};

Entry read_entry(const std::string& name, const JsonNode& node) {
  const JsonObject object(node);
  if (object.string("dtype") != "F32") object.at("dtype").fail("is not supported: expected F32");
  Entry entry{name, {}};
  for (const JsonNode& side : object.at("shape").elements())
    entry.shape.push_back(side.integer(0, INT64_MAX));
  const std::vector<JsonNode> offsets = object.at("data_offsets").elements();
  if (offsets.size() != 2) object.at("data_offsets").fail("expected two offsets");
  entry.begin = offsets[0].integer(0, INT64_MAX);
  entry.end = offsets[1].integer(0, INT64_MAX);
  return entry;
}

// Entries are sorted by place; the format wants every byte of the data to belong to one tensor.
// `damaged` begins the errors.
void require_places(const std::vector<Entry>& entries, std::int64_t bytes,
                    const std::string& damaged) {
  std::int64_t place = 0;
  for (const Entry& entry : entries) {
    const std::string tensor = damaged + "tensor " + entry.name;
    if (entry.end > bytes)
      throw InputError(tensor + " ends at byte " + std::to_string(entry.end) + " of " +
                       std::to_string(bytes));
    if (entry.begin != place || entry.end < entry.begin)
      throw InputError(tensor + " lies at bytes " + std::to_string(entry.begin) + " to " +
                       std::to_string(entry.end) + ", expected to begin at " +
                       std::to_string(place));
    std::vector<std::int64_t> sizes = entry.shape;
    sizes.push_back(sizeof(float));
    if (entry.end - entry.begin != checked_product(sizes, tensor))
      throw InputError(tensor + " does not have the size of its shape, " + shape_text(entry.shape));
    place = entry.end;
  }
  if (place != bytes)
    throw InputError(damaged + "its tensors end at byte " + std::to_string(place) + " of " +
                     std::to_string(bytes));
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  Json header;
  std::vector<std::string_view> pieces(2);
  std::size_t offset = 0;
  header["__metadata__"] = metadata;
  for (const NamedTensor& tensor : tensors) {
    const std::size_t bytes = tensor.values.size_bytes();
    header[tensor.name] =
        Json{{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
    pieces.emplace_back(reinterpret_cast<const char*>(tensor.values.data()), bytes);
  }
  std::vector<NamedTensor> sorted = tensors;
  std::sort(sorted.begin(), sorted.end(), by_name);
  header["__metadata__"][kChecksum] = hex(checksum_of(sorted));
  std::string text = header.dump();
  text.resize((text.size() + kLengthBytes - 1) / kLengthBytes * kLengthBytes, ' ');
  const std::uint64_t length = text.size();
  pieces[0] = {reinterpret_cast<const char*>(&length), kLengthBytes};
  pieces[1] = text;
  write_file_atomic(path, pieces);
}

void append_names(const ParameterLayout& layout, const std::string& prefix,
                  std::vector<std::string>& names) {
  for (const Tensor& tensor : layout.tensors()) names.push_back(prefix + tensor.name);
}

Safetensors read_safetensors(const std::filesystem::path& path, const WrittenOrder& order) {
  Safetensors result;
  result.file = path.string();
  const std::string prefix = result.file + ": not a whole safetensors file: ";
  const auto damaged = [&](const std::string& why) { return InputError(prefix + why); };
  std::string content = read_file(path);
  std::uint64_t length = 0;
  if (content.size() < kLengthBytes)
    throw damaged("it has only " + std::to_string(content.size()) + " bytes");
  std::memcpy(&length, content.data(), kLengthBytes);
  if (length > kLongestHeader)
    throw damaged("its header has " + std::to_string(length) + " bytes: expected at most " +
                  std::to_string(kLongestHeader));
  if (length > content.size() - kLengthBytes) throw damaged("its header is cut short");
  const std::string_view text = std::string_view(content).substr(kLengthBytes, length);
  const Json header = parse_json(text, result.file);
  const std::size_t begin = kLengthBytes + length;
  const std::size_t bytes = content.size() - begin;
  result.data.resize(bytes / sizeof(float));
  if (!result.data.empty())
    std::memcpy(result.data.data(), content.data() + begin, result.data.size() * sizeof(float));
  content = {};

  std::vector<Entry> entries;
  for (const auto& item : JsonObject(JsonNode(header, result.file)).node().json().items()) {
    const JsonNode node(item.value(), result.file, "/" + item.key());
    if (item.key() != "__metadata__") {
      entries.push_back(read_entry(item.key(), node));
      continue;
    }
    for (const auto& entry : JsonObject(node).node().json().items())
      result.metadata[entry.key()] =
          JsonNode(entry.value(), result.file, node.path() + "/" + entry.key()).string();
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  require_places(entries, static_cast<std::int64_t>(bytes), prefix);

  std::vector<std::string> names;
  for (Entry& entry : entries) {
    const auto values =
        std::span<const float>(result.data)
            .subspan(static_cast<std::size_t>(entry.begin) / sizeof(float),
                     static_cast<std::size_t>(entry.end - entry.begin) / sizeof(float));
    names.push_back(entry.name);
    result.tensors.push_back({std::move(entry.name), std::move(entry.shape), values});
  }
  std::sort(result.tensors.begin(), result.tensors.end(), by_name);
  require_checksums(result, names, order, prefix);
  return result;
}

namespace {

// Matrices have two dimensions, also those of one row; LayerNorms of one width are vectors.
std::vector<std::int64_t> shape_of(const ParameterLayout& layout, const Tensor& tensor) {
  if (tensor.rows == 1 && tensor.offset >= layout.matrix_size()) return {tensor.columns};
  return {tensor.rows, tensor.columns};
}

std::span<const float> values_of(const Safetensors& file, const std::string& name,
                                 const ParameterLayout& layout, const Tensor& tensor) {
  // Files of earlier versions have matrices of one row as vectors.
  const std::vector<std::int64_t> vector{tensor.columns};
  const bool as_vector = tensor.rows == 1 && file.tensor(name).shape == vector;
  const std::span<const float> values =
      file.at(name, as_vector ? vector : shape_of(layout, tensor));
  for (const float value : values)
    if (!std::isfinite(value))
      throw InputError(file.file + ": tensor " + name + " holds " +
                       (std::isnan(value) ? "a NaN" : "an infinity") + ": expected finite weights");
  return values;
}

}  // namespace

std::vector<NamedTensor> named_tensors(const ParameterLayout& layout, std::span<const float> arena,
                                       const std::string& prefix) {
  std::vector<NamedTensor> tensors;
  for (const Tensor& tensor : layout.tensors())
    tensors.push_back({prefix + tensor.name, shape_of(layout, tensor),
                       arena.subspan(tensor.offset, tensor.size())});
  return tensors;
}

std::vector<float> read_tensors(const Safetensors& file, const ParameterLayout& layout,
                                const std::string& prefix) {
  // The layout may be that of a file that claims sizes it does not have: all tensors are found
  // before memory is taken for them.
  std::vector<std::span<const float>> sources;
  for (const Tensor& tensor : layout.tensors())
    sources.push_back(values_of(file, prefix + tensor.name, layout, tensor));
  std::vector<float> arena(layout.size());
  for (std::size_t i = 0; i < sources.size(); ++i)
    std::copy(sources[i].begin(), sources[i].end(),
              arena.begin() + static_cast<std::ptrdiff_t>(layout.tensors()[i].offset));
  return arena;
}

const NamedTensor& Safetensors::tensor(const std::string& name) const {
  const auto found =
      std::lower_bound(tensors.begin(), tensors.end(), NamedTensor{name, {}, {}}, by_name);
  if (found == tensors.end() || found->name != name)
    throw InputError(file + ": tensor " + name + " is missing");
  return *found;
}

std::span<const float> Safetensors::at(const std::string& name,
                                       const std::vector<std::int64_t>& shape) const {
  const NamedTensor& found = tensor(name);
  if (found.shape != shape)
    throw InputError(file + ": tensor " + name + " has shape " + shape_text(found.shape) +
                     ", expected " + shape_text(shape));
  return found.values;
}

const std::string& Safetensors::meta(const std::string& key) const {
  const auto entry = metadata.find(key);
  if (entry == metadata.end()) throw InputError(file + ": metadata \"" + key + "\" is missing");
  return entry->second;
}

}  // namespace paretoformer::supernet
