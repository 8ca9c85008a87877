#include "search_spaces/architecture.hpp"

#include <algorithm>

#include "support/error.hpp"
#include "support/random.hpp"

namespace paretoformer {
namespace {

std::string join(const std::vector<Layer>& layers, int Layer::*member) {
  std::string text;
  for (const Layer& layer : layers)
    text += (text.empty() ? "" : ",") + std::to_string(layer.*member);
  return "[" + text + "]";
}

}  // namespace

std::uint64_t architecture_id(const Architecture& architecture) {
  // A chain of mix64 over the integers, not over bytes: the same on every machine.
  std::uint64_t id = 0x70617265746f;
  const auto add = [&id](int value) {
    id = mix64(id + 0x9e3779b97f4a7c15ULL + static_cast<std::uint64_t>(value));
  };
  add(architecture.model_width);
  add(architecture.head_width);
  add(architecture.vocabulary);
  for (const Layer& layer : architecture.layers) {
    add(layer.heads);
    add(layer.ffn_width);
  }
  return id;
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

std::string describe(const Architecture& architecture) {
  return "d=" + std::to_string(architecture.model_width) +
         " h=" + join(architecture.layers, &Layer::heads) +
         " f=" + join(architecture.layers, &Layer::ffn_width);
}

Json to_json(const Architecture& architecture) {
  Json json;
  json["model_width"] = architecture.model_width;
  json["head_width"] = architecture.head_width;
  if (architecture.vocabulary > 0) json["vocabulary"] = architecture.vocabulary;
  json["layers"] = Json::array();
  for (const Layer& layer : architecture.layers)
    json["layers"].push_back(Json{{"heads", layer.heads}, {"ffn_width", layer.ffn_width}});
  return json;
}

Architecture architecture_from_json(const JsonNode& node) {
  const JsonObject object(node);
  Architecture architecture;
  architecture.model_width = static_cast<int>(object.integer("model_width", 1, kLargestSize));
  architecture.head_width = static_cast<int>(object.integer("head_width", 1, kLargestSize, 64));
  architecture.vocabulary = static_cast<int>(object.integer("vocabulary", 0, kLargestSize, 0));
  const JsonNode layers = object.at("layers");
  for (const JsonNode& element : layers.elements()) {
    const JsonObject layer(element);
    const int most_heads = kLargestSize / architecture.head_width;  // that are as wide together
    architecture.layers.push_back({static_cast<int>(layer.integer("heads", 1, most_heads)),
                                   static_cast<int>(layer.integer("ffn_width", 1, kLargestSize))});
    layer.finish();
  }
  if (architecture.layers.empty() || architecture.layers.size() > kMostLayers)
    layers.fail("is out of range: expected 1 to " + std::to_string(kMostLayers) + " layers");
  const auto given = static_cast<std::int64_t>(architecture.layers.size());
  architecture.layers.resize(static_cast<std::size_t>(object.integer("depth", 1, given, given)));
  object.finish();
  return architecture;
}

}  // namespace paretoformer
