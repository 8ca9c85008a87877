#include "nas/core/candidate.hpp"

#include <charconv>
#include <limits>
#include <string>

#include "support/hash.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {

Json to_json(const Candidate& candidate) {
  Json json;
  json["id"] = hex(candidate.id);
  json["generation"] = candidate.generation;
  json["parents"] = Json::array();
  for (std::uint64_t parent : candidate.parents) json["parents"].push_back(hex(parent));
  json["architecture"] = to_json(candidate.architecture);
  json["objectives"] = to_json(candidate.objectives);
  if (candidate.quarter_loss) json["quarter_loss"] = *candidate.quarter_loss;
  if (candidate.estimated) json["estimated"] = true;
  return json;
}

std::uint64_t id_from_json(const JsonNode& node) {
  const std::string text = node.string();
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id, 16);
  // Writing it again rejects what from_chars is lenient about: upper case and missing digits.
  if (error != std::errc() || end != text.data() + text.size() || hex(id) != text)
    node.fail("is not an id: expected 16 lower-case hexadecimal digits");
  return id;
}

Candidate candidate_from_json(const JsonNode& node) {
  const JsonObject object(node);
  Candidate candidate;
  candidate.id = id_from_json(object.at("id"));
  candidate.generation =
      static_cast<int>(object.integer("generation", 0, std::numeric_limits<int>::max()));
  for (const JsonNode& parent : object.at("parents").elements())
    candidate.parents.push_back(id_from_json(parent));
  if (candidate.parents.size() > 2) object.at("parents").fail("is too long: expected at most two");
  candidate.architecture = architecture_from_json(object.at("architecture"));
  candidate.objectives = objectives_from_json(object.at("objectives"));
  if (object.has("quarter_loss"))
    candidate.quarter_loss = object.number("quarter_loss", 0, std::numeric_limits<double>::max());
  candidate.estimated = object.boolean("estimated", false);
  if (candidate.id != architecture_id(candidate.architecture))
    object.at("id").fail("is wrong: the architecture's id is " +
                         hex(architecture_id(candidate.architecture)));
  object.finish();
  return candidate;
}

}  // namespace paretoformer::nas
