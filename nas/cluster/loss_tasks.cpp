#include "nas/cluster/loss_tasks.hpp"

#include <bit>
#include <limits>

#include "nas/core/candidate.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/words.hpp"

namespace paretoformer::nas {
namespace {

constexpr Words<LossPart, kLossParts> kPartWords{{{LossPart::kQuarter, "quarter"},
                                                  {LossPart::kRest, "rest"},
                                                  {LossPart::kInt8, "int8"},
                                                  {LossPart::kUnseen, "unseen"},
                                                  {LossPart::kWholeInt8, "whole_int8"}}};
constexpr double kLargest = std::numeric_limits<double>::max();

std::string with_check(const Json& json) {
  std::string text = json.dump();
  text.pop_back();  // the brace, which the checksum brings
  return kTaskChecksum.added_to(text);
}

// What a file holds but for its checksum, which must be right.
Json checked(const std::string& text, const std::string& file) {
  kTaskChecksum.require(text, file);
  Json json = parse_json(text, file);
  if (json.is_object()) json.erase("check");
  return json;
}

}  // namespace

LossIdentity identity_of(const LossSource& source, std::uint64_t weights,
                         const Architecture& largest) {
  const double loss = source.sums({&largest, 1}, LossPart::kQuarter)[0];
  return {weights, std::bit_cast<std::uint64_t>(loss)};
}

std::string task_text(const LossTask& task) {
  Json networks = Json::array();
  for (const Architecture& network : task.networks) networks.push_back(to_json(network));
  return with_check(Json{{"weights", hex(task.identity.weights)},
                         {"arithmetic", hex(task.identity.arithmetic)},
                         {"part", kPartWords.word_of(task.part)},
                         {"networks", networks}});
}

std::string name_of(const LossTask& task) { return hex(hash_text(task_text(task))); }

LossTask loss_task_from_text(const std::string& text, const std::string& file) {
  const Json json = checked(text, file);
  const JsonObject object(JsonNode(json, file));
  LossTask task;
  task.identity = {id_from_json(object.at("weights")), id_from_json(object.at("arithmetic"))};
  task.part = kPartWords.read(object.at("part"));
  for (const JsonNode& network : object.at("networks").elements())
    task.networks.push_back(architecture_from_json(network));
  object.finish();
  return task;
}

std::string answer_text(const LossTask& task, const std::vector<double>& sums) {
  // Numbers come back as they were (shortest text that does); what is not finite is null in JSON.
  return with_check(Json{{"task", name_of(task)}, {"sums", sums}});
}

std::vector<double> sums_from_text(const LossTask& task, const std::string& text,
                                   const std::string& file) {
  const Json json = checked(text, file);
  const JsonObject object(JsonNode(json, file));
  const JsonNode name = object.at("task");
  if (name.string() != name_of(task)) name.fail("is another task: expected " + name_of(task));
  std::vector<double> sums;
  const JsonNode list = object.at("sums");
  for (const JsonNode& sum : list.elements())
    sums.push_back(sum.json().is_null() ? std::numeric_limits<double>::quiet_NaN()
                                        : sum.number(-kLargest, kLargest));
  if (sums.size() != task.networks.size())
    list.fail("has " + std::to_string(sums.size()) + " elements: expected " +
              std::to_string(task.networks.size()));
  object.finish();
  return sums;
}

}  // namespace paretoformer::nas
