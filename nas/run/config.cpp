#include "nas/run/config.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "accel_sim/workload/workload_fields.hpp"
#include "nas_run/embedded_json.hpp"
#include "support/error.hpp"
#include "support/fields.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/presets.hpp"
#include "support/text.hpp"

namespace paretoformer::nas {
namespace {

constexpr Presets kPresets("configuration", nas_run_json);
constexpr const char* kDefaultHardware = "gemmini_transformer";
const Json kDefaultObjectives = {"perplexity", "edp"};

namespace fs = std::filesystem;

// A file relative to the configuration, or the text itself when there is no such file (a preset).
std::string relative_file(const std::string& name, const fs::path& base_folder) {
  std::error_code ignored;
  const fs::path path = base_folder / name;
  return fs::is_regular_file(path, ignored) ? path.string() : name;
}

SearchSpace space_from_json(const JsonNode& node, const fs::path& base_folder) {
  if (node.json().is_object()) return SearchSpace::from_json(node);
  return SearchSpace::find(relative_file(node.string(), base_folder));
}

accel_sim::Target hardware_in_config(const JsonNode& node, const fs::path& base_folder) {
  if (node.json().is_object()) return accel_sim::target_from_json(node);
  return accel_sim::find_target(relative_file(node.string(), base_folder));
}

constexpr std::tuple kRunFields{
    Field{"validation_sequences", &RunConfig::validation_sequences, Range{0, 1 << 24},
          "how many sequences of `training.context` tokens score a candidate; 0: all"},
    Field{"seed", &RunConfig::seed, Range<std::int64_t>{0, INT64_MAX},
          "of everything random: weights, batches, sub-networks, search"}};

accel_sim::Workload workload_from_json(const JsonNode& node, int context) {
  const JsonObject object(node);
  accel_sim::Workload workload = accel_sim::kSupernetWorkload;
  workload.sequence_length = context;
  read_fields(object, accel_sim::kWorkloadFields, workload);
  object.finish();
  return workload;
}

// Whose supernet that of a run folder is: the run may itself use another's.
fs::path owner_of_supernet(fs::path folder) {
  constexpr int kMostSteps = 100;  // there may be circles
  std::error_code ignored;
  if (!folder.has_filename()) folder = folder.parent_path();
  for (int step = 0; step < kMostSteps && fs::exists(folder / "config.json", ignored); ++step) {
    const Json config = read_json(folder / "config.json");
    if (!config.is_object() || !config.contains("supernet") || !config["supernet"].is_string())
      break;
    folder = config["supernet"].get<std::string>();
  }
  return folder;
}

// What the weights of another run were made from. Nothing where there is no such run: whoever needs
// its weights says so.
void read_owner(RunConfig& config) {
  std::error_code ignored;
  if (!fs::exists(config.supernet / "config.json", ignored)) return;
  const Json owner = read_json(config.supernet / "config.json");
  if (!owner.is_object()) return;
  if (owner.contains("seed") && owner["seed"].is_number_unsigned())
    config.supernet_seed = owner["seed"].get<std::uint64_t>();
  if (owner.contains("start") && owner["start"].is_object())
    config.start_hash = owner["start"].value("hash", "");
}

// {"file", "hash"}, or the file alone: its absolute path, as the text's, and the hash, if any.
std::pair<fs::path, std::string> file_and_hash(const JsonNode& node, const fs::path& base_folder) {
  std::string hash;
  JsonNode file = node;
  if (node.json().is_object()) {
    const JsonObject object(node);
    file = object.at("file");
    hash = object.string("hash");
    object.finish();
  }
  return {fs::absolute(fs::current_path() / relative_file(file.string(), base_folder)), hash};
}

void read_predictor(const JsonNode& node, const fs::path& base_folder, RunConfig& config) {
  std::string expected;
  std::tie(config.predictor, expected) = file_and_hash(node, base_folder);
  config.predictor_hash = hex(hash_text(read_file(config.predictor)));
  if (!expected.empty() && expected != config.predictor_hash)
    (node.json().is_object() ? JsonObject(node).at("file") : node)
        .fail("has other content than when the run began: expected a file of hash " + expected);
}

void read_start(const JsonNode& node, const fs::path& base_folder, RunConfig& config) {
  if (!config.supernet.empty())
    node.fail(
        "is of a training of the run's own, but \"supernet\" names another run's: expected "
        "one of the two");
  std::tie(config.start, config.start_hash) = file_and_hash(node, base_folder);
  if (config.start_hash.empty()) config.start_hash = hex(hash_text(read_file(config.start)));
}

Json to_json(const accel_sim::Workload& workload) {
  return write_fields(accel_sim::kWorkloadFields, workload);
}

std::vector<Objective> objectives_from(const JsonNode& node) {
  std::vector<Objective> objectives;
  for (const JsonNode& element : node.elements()) {
    const Objective objective = objective_from_json(element);
    if (std::find(objectives.begin(), objectives.end(), objective) != objectives.end())
      element.fail("appears twice: expected distinct objectives");
    objectives.push_back(objective);
  }
  if (objectives.size() < 2) node.fail("has too few entries: expected two or more objectives");
  return objectives;
}

// What they do not say of the heads' width the space says; vocabularies are dropped, for the text's
// counts.
void require_seeds_in_space(const JsonNode& search, RunConfig& config) {
  for (std::size_t i = 0; i < config.search.seed_architectures.size(); ++i) {
    Architecture& network = config.search.seed_architectures[i];
    const JsonNode node = JsonObject(search).at("seed_architectures").elements()[i];
    if (!node.json().contains("head_width")) network.head_width = config.space.head_width();
    network.vocabulary = 0;
    std::string why;
    const SearchSpace space = config.space.with_hardware(config.hardware_space.choices());
    if (!space.contains(space.on_hardware(network), &why))
      node.fail("is not in the search space: " + why);
  }
}

// Weights of four bits need what unpacks them, and fp32 does not see them.
void require_int4(const JsonNode& space, const RunConfig& config) {
  if (!config.space.has_int4()) return;
  const auto fail = [&](const std::string& expected) {
    space.fail("has weights of four bits: expected " + expected);
  };
  if (!config.hardware.int4_weights && config.predictor.empty())
    fail("hardware with int4_weights true");
  for (const std::vector<int>& each : config.hardware_space.combinations())
    if (!each.empty() && !config.hardware_space.at(each).int4_weights)
      fail("hardware_space with int4_weights true alone");
  if (std::find(config.objectives.begin(), config.objectives.end(), Objective::kPerplexityInt8) ==
      config.objectives.end())
    fail("\"perplexity_int8\" among the objectives, for in fp32 they change nothing");
}

// Of one hardware everything has the same area.
void require_choice_of_area(const JsonNode& node, const RunConfig& config) {
  if (!config.hardware_space.empty()) return;
  const bool wanted = std::find(config.objectives.begin(), config.objectives.end(),
                                Objective::kArea) != config.objectives.end();
  if (wanted || std::any_of(config.limits.begin(), config.limits.end(),
                            [](const Limit& limit) { return limit.objective == Objective::kArea; }))
    throw InputError(
        node.file() +
        ": /hardware_space: is absent: \"area\" among the objectives or limits expects hardware to "
        "choose from");
}

// Hard limits, then soft ones, which are lower where an objective has both.
std::vector<Limit> limits_from(const JsonNode& hard, const JsonNode& soft) {
  std::vector<Limit> limits = limits_from_json(hard);
  for (const Limit& wish : limits_from_json(soft, true)) {
    for (const Limit& limit : limits)
      if (limit.objective == wish.objective && wish.maximum >= limit.maximum) {
        const std::string name = name_of(limit.objective);
        JsonObject(soft).at(name).fail("is not below the hard limit: expected less than " +
                                       hard.path() + "/" + name + ", " +
                                       Json(limit.maximum).dump());
      }
    limits.push_back(wish);
  }
  return limits;
}

const Json kEmptyObject = Json::object();

// The value at a key, or an empty object when it is absent.
JsonNode section(const JsonObject& object, const std::string& key) {
  if (object.has(key)) return object.at(key);
  return {kEmptyObject, object.node().file(), object.node().path() + "/" + key};
}

// Hardware of which single parameters are overridden: the preset by its name, in an object.
void name_hardware(Json& root) {
  if (!root.contains("hardware")) root["hardware"] = kDefaultHardware;
  Json& hardware = root["hardware"];
  if (hardware.is_string()) hardware = Json{{"preset", hardware}};
}

void apply_override(Json& root, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw InputError("--set " + text + ": expected KEY=VALUE, e.g. training.steps=100");
  const std::string where = "--set " + text.substr(0, equals);
  if (valid_utf8_prefix(text) < text.size()) throw InputError(where + ": is not valid UTF-8");
  if (std::count(where.begin(), where.end(), '.') >= kDeepestJson)
    throw InputError("--set " + shortened(text, 60) + ": has too many parts");
  Json* target = &root;
  std::string path = text.substr(0, equals);
  for (std::size_t dot; (dot = path.find('.')) != std::string::npos; path.erase(0, dot + 1)) {
    target = &(*target)[path.substr(0, dot)];
    if (target->is_null()) *target = Json::object();
    if (!target->is_object())
      throw InputError("--set " + text + ": \"" + path.substr(0, dot) +
                       "\" is not an object in the configuration");
  }
  (*target)[path] = json_or_string(text.substr(equals + 1), where);
}

// A preset, a file or that of a run's folder; and the folder to which its paths are relative.
std::pair<Document, fs::path> find_run_config(const std::string& name_or_path) {
  std::error_code ignored;
  std::optional<Document> found = kPresets.preset(name_or_path);
  if (found || !fs::is_directory(name_or_path, ignored))
    return {found ? std::move(*found) : kPresets.find(name_or_path),
            fs::path(name_or_path).parent_path()};
  const fs::path path = fs::path(name_or_path) / "config.json";
  kPresets.require_file(path, name_or_path);
  Document run{read_json(path), path.string()};
  if (run.json.is_object()) run.json["run"] = name_or_path;  // wherever it was moved to
  return {std::move(run), name_or_path};
}

std::uint64_t hash_of(const Json& json) { return hash_text(json.dump()); }

}  // namespace

RunConfig run_config_from_json(const JsonNode& node, const fs::path& base_folder) {
  const JsonObject object(node);
  RunConfig config;
  config.space = space_from_json(object.at("search_space"), base_folder);
  // Absolute, because the copy in the run folder is read with another base folder.
  config.corpus = supernet::corpus_config_from_json(section(object, "corpus"),
                                                    fs::current_path() / base_folder);
  config.training = supernet::TrainingConfig::from_json(section(object, "training"));
  const Json default_hardware = kDefaultHardware;
  config.hardware = hardware_in_config(object.has("hardware")
                                           ? object.at("hardware")
                                           : JsonNode(default_hardware, node.file(), "/hardware"),
                                       base_folder);
  if (object.has("hardware_space"))
    config.hardware_space =
        accel_sim::HardwareSpace::from_json(object.at("hardware_space"), config.hardware);
  config.workload = workload_from_json(section(object, "workload"), config.training.context);
  if (object.has("predictor")) read_predictor(object.at("predictor"), base_folder, config);
  if (!config.predictor.empty() && !config.hardware_space.empty())
    object.at("predictor")
        .fail(
            "is of one hardware: expected none beside \"hardware_space\", whose choices the "
            "simulator "
            "prices");
  if (object.has("supernet"))
    config.supernet =
        owner_of_supernet(fs::absolute(fs::current_path() / base_folder / object.string("supernet"))
                              .lexically_normal());
  if (object.has("start")) read_start(object.at("start"), base_folder, config);
  config.objectives = objectives_from(
      object.has("objectives") ? object.at("objectives")
                               : JsonNode(kDefaultObjectives, node.file(), "/objectives"));
  config.limits = limits_from(section(object, "limits"), section(object, "soft_limits"));
  require_choice_of_area(node, config);
  require_int4(object.at("search_space"), config);
  config.search = search_config_from_json(section(object, "search"));
  require_seeds_in_space(section(object, "search"), config);
  read_fields(object, kRunFields, config);
  if (!config.supernet.empty()) read_owner(config);
  config.run = object.string("run", "runs/" + config.space.name());
  object.finish();
  return config;
}

Json run_config_schema() {
  const auto section = [](Json schema, const char* meaning) {
    schema["description"] = meaning;
    return schema;
  };
  const auto presets = [](const std::vector<std::string>& names) {
    std::string list;
    for (const std::string& each : names) list += (list.empty() ? "`" : ", `") + each + "`";
    return "preset name (" + list + "), a file, or the object itself";
  };
  const Json name = {{"type", "string"}};
  Json names = Json::array(), limits = Json::object();
  for (const Objective objective : all_objectives()) {
    names.push_back(name_of(objective));
    limits[name_of(objective)] = {
        {"type", "number"}, {"exclusiveMinimum", 0}, {"description", "of " + name_of(objective)}};
  }
  Json file = object_schema({{"file", name}, {"hash", name}});
  file["required"] = {"file"};
  Json properties = {
      {"search_space",
       {{"anyOf", {name, SearchSpace::schema()}},
        {"description", presets(SearchSpace::preset_names()) + ", see [below](#search-space)"}}},
      {"corpus", section(supernet::corpus_schema(), "the [text](#corpus) of the proxy task")},
      {"training",
       section(supernet::TrainingConfig::schema(), "how the supernet is [trained](#training)")},
      {"supernet",
       section(name,
               "the run folder whose supernet is used, see [below](#search); absent: the "
               "run's own")},
      {"start",
       {{"anyOf", {name, file}},
        {"description",
         "a file of trained weights of the largest network that the supernet starts from, see "
         "[below](#training); absent: random ones"}}},
      {"hardware",
       {{"anyOf", {name, accel_sim::target_schema()}},
        {"default", kDefaultHardware},
        {"description",
         presets(accel_sim::target_presets()) +
             "; [parameters](simulator.md#hardware). "
             "`{\"preset\": \"gemmini_transformer\", \"fusion\": \"best\"}`, or `--set "
             "hardware.fusion=best`, is a preset but for what is said"}}},
      {"hardware_space",
       section(accel_sim::HardwareSpace::schema(),
               "choices for keys of `hardware`, which the search makes for every network: "
               "`{\"array_size\": [8, 16], \"scratchpad_kib\": [64, 256]}`, see "
               "[below](#hardware-as-genes); absent: `hardware` alone")},
      {"workload", section(schema_of(accel_sim::kWorkloadFields, accel_sim::kSupernetWorkload),
                           "what an inference is, for its price")},
      {"predictor",
       {{"anyOf", {name, file}},
        {"description",
         "a file of `paretoformer predictor build` or `import` for the same hardware and workload, "
         "whose prices count ([own_hardware.md](own_hardware.md)); absent: the simulator's, "
         "operators at their places in whole networks"}}},
      {"objectives",
       {{"type", "array"},
        {"items", {{"enum", names}}},
        {"minItems", 2},
        {"uniqueItems", true},
        {"default", kDefaultObjectives},
        {"description", "two or more, all minimised, see [below](#objectives-and-limits)"}}},
      {"limits", section(object_schema(limits),
                         "hard limits by objective, e.g. `{\"latency\": 2e5}`: a network above one "
                         "is never on the front")},
      {"soft_limits", section(object_schema(limits),
                              "the same; a network above one may be on the front, but is chosen as "
                              "a parent only after those that keep all")},
      {"search", section(search_schema(), "the [search](#search) algorithm")}};
  properties["workload"]["properties"]["sequence_length"].erase("default");  // the context
  properties.update(schema_of(kRunFields, RunConfig())["properties"]);
  properties["run"] = section(name, "the run folder; absent: `runs/NAME` of the search space");
  Json schema = object_schema(std::move(properties));
  schema["required"] = {"search_space"};
  return schema;
}

Json to_json(const RunConfig& config) {
  Json json;
  json["search_space"] = config.space.to_json();
  json["corpus"] = to_json(config.corpus);
  json["training"] = config.training.to_json();
  json["hardware"] = to_json(config.hardware);
  if (!config.hardware_space.empty()) json["hardware_space"] = config.hardware_space.to_json();
  json["workload"] = to_json(config.workload);
  if (!config.predictor.empty())
    json["predictor"] = {{"file", config.predictor.string()}, {"hash", config.predictor_hash}};
  if (!config.supernet.empty()) json["supernet"] = config.supernet.string();
  if (!config.start.empty())
    json["start"] = {{"file", config.start.string()}, {"hash", config.start_hash}};
  json["objectives"] = Json::array();
  for (Objective objective : config.objectives) json["objectives"].push_back(name_of(objective));
  json["limits"] = to_json(config.limits);
  json["soft_limits"] = to_json(config.limits, true);
  json["search"] = to_json(config.search);
  json.update(write_fields(kRunFields, config));
  json["run"] = config.run.string();
  return json;
}

RunConfig load_run_config(const std::string& name_or_path,
                          const std::vector<std::string>& overrides) {
  auto [found, base] = find_run_config(name_or_path);
  for (const std::string& text : overrides) {
    if (!found.json.is_object()) break;  // reported below, with the file's name
    if (text.starts_with("hardware.")) name_hardware(found.json);
    apply_override(found.json, text);
  }
  return run_config_from_json(found.node(), base);
}

std::uint64_t training_hash(const RunConfig& config) {
  Json training = config.training.identity();
  if (!config.training.stop_when_converged && config.training.patience == 0)  // probes only watch
    for (const char* key : {"probe_interval", "stop_when_converged"}) training.erase(key);
  // The number says how: it goes up when the same configuration learns from other text than before.
  Json hashed{{"sandwich", 2},
              {"space", config.space.with_int8_weights().to_json()},
              {"training", training},
              {"seed", config.supernet_seed.value_or(config.seed)}};
  if (!config.start_hash.empty()) hashed["start"] = config.start_hash;
  return hash_of(hashed);
}

std::uint64_t config_hash(const RunConfig& config) {
  Json json = to_json(config);
  json.erase("run");
  for (const char* key : {"checkpoint_seconds", "device"}) json["training"].erase(key);
  return hash_of(json);
}

}  // namespace paretoformer::nas
