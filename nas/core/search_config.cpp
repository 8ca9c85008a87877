#include "nas/core/search_config.hpp"

#include "support/fields.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

constexpr std::int64_t kMost = 1'000'000;

constexpr std::tuple kFields{
    Field{"algorithm", &SearchConfig::algorithm, AnyName{algorithm_names},
          "one of the table below"},
    Field{"evaluations", &SearchConfig::evaluations, Range{std::int64_t{1}, 1000 * kMost},
          "networks evaluated in all; none is evaluated twice"},
    Field{"population", &SearchConfig::population, Range{std::int64_t{1}, kMost},
          "new networks per generation"},
    Field{"mutation_rate", &SearchConfig::mutation_rate, Range{0, 1},
          "per gene; 0 is the algorithm's own, as a rule one over the number of genes"},
    Field{"crossover_rate", &SearchConfig::crossover_rate, Range{0, 1},
          "share of children with two parents (`evolution`, `nsga2`)"},
    Field{"immigrant_share", &SearchConfig::immigrant_share, Range{0, 1},
          "share of random networks (`evolution`)"},
    Field{"screening", &SearchConfig::screening, Range{1, 1000},
          "children drawn for one that is evaluated (`evolution`); 1: no screening"},
    Field{"quarter_first", &SearchConfig::quarter_first, AnyFlag{},
          "a quarter of the validation sequences first, and the others only for networks that may "
          "be on the front"},
    Field{"patience", &SearchConfig::patience, Range{std::int64_t{0}, kMost},
          "generations that together add less than 0.1 % to the hypervolume, after which the "
          "search stops; 0: it spends its budget"}};

}  // namespace

Json search_schema() {
  Json schema = schema_of(kFields, SearchConfig());
  schema["properties"]["seed_architectures"] = {
      {"type", "array"},
      {"items", architecture_schema()},
      {"description",
       "networks to evaluate first; `--seed-architectures FILE` takes them from a file: one "
       "architecture, a list, an exported network or a `front.json`"}};
  return schema;
}

Json to_json(const SearchConfig& config) {
  Json json = write_fields(kFields, config);
  json["seed_architectures"] = Json::array();
  for (const Architecture& network : config.seed_architectures)
    json["seed_architectures"].push_back(to_json(network));
  return json;
}

SearchConfig search_config_from_json(const JsonNode& node) {
  const JsonObject object(node);
  SearchConfig config;
  read_fields(object, kFields, config);
  if (object.has("seed_architectures"))
    for (const JsonNode& element : object.at("seed_architectures").elements())
      config.seed_architectures.push_back(architecture_from_json(element));
  object.finish();
  return config;
}

}  // namespace paretoformer::nas
