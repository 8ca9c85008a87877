// The command line: options to verbs, errors to one line and an exit status.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "accel_sim/mapper/words.hpp"
#include "accel_sim/words.hpp"
#include "accel_sim/workload/words.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/commands.hpp"
#include "nas/cli/interruption.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "support/text.hpp"
#include "support/unfinished.hpp"

namespace {

using namespace paretoformer;
using namespace paretoformer::nas;

constexpr int kFailure = 1;
constexpr int kBadInput = 2;

// Once: threads may run out of it together.
void complain_of_memory() {
  static std::atomic_flag said;
  if (!said.test_and_set()) std::fputs("paretoformer: out of memory\n", stderr);
}

// One line on standard error, whatever is in it.
int complain(int status, const std::string& message) {
  try {
    std::fprintf(stderr, "paretoformer: %s\n", printable(message).c_str());
  } catch (const std::bad_alloc&) {
    complain_of_memory();
  }
  return status;
}

std::terminate_handler usual_end = nullptr;

// Instead of SIGABRT where memory runs out and nobody may catch that: in libraries' destructors (a
// JSON document's takes some) and functions that are noexcept.
[[noreturn]] void end_terminated() {
  try {
    if (std::current_exception()) throw;
  } catch (const std::bad_alloc&) {
    try {
      Unfinished::remove_all();
    } catch (const std::bad_alloc&) {  // there are none
    }
    complain_of_memory();
    std::_Exit(kFailure);
  } catch (...) {
  }
  usual_end();
  std::abort();
}

void add_common(CLI::App* verb, CommonOptions& common) {
  verb->add_flag("--json", common.json, "Print one JSON document on standard output");
  verb->add_flag("-q,--quiet", common.quiet, "No progress or log on standard error");
  verb->add_option("--threads", common.threads, "Threads to use (default: all cores)")
      ->check(CLI::Range(1, 1024));
}

// NaN is within every range.
CLI::Validator is_number() {
  return CLI::Validator(
      [](const std::string& text) {
        double value = 0;
        const bool number = CLI::detail::lexical_cast(text, value) && std::isfinite(value);
        return number ? std::string() : "Value " + text + " is not a finite number";
      },
      "");
}

// As a JSON string, so that an override takes it as it is.
std::string quoted(const std::string& option, const std::string& text) {
  if (valid_utf8_prefix(text) < text.size()) throw InputError(option + ": is not valid UTF-8");
  return Json(text).dump();
}

struct RunArguments {
  RunOptions options;
  std::string folder, algorithm;
  std::filesystem::path seed_architectures;

  RunOptions resolved() const {
    RunOptions result = options;
    if (!folder.empty()) result.overrides.push_back("run=" + quoted("--run", folder));
    if (!seed_architectures.empty())
      result.overrides.push_back("search.seed_architectures=" +
                                 architectures_in(seed_architectures).dump());
    if (!algorithm.empty())
      result.overrides.push_back("search.algorithm=" + quoted("--algorithm", algorithm));
    return result;
  }
};

CLI::App* add_run_verb(CLI::App& app, const std::string& name, const std::string& help,
                       RunArguments& arguments, CommonOptions& common) {
  CLI::App* verb = app.add_subcommand(name, help);
  verb->add_option("CONFIG", arguments.options.config,
                   "Preset (quickstart, wikitext2, survey, enumerable), JSON file or run folder")
      ->required();
  verb->add_option("--set", arguments.options.overrides,
                   "Change a key, e.g. --set training.steps=100 (repeatable)")
      ->allow_extra_args(false);
  verb->add_option("--run", arguments.folder, "Run folder (instead of the configuration's)");
  add_common(verb, common);
  return verb;
}

void add_compare_verb(CLI::App& app, RunArguments& arguments, CompareOptions& contest,
                      CommonOptions& common) {
  CLI::App* compare =
      add_run_verb(app, "compare", "Search with several algorithms and seeds: which is better?",
                   arguments, common);
  compare->add_flag("--resume", arguments.options.resume, "Continue a run, whatever it has");
  compare
      ->add_option("--algorithms", contest.algorithms,
                   "NAME[:KEY=VALUE]... of \"search\", e.g. evolution:screening=1,random")
      ->delimiter(',')
      ->allow_extra_args(false);
  compare->add_option("--seeds", contest.seeds, "Searches per algorithm")
      ->check(CLI::Range(1, 10000));
  compare
      ->add_option("--enumerate", contest.enumerable,
                   "Evaluate all networks of spaces up to this size, for the true front")
      ->check(CLI::Range(0, 100'000'000));
  compare->callback([&] { compare_command(arguments.resolved(), contest, common); });
}

CLI::App* add_finetune_verb(CLI::App& app, FinetuneOptions& options, CommonOptions& common) {
  CLI::App* verb = app.add_subcommand("finetune", "Train one network of a run on, alone");
  verb->add_option("RUN", options.run, "Run folder")->required();
  verb->add_option("--member", options.member, "Id of a network, or the beginning of one")
      ->required();
  verb->add_option("--steps", options.steps, "Training steps (default: a quarter of the run's)")
      ->check(CLI::Range(1, 100'000'000));
  verb->add_option("--learning-rate", options.learning_rate,
                   "Its peak (default: a third of the run's)")
      ->check(CLI::Range(1e-9, 10.0))
      ->check(is_number());
  verb->add_option("--output", options.output,
                   "Weights to write (default: RUN/finetune/ID.safetensors)");
  verb->add_flag("--resume", options.resume, "Continue, with the same options");
  add_common(verb, common);
  return verb;
}

// Adds --hardware; returns what says the workload.
std::vector<CLI::Option*> add_pricing(CLI::App* verb, PricingOptions& given) {
  verb->add_option("--hardware", given.hardware,
                   "Preset or JSON file (default: an exported file's, or gemmini_transformer)");
  return {verb->add_option("--length", given.length,
                           "Sequence length (default: an exported file's, or 512)")
              ->check(CLI::Range(1, 1 << 20)),
          verb->add_option("--mode", given.mode,
                           "prefill or decode (default: an exported file's, or prefill)")
              ->check(CLI::IsMember(accel_sim::kModeWords.all()))};
}

CLI::App* add_simulate_verb(CLI::App& app, SimulateOptions& options, CommonOptions& common) {
  CLI::App* verb = app.add_subcommand(
      "simulate", "Cycles and energy of one architecture, or one matmul, and where they go");
  verb->option_defaults()->always_capture_default();
  CLI::Option* network =
      verb->add_option("ARCHITECTURE", options.architecture,
                       "Architecture or exported JSON file, or else --gemm or --mapping");
  CLI::Option* gemm =
      verb->add_option("--gemm", options.gemm, "M,K,N: an M x K matrix times a K x N one");
  verb->add_option("--tile", options.tile, "M,K,N of a tile in elements (default: Gemmini's rule)")
      ->needs(gemm);
  CLI::Option* mapping = verb->add_option("--mapping", options.mapping,
                                          "A matmul's mapping, as map --output writes it");
  for (CLI::Option* option : add_pricing(verb, options.given)) option->excludes(gemm, mapping);
  verb->add_option("--engine", options.engine, "fast, or reference (cycle by cycle, slow)")
      ->check(CLI::IsMember(accel_sim::kEngineWords.all()));
  verb->add_option("--cycle-limit", options.cycle_limit,
                   "Cycles per operator after which the reference engine gives up")
      ->check(CLI::PositiveNumber);
  verb->add_option("--trace", options.trace, "Write a Chrome trace (ui.perfetto.dev) to this file");
  gemm->excludes(network, mapping);
  mapping->excludes(network);
  add_common(verb, common);
  return verb;
}

void add_profile_verb(CLI::App& app, ProfileOptions& options, CommonOptions& common) {
  CLI::App* verb = app.add_subcommand(
      "profile", "FLOPs, memory operations and arithmetic intensity of a network");
  verb->add_option("MODEL", options.model,
                   "bert_base, bert_large, gpt2, resnet50, or an architecture's JSON file")
      ->required();
  verb->add_option("--lengths", options.lengths, "Sequence lengths (default: 128,512,4096)")
      ->delimiter(',')
      ->allow_extra_args(false)  // MODEL may follow
      ->check(CLI::Range(1, 1 << 20));
  verb->add_flag_function(
      "--decode,!--prefill", [&](std::int64_t count) { options.decode = count > 0; },
      "Generate the sequence token by token, or compute all of it at once (default: as it is "
      "used)");
  verb->add_flag("--fused", options.fused,
                 "Normalisation and activations work on results on their way out");
  verb->add_option("--hardware", options.hardware,
                   "Preset or JSON file: also latencies, by the survey's model");
  CLI::Option* format = verb->add_option("--format", options.format, "table, csv or svg")
                            ->check(CLI::IsMember({"table", "csv", "svg"}))
                            ->capture_default_str();
  add_common(verb, common);
  format->excludes(verb->get_option("--json"));
  verb->callback([&] { profile_command(options, common); });
}

CLI::App* add_map_verb(CLI::App& app, MapOptions& options, CommonOptions& common) {
  CLI::App* verb = app.add_subcommand(
      "map",
      "The best mapping of a matmul or a convolution to an accelerator, and how others spread");
  verb->option_defaults()->always_capture_default();
  const CLI::Range extent(1, 1 << 20);
  CLI::Option* m = verb->add_option("--m", options.m, "Rows of a matmul")->check(extent);
  CLI::Option* k = verb->add_option("--k", options.k, "Its inner extent")->check(extent);
  CLI::Option* n = verb->add_option("--n", options.n, "Its columns")->check(extent);
  m->needs(k, n);
  k->needs(m, n);
  n->needs(m, k);
  verb->add_option("--conv", options.conv,
                   "P,Q,C,K,R,S[,STRIDE]: output rows and columns, input and output channels, "
                   "kernel rows and columns")
      ->excludes(m);
  verb->add_option("--hardware", options.hardware, "Preset or JSON file");
  verb->add_option("--objective", options.objective, "latency, energy or edp")
      ->check(CLI::IsMember(accel_sim::kMappingObjectiveWords.all()));
  verb->add_option("--samples", options.samples, "Random valid mappings")
      ->check(CLI::Range(1, 10'000'000));
  verb->add_option("--mapspace", options.mapspace, "Of the samples: perfect or blocks")
      ->check(CLI::IsMember(accel_sim::kFactorsWords.all()));
  verb->add_option("--seed", options.seed, "Of the samples");
  verb->add_option("--svg", options.svg, "Write a histogram of the samples to this file");
  verb->add_option("--output", options.output,
                   "Write the best mapping to this file (for simulate --mapping)");
  add_common(verb, common);
  return verb;
}

void add_predict_verb(CLI::App& app, PredictOptions& options, CommonOptions& common) {
  CLI::App* verb = app.add_subcommand("predict", "Cost of one architecture on an accelerator");
  verb->option_defaults()->always_capture_default();
  verb->add_option("ARCHITECTURE", options.architecture, "Architecture or exported JSON file")
      ->required();
  add_pricing(verb, options.given);
  verb->add_option("--predictor", options.predictor,
                   "File of `predictor build` or `import`, which says all three, or of `fit`");
  verb->add_flag("--breakdown", options.breakdown, "A line per operator");
  add_common(verb, common);
  verb->callback([&] { predict_command(options, common); });
}

// What the verbs below `predictor` share.
void add_predictor_space(CLI::App* verb, PredictorOptions& options) {
  verb->option_defaults()->always_capture_default();
  verb->add_option("--space", options.space, "Search space: preset or JSON file");
  verb->add_option("--vocabulary", options.vocabulary, "Of its networks (-1: the space's own)")
      ->check(CLI::Range(-1, 1 << 20));
}

void add_predictor_workload(CLI::App* verb, PredictorOptions& options) {
  verb->add_option("--length", options.length, "Sequence length")->check(CLI::Range(1, 1 << 20));
  verb->add_option("--mode", options.mode, "prefill or decode")
      ->check(CLI::IsMember(accel_sim::kModeWords.all()));
}

void add_predictor_check(CLI::App* verb, PredictorOptions& options) {
  verb->add_option("--networks", options.networks, "Networks to check with")
      ->check(CLI::Range(2, 1'000'000));
  verb->add_option("--seed", options.seed, "Of their choice");
}

CLI::App* add_predictor_verbs(CLI::App& app, PredictorOptions& options, CommonOptions& common) {
  CLI::App* predictor = app.add_subcommand("predictor", "Make and check latency predictors");
  predictor->require_subcommand(1);
  CLI::App* build = predictor->add_subcommand(
      "build", "Price a space's operators on simulated hardware, check, write a predictor");
  add_predictor_space(build, options);
  build->add_option("--hardware", options.hardware, "Preset or JSON file");
  add_predictor_workload(build, options);
  add_predictor_check(build, options);
  build->add_option("--output", options.output, "File to write")->required();
  add_common(build, common);
  build->callback([&] { predictor_build_command(options, common); });

  CLI::App* check = predictor->add_subcommand("check", "Compare with whole-network simulations");
  check->add_option("PREDICTOR", options.file, "A predictor's file")->required();
  add_predictor_space(check, options);
  add_predictor_check(check, options);
  add_common(check, common);
  check->callback([&] { predictor_check_command(options, common); });

  CLI::App* list = predictor->add_subcommand("operators", "A space's operators, as CSV to fill in");
  add_predictor_space(list, options);
  add_predictor_workload(list, options);
  add_common(list, common);
  list->callback([&] { predictor_operators_command(options, common); });

  CLI::App* measured = predictor->add_subcommand("import", "Make a predictor of measurements");
  measured->add_option("CSV", options.file, "Operators with latency and energy")->required();
  measured->add_option("--device", options.device, "Its name")->required();
  add_predictor_space(measured, options);
  add_predictor_workload(measured, options);
  measured->add_option("--clock-mhz", options.clock_mhz, "Of the column latency_cycles")
      ->check(CLI::Range(1e-3, 1e6))
      ->check(is_number());
  measured->add_option("--output", options.output, "File to write")->required();
  add_common(measured, common);
  measured->callback([&] { predictor_import_command(options, common); });
  return predictor;
}

void add_fit_verb(CLI::App* predictor, PredictorFitOptions& options, CommonOptions& common) {
  latency_predictor::FitOptions& fit = options.fit;
  CLI::App* verb =
      predictor->add_subcommand("fit", "Learn a model over lengths and hardware from samples");
  verb->option_defaults()->always_capture_default();
  verb->add_option("--space", options.space, "Search space: preset or JSON file");
  verb->add_option("--hardware", options.hardware, "What is not varied: preset or JSON file");
  verb->add_option("--shortest", fit.shortest, "Sequence length");
  verb->add_option("--longest", fit.longest, "Sequence length");
  verb->add_option("--array-size", fit.array_size, "Values to combine")->delimiter(',');
  verb->add_option("--scratchpad-kib", fit.scratchpad_kib, "Values to combine")->delimiter(',');
  verb->add_option("--accumulator-kib", fit.accumulator_kib, "Values to combine")->delimiter(',');
  verb->add_option("--bus-bytes-per-cycle", fit.bus_bytes_per_cycle, "Values to combine")
      ->delimiter(',');
  verb->add_option("--samples", fit.samples, "Operators to simulate")
      ->check(CLI::Range(1, latency_predictor::kMostSamples));
  verb->add_option("--networks", options.networks, "Held-out networks to measure errors on")
      ->check(CLI::Range(2, 100000));
  verb->add_option("--seed", fit.seed, "Of all choices");
  verb->add_flag("--curve", options.curve, "Also print errors against the number of samples");
  verb->add_option("--output", options.output, "File to write")->required();
  add_common(verb, common);
  verb->callback([&] { predictor_fit_command(options, common); });
}

// CLI11 says only that a subcommand is required.
void require_known_verb(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return;
  std::vector<std::string> verbs;
  for (const CLI::App* verb : app.get_subcommands({})) verbs.push_back(verb->get_name());
  if (std::find(verbs.begin(), verbs.end(), argv[1]) == verbs.end())
    throw InputError("unknown verb \"" + std::string(argv[1]) + "\"" +
                     did_you_mean(argv[1], verbs) + " (see --help)");
}

int run(int argc, char** argv) {
  CLI::App app{"Paretoformer: hardware-aware neural architecture search for Transformers"};
  app.set_version_flag("--version", PARETOFORMER_VERSION);
  app.require_subcommand(1);
  CommonOptions common;
  RunArguments arguments;

  CLI::App* search =
      add_run_verb(app, "search", "Train a supernet, search, write the front", arguments, common);
  search->add_flag("--resume", arguments.options.resume, "Continue an interrupted run");
  search->add_option("--algorithm", arguments.algorithm, "evolution, nsga2, random, ...");
  search->add_option("--seed-architectures", arguments.seed_architectures,
                     "Networks to begin with: JSON file of one, of a list, or of a front");
  search->callback([&] { search_command(arguments.resolved(), common); });

  CLI::App* train = add_run_verb(app, "train", "Train the supernet only", arguments, common);
  train->add_flag("--resume", arguments.options.resume, "Continue an interrupted training");
  train->callback([&] { train_command(arguments.resolved(), common); });

  CompareOptions contest;
  add_compare_verb(app, arguments, contest, common);

  FidelityOptions alone;
  CLI::App* fidelity = add_run_verb(
      app, "fidelity", "Train some networks alone: is the supernet's ranking to be trusted?",
      arguments, common);
  fidelity->add_flag("--resume", arguments.options.resume, "Continue a run, whatever it has");
  fidelity->add_option("--networks", alone.networks, "Networks to train alone")
      ->check(CLI::Range(2, 10000))
      ->capture_default_str();
  fidelity->add_option("--steps-alone", alone.steps, "Steps of each (0: as many as the supernet)")
      ->check(CLI::Range(0, 100'000'000))
      ->capture_default_str();
  fidelity->callback([&] { fidelity_command(arguments.resolved(), alone, common); });

  CLI::App* validate =
      add_run_verb(app, "validate", "Check a configuration and its text", arguments, common);
  validate->callback([&] { validate_command(arguments.resolved(), common); });

  std::string run_folder, architecture, weights;
  CLI::App* evaluate =
      app.add_subcommand("evaluate", "Perplexity and cost of one architecture in a run");
  evaluate->add_option("RUN", run_folder, "Run folder")->required();
  evaluate->add_option("ARCHITECTURE", architecture, "Architecture or exported JSON file")
      ->required();
  evaluate->add_option("--weights", weights, "Exported weights instead of the supernet's slice");
  add_common(evaluate, common);
  evaluate->callback([&] { evaluate_command(run_folder, architecture, weights, common); });

  PredictOptions prediction;
  add_predict_verb(app, prediction, common);
  PredictorOptions predictor;
  PredictorFitOptions fit;
  add_fit_verb(add_predictor_verbs(app, predictor, common), fit, common);

  SimulateOptions simulation;
  CLI::App* simulate = add_simulate_verb(app, simulation, common);
  simulate->callback([&] { simulate_command(simulation, common); });

  ProfileOptions workload;
  add_profile_verb(app, workload, common);

  MapOptions mapping;
  CLI::App* map = add_map_verb(app, mapping, common);
  map->callback([&] { map_command(mapping, common); });

  FinetuneOptions tuning;
  CLI::App* finetune = add_finetune_verb(app, tuning, common);
  finetune->callback([&] { finetune_command(tuning, common); });

  std::string target;
  CLI::App* export_verb = app.add_subcommand("export", "Write every network of a run's front");
  export_verb->add_option("RUN", run_folder, "Run folder")->required();
  export_verb->add_option("--output", target, "Target folder (default: RUN/export)");
  add_common(export_verb, common);
  export_verb->callback([&] { export_command(run_folder, target, common); });

  CLI::App* report =
      app.add_subcommand("report", "Write the report of a run again, finished or not");
  report->add_option("RUN", run_folder, "Run folder")->required();
  add_common(report, common);
  report->callback([&] { report_command(run_folder, common); });

  require_known_verb(app, argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0)
      return complain(kBadInput, std::string(error.what()) + " (see --help)");
    std::ostringstream answer;  // --help, --version
    app.exit(error, answer, answer);
    print(answer.str());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  usual_end = std::set_terminate(end_terminated);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file too large is then an ordinary write error
  try {
    occupy_standard_descriptors();
    watch_signals();
    return run(argc, argv);
  } catch (const Interrupted& error) {
    end_interrupted(
        printable(std::string("interrupted: ") + error.what() + "; continue with --resume"));
  } catch (const InputError& error) {
    return complain(kBadInput, error.what());
  } catch (const std::bad_alloc&) {
    complain_of_memory();
    return kFailure;
  } catch (const std::exception& error) {
    return complain(kFailure, error.what());
  }
}
