#include "latency_predictor/file/predictor_file.hpp"

#include <algorithm>
#include <utility>

#include "support/checksum.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/words.hpp"

namespace paretoformer::latency_predictor {
namespace {

// The number is the version: it goes up with the layout of either kind, and with the features of
// learned models, whose coefficients lie in their files.
constexpr const char* kFormat = "paretoformer.predictor.2";
constexpr Checksum kChecksum{",\n  \"checksum\": \"", "\"\n}\n"};
constexpr Words<PredictorKind, 2> kKindWords{
    {{PredictorKind::kTable, "table"}, {PredictorKind::kLearned, "learned"}}};

// As Json::dump(2), but lists of nothing but numbers and words on a line each.
void write(const Json& json, const std::string& indent, std::string& text) {
  const bool splits =
      json.is_object() ||
      (json.is_array() && std::any_of(json.begin(), json.end(),
                                      [](const Json& each) { return each.is_structured(); }));
  if (!splits || json.empty()) {
    text += json.dump();
    return;
  }
  const std::string inner = indent + "  ";
  const char* before = json.is_object() ? "{\n" : "[\n";
  for (const auto& [key, value] : json.items()) {
    text += before + inner;
    if (json.is_object()) text += Json(key).dump() + ": ";
    write(value, inner, text);
    before = ",\n";
  }
  text += "\n" + indent + (json.is_object() ? "}" : "]");
}

}  // namespace

struct PredictorFile::Document {
  Document(const std::string& text, const std::string& file)
      : json(parse_json(text, file)), object(JsonNode(json, file)) {}

  Json json;
  JsonObject object;
};

namespace {

// The hash is that of the parameters as this program understands them.
accel_sim::Target read_hardware(const JsonObject& object) {
  accel_sim::Target hardware = accel_sim::target_from_json(object.at("hardware"));
  const std::string hash = hex(target_hash(hardware));
  if (object.string("hardware_hash") != hash)
    object.at("hardware_hash").fail("is not that of the hardware: expected \"" + hash + "\"");
  return hardware;
}

PredictorHead read_head(const JsonObject& object) {
  object.string("format");
  object.string("checksum");
  PredictorHead head;
  head.kind = kKindWords.read(object.at("kind"));
  head.model = object.at("model").name();
  if (!object.has("device"))
    head.hardware = read_hardware(object);
  else if (head.device = object.at("device").name(); head.device.empty())
    object.at("device").fail("is no name of a device");
  return head;
}

}  // namespace

PredictorFile::PredictorFile(std::shared_ptr<const Document> document)
    : document_(std::move(document)), head_(read_head(document_->object)) {}

PredictorFile PredictorFile::read(const std::string& path) {
  return parse(read_text_file(path), path);
}

PredictorFile PredictorFile::parse(const std::string& text, const std::string& file) {
  // What the file is comes first, so that the wrong file is called that, not a damaged one.
  if (!text.starts_with(std::string("{\n  \"format\": \"") + kFormat + "\",\n"))
    throw InputError(file + ": is no predictor of this version (" + kFormat +
                     "): build, import or fit it anew");
  kChecksum.require(text, file);
  return PredictorFile(std::make_shared<const Document>(text, file));
}

void PredictorFile::require(PredictorKind kind) const {
  if (head_.kind != kind)
    content().at("kind").fail("is another kind of predictor: expected \"" +
                              std::string(kKindWords.word_of(kind)) + "\"");
}

const JsonObject& PredictorFile::content() const { return document_->object; }

std::string predictor_text(const PredictorHead& head, const Json& content) {
  Json json{{"format", kFormat}, {"kind", kKindWords.word_of(head.kind)}, {"model", head.model}};
  if (head.hardware) {
    json["hardware_hash"] = hex(target_hash(*head.hardware));
    json["hardware"] = to_json(*head.hardware);
  } else {
    json["device"] = head.device;
  }
  json.update(content);
  std::string text;
  try {
    write(json, "", text);
  } catch (const nlohmann::json::type_error&) {
    throw InputError("a name cannot be written as JSON: it is not valid UTF-8");
  }
  text.resize(text.rfind("\n}"));  // which the checksum's line brings
  return kChecksum.added_to(text);
}

}  // namespace paretoformer::latency_predictor
