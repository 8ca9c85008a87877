#include "nas/cli/arguments.hpp"

#include <cmath>
#include <cstdint>

#include "accel_sim/workload/workload_fields.hpp"
#include "nas/run/config.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "support/log.hpp"

namespace paretoformer::nas {

void add_common(CLI::App* verb, CommonOptions& common) {
  verb->add_flag("--json", common.json, "Print one JSON document on standard output");
  CLI::Option* quiet = verb->add_flag_callback(
      "-q,--quiet", [] { set_log_level(LogLevel::kOff); },
      "No progress, log or warnings on standard error");
  verb->add_flag_function(
          "-v,--verbose",
          [](std::int64_t times) { set_log_level(times > 1 ? LogLevel::kDebug : LogLevel::kInfo); },
          "Say more on standard error; twice: even more")
      ->excludes(quiet);
  verb->add_option("--threads", common.threads, "Threads to use (default: all cores)")
      ->check(CLI::Range(1, 1024));
}

CLI::Validator is_number() {
  return CLI::Validator(
      [](const std::string& text) {
        double value = 0;
        const bool number = CLI::detail::lexical_cast(text, value) && std::isfinite(value);
        return number ? std::string() : "Value " + text + " is not a finite number";
      },
      "");
}

namespace {

// As a JSON string, so that an override takes it as it is.
std::string quoted(const std::string& option, const std::string& text) {
  require_utf8(text, option);
  return Json(text).dump();
}

}  // namespace

RunOptions RunArguments::resolved() const {
  RunOptions result = options;
  if (!folder.empty()) result.overrides.push_back("run=" + quoted("--run", folder));
  if (!seed_architectures.empty())
    result.overrides.push_back("search.seed_architectures=" +
                               architectures_in(seed_architectures).dump());
  if (!start.empty())
    result.overrides.push_back("start=" +
                               quoted("--from", std::filesystem::absolute(start).string()));
  if (!algorithm.empty())
    result.overrides.push_back("search.algorithm=" + quoted("--algorithm", algorithm));
  return result;
}

RunConfig RunArguments::config() const {
  const RunOptions all = resolved();
  return load_run_config(all.config, all.overrides);
}

void add_run(CLI::App* verb, RunArguments& arguments, CommonOptions& common,
             const std::string& resume) {
  verb->add_option("CONFIG", arguments.options.config,
                   "Preset (quickstart, wikitext2, survey, enumerable), JSON file or run folder")
      ->required();
  verb->add_option("--set", arguments.options.overrides,
                   "Change a key, e.g. --set training.steps=100 (repeatable)")
      ->allow_extra_args(false);
  verb->add_option("--run", arguments.folder, "Run folder (instead of the configuration's)");
  add_common(verb, common);
  if (!resume.empty()) verb->add_flag("--resume", arguments.options.resume, resume);
}

namespace {

// Of "latency=2e6", "energy=3e8".
std::vector<Limit> limits_argument(const std::vector<std::string>& given) {
  Json json = Json::object();
  for (const std::string& each : given) {
    const std::size_t equals = each.find('=');
    if (equals == std::string::npos)
      throw InputError("--limit: \"" + each + "\": expected OBJECTIVE=MAXIMUM");
    json[each.substr(0, equals)] = json_or_string(each.substr(equals + 1), "--limit");
  }
  return limits_from_json(JsonNode(json, "--limit"));
}

}  // namespace

void add_choice(CLI::App* verb, MemberChoice& choice) {
  CLI::Option* knee =
      verb->add_flag("--knee", choice.knee, "The member where the front bends most");
  CLI::Option* best = verb->add_option_function<std::string>(
      "--best",
      [&choice](const std::string& name) {
        const Json json = name;
        choice.best = objective_from_json(JsonNode(json, "--best"));
      },
      "The member with the lowest of an objective: perplexity, latency, energy, edp ...");
  CLI::Option* limit = verb->add_option_function<std::vector<std::string>>(
      "--limit",
      [&choice](const std::vector<std::string>& limits) {
        choice.limits = limits_argument(limits);
      },
      "Only members that keep this, e.g. --limit latency=2e6 (repeatable)");
  limit->allow_extra_args(false);
  CLI::Option* id = verb->add_option("--id", choice.id, "The member whose ID begins so");
  knee->excludes(best)->excludes(limit)->excludes(id);
  id->excludes(best)->excludes(limit);
}

CLI::Option* add_batch(CLI::App* verb, std::optional<int>& batch) {
  return verb
      ->add_option("--batch", batch,
                   "Sequences computed together (default: 1, or as an exported file says)")
      ->check(CLI::Range(1, accel_sim::kLargestBatch));
}

std::vector<CLI::Option*> add_pricing(CLI::App* verb, PricingOptions& given) {
  verb->add_option("--hardware", given.hardware,
                   "Preset or JSON file (default: an exported file's, or gemmini_transformer)");
  return {verb->add_option("--length", given.length,
                           "Sequence length (default: an exported file's, or 512)")
              ->check(CLI::Range(1, 1 << 20)),
          add_batch(verb, given.batch),
          verb->add_option("--mode", given.mode,
                           "prefill or decode (default: an exported file's, or prefill)")
              ->check(CLI::IsMember(accel_sim::kModeWords.all())),
          verb->add_option("--mask", given.mask,
                           "none, or causal, as the hardware's masking says (default: an exported "
                           "file's, or none)")
              ->check(CLI::IsMember(accel_sim::kMaskWords.all())),
          verb->add_option("--biases", given.biases,
                           "on: projections and FFN add a row of int32 (default: an exported "
                           "file's, or off)")
              ->check(CLI::IsMember(accel_sim::kBiasesWords.all())),
          verb->add_option("--nonlinear-inputs", given.nonlinear_inputs,
                           "What LayerNorm and GELU read: int8, as quantised networks have it, or "
                           "sums of int32 (default: an exported file's, or sums)")
              ->check(CLI::IsMember(accel_sim::kNonlinearInputsWords.all()))};
}

}  // namespace paretoformer::nas
