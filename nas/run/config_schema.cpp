#include "nas/run/config_schema.hpp"

#include "accel_sim/hardware/target.hpp"
#include "nas/run/config.hpp"
#include "search_spaces/architecture.hpp"
#include "support/error.hpp"
#include "support/fields.hpp"
#include "support/words.hpp"

namespace paretoformer::nas {
namespace {

struct Named {
  std::string_view name;
  Json (*schema)();
};

constexpr Named kFiles[] = {{"configuration", run_config_schema},
                            {"hardware", accel_sim::target_schema},
                            {"search_space", SearchSpace::schema},
                            {"architecture", architecture_schema}};

}  // namespace

const std::vector<std::string>& schema_names() {
  static const std::vector<std::string> names = names_in(kFiles);
  return names;
}

Json find_schema(const std::string& name) {
  if (const Named* file = find_row(kFiles, name)) return file->schema();
  std::vector<std::string> known = schema_names();
  const Json configuration = run_config_schema();
  for (const auto& [key, schema] : configuration["properties"].items()) {
    if (!schema.contains("properties")) continue;
    if (key == name) return schema;
    known.push_back(key);
  }
  throw InputError("\"" + name + "\" " + not_among(name, known));
}

}  // namespace paretoformer::nas
