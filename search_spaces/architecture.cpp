#include "search_spaces/architecture.hpp"

#include <algorithm>

#include "search_spaces/gene.hpp"
#include "support/error.hpp"
#include "support/fields.hpp"
#include "support/json.hpp"
#include "support/random.hpp"

namespace paretoformer {

std::uint64_t architecture_id(const Architecture& architecture) {
  // A chain of mix64 over the integers, not over bytes: the same on every machine.
  std::uint64_t id = 0x70617265746f;
  const auto add = [&id](int value) {
    id = mix64(id + 0x9e3779b97f4a7c15ULL + static_cast<std::uint64_t>(value));
  };
  for (const Gene<Architecture>& gene : kNetworkGenes) add(gene.get(architecture));
  add(architecture.head_width);
  add(architecture.vocabulary);
  for (const Layer& layer : architecture.layers)
    for (const Gene<Layer>& gene : kLayerGenes) {
      const int value = gene.get(layer);
      // What may be left out is negative, as nothing else is.
      if (!gene.says_nothing(value)) add(gene.is_optional() ? -value : value);
    }
  for (const int value : architecture.hardware) add(-kMostHardwareChoices - value);
  return id;
}

Architecture without_hardware(Architecture architecture) {
  architecture.hardware.clear();
  return architecture;
}

std::int64_t parameter_count(const Architecture& architecture, int positions) {
  const std::int64_t d = architecture.model_width;
  std::int64_t count = 2 * d + d * (architecture.vocabulary + static_cast<std::int64_t>(positions));
  for (const Layer& layer : architecture.layers) {
    const std::int64_t a = static_cast<std::int64_t>(layer.heads) * architecture.head_width;
    const std::int64_t f = layer.ffn_width;
    count += 4 * d;                      // two LayerNorms
    count += 3 * a * (d + 1);            // q, k, v
    count += d * (a + 1);                // output projection
    count += f * (d + 1) + d * (f + 1);  // FFN
  }
  return count;
}

bool has_int4(const Architecture& architecture) {
  return std::any_of(architecture.layers.begin(), architecture.layers.end(),
                     [](const Layer& layer) { return layer.weight_bits == 4; });
}

std::string describe(const Architecture& architecture) {
  std::string text;
  for (const Gene<Architecture>& gene : kNetworkGenes)
    text += std::string(gene.letter) + "=" + std::to_string(gene.get(architecture)) + " ";
  for (const Gene<Layer>& gene : kLayerGenes) {
    std::string values;
    bool says_something = false;
    for (const Layer& layer : architecture.layers) {
      values += (values.empty() ? "" : ",") + std::to_string(gene.get(layer));
      says_something = says_something || !gene.says_nothing(gene.get(layer));
    }
    if (!says_something && gene.is_optional()) continue;
    text += std::string(gene.letter) + "=[" + values + "] ";
  }
  text.pop_back();
  return text;
}

Json to_json(const Architecture& architecture) {
  Json json;
  for (const Gene<Architecture>& gene : kNetworkGenes)
    json[std::string(gene.key)] = gene.get(architecture);
  json["head_width"] = architecture.head_width;
  if (architecture.vocabulary > 0) json["vocabulary"] = architecture.vocabulary;
  if (!architecture.hardware.empty()) json["hardware"] = architecture.hardware;
  json["layers"] = Json::array();
  for (const Layer& layer : architecture.layers) {
    Json& genes = json["layers"].emplace_back();
    for (const Gene<Layer>& gene : kLayerGenes)
      if (const int value = gene.get(layer); !gene.says_nothing(value))
        genes[std::string(gene.key)] = value;
  }
  return json;
}

Json architecture_schema() {
  const auto integer = [](int low, int high, const std::string& meaning) {
    return Json{{"type", "integer"}, {"minimum", low}, {"maximum", high}, {"description", meaning}};
  };
  const auto add = [&](Json& properties, const auto& gene) {
    Json& property = properties[std::string(gene.key)];
    property = gene.is_optional() ? Json{{"enum", gene.either},
                                         {"default", gene.either[1]},
                                         {"description", std::string(gene.meaning)}}
                                  : integer(1, gene.largest(1), std::string(gene.meaning));
  };
  Json layer = Json::object(), properties = Json::object();
  for (const Gene<Layer>& gene : kLayerGenes) add(layer, gene);
  for (const Gene<Architecture>& gene : kNetworkGenes) add(properties, gene);
  Json layers = object_schema(std::move(layer));
  for (const Gene<Layer>& gene : kLayerGenes)
    if (!gene.is_optional()) layers["required"].push_back(gene.key);
  properties["head_width"] = integer(1, kLargestSize, "width of every attention head");
  properties["head_width"]["default"] = Architecture().head_width;
  properties["vocabulary"] =
      integer(0, kLargestSize, "tokens of embedding and language-model head; 0: neither");
  properties["vocabulary"]["default"] = 0;
  properties["hardware"] = {
      {"type", "array"},
      {"maxItems", kMostHardwareGenes},
      {"items", integer(1, kMostHardwareChoices, "number of a choice")},
      {"description", "choices of the run's `hardware_space`, key by key; absent: its first ones"}};
  properties["depth"] = integer(1, kMostLayers, "layers that are active; absent: all");
  properties["layers"] = {{"type", "array"},
                          {"minItems", 1},
                          {"maxItems", kMostLayers},
                          {"items", std::move(layers)},
                          {"description", "an object each, of the genes of a layer"}};
  Json schema = object_schema(std::move(properties));
  schema["required"] = Json::array({"layers"});
  for (const Gene<Architecture>& gene : kNetworkGenes) schema["required"].push_back(gene.key);
  return schema;
}

Architecture architecture_from_json(const JsonNode& node) {
  const JsonObject object(node);
  Architecture architecture;
  const auto read = [&](const auto& gene, auto& owner, const JsonObject& from) {
    const std::string key(gene.key);
    if (gene.is_optional() && !from.has(key)) return gene.set(owner, gene.either[1]);
    const int largest = gene.largest(architecture.head_width);
    const auto value = static_cast<int>(from.integer(key, gene.smallest(), largest));
    if (gene.is_optional() && value != gene.either[0] && value != gene.either[1])
      from.at(key).fail("is out of range: expected " + std::to_string(gene.either[0]) + " or " +
                        std::to_string(gene.either[1]));
    gene.set(owner, value);
  };
  for (const Gene<Architecture>& gene : kNetworkGenes) read(gene, architecture, object);
  architecture.head_width = static_cast<int>(object.integer("head_width", 1, kLargestSize, 64));
  architecture.vocabulary = static_cast<int>(object.integer("vocabulary", 0, kLargestSize, 0));
  const JsonNode layers = object.at("layers");
  for (const JsonNode& element : layers.elements()) {
    const JsonObject layer(element);
    architecture.layers.emplace_back();
    for (const Gene<Layer>& gene : kLayerGenes) read(gene, architecture.layers.back(), layer);
    layer.finish();
  }
  if (architecture.layers.empty() || architecture.layers.size() > kMostLayers)
    layers.fail("is out of range: expected 1 to " + std::to_string(kMostLayers) + " layers");
  if (object.has("hardware"))
    for (const JsonNode& element : object.at("hardware").elements())
      architecture.hardware.push_back(static_cast<int>(element.integer(1, kMostHardwareChoices)));
  if (architecture.hardware.size() > kMostHardwareGenes)
    object.at("hardware")
        .fail("is too long: expected at most " + std::to_string(kMostHardwareGenes) + " numbers");
  const auto given = static_cast<std::int64_t>(architecture.layers.size());
  architecture.layers.resize(static_cast<std::size_t>(object.integer("depth", 1, given, given)));
  object.finish();
  return architecture;
}

}  // namespace paretoformer
