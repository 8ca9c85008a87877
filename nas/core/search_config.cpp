#include "nas/core/search_config.hpp"

#include "support/json.hpp"

namespace paretoformer::nas {

Json to_json(const SearchConfig& config) {
  Json json;
  json["algorithm"] = config.algorithm;
  json["evaluations"] = config.evaluations;
  json["population"] = config.population;
  json["mutation_rate"] = config.mutation_rate;
  json["crossover_rate"] = config.crossover_rate;
  json["immigrant_share"] = config.immigrant_share;
  json["screening"] = config.screening;
  json["quarter_first"] = config.quarter_first;
  json["patience"] = config.patience;
  json["seed_architectures"] = Json::array();
  for (const Architecture& network : config.seed_architectures)
    json["seed_architectures"].push_back(to_json(network));
  return json;
}

SearchConfig search_config_from_json(const JsonNode& node) {
  constexpr std::int64_t kMost = 1'000'000;
  const JsonObject object(node);
  SearchConfig config;
  const auto whole = [&object](const char* key, std::int64_t least, std::int64_t most,
                               int fallback) {
    return static_cast<int>(object.integer(key, least, most, fallback));
  };
  config.algorithm = object.choice("algorithm", algorithm_names(), config.algorithm);
  config.evaluations = object.integer("evaluations", 1, 1000 * kMost, config.evaluations);
  config.population = whole("population", 1, kMost, config.population);
  config.mutation_rate = object.number("mutation_rate", 0, 1, config.mutation_rate);
  config.crossover_rate = object.number("crossover_rate", 0, 1, config.crossover_rate);
  config.immigrant_share = object.number("immigrant_share", 0, 1, config.immigrant_share);
  config.screening = whole("screening", 1, 1000, config.screening);
  config.quarter_first = object.boolean("quarter_first", config.quarter_first);
  config.patience = whole("patience", 0, kMost, config.patience);
  if (object.has("seed_architectures"))
    for (const JsonNode& element : object.at("seed_architectures").elements())
      config.seed_architectures.push_back(architecture_from_json(element));
  object.finish();
  return config;
}

}  // namespace paretoformer::nas
