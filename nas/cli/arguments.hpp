// Command-line options that several verbs have.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nas/cli/command_io.hpp"
#include "nas/cli/options.hpp"
#include "nas/core/final_front.hpp"

namespace paretoformer::nas {

struct RunConfig;

// The options of a verb, which live as long as it. `run` is called with them when the verb is
// parsed, and keeps to --threads threads.
template <typename Options>
Options& options_of(CLI::App* verb, const CommonOptions& common,
                    void (*run)(const Options&, const CommonOptions&)) {
  const auto options = std::make_shared<Options>();
  verb->callback([options, run, &common] {
    const auto threads = limit_threads(common);
    run(*options, common);
  });
  return *options;
}

// --json, --quiet, --verbose and --threads.
void add_common(CLI::App* verb, CommonOptions& common);

// A check of a number: NaN is within every range.
CLI::Validator is_number();

// What the verbs that begin with a configuration are given.
struct RunArguments {
  RunOptions options;
  std::string folder, algorithm;
  std::filesystem::path seed_architectures, start;

  // With all that was given as overrides. Throws InputError.
  RunOptions resolved() const;
  RunConfig config() const;  // of these; throws what load_run_config() throws
};

// Adds CONFIG, --set, --run and the common ones, and --resume if `resume` says what that does.
void add_run(CLI::App* verb, RunArguments& arguments, CommonOptions& common,
             const std::string& resume = "");

// Adds --knee, --best, --limit and --id, which fill `choice`.
void add_choice(CLI::App* verb, MemberChoice& choice);

// Adds --hardware, and what says the workload, which is returned.
CLI::Option* add_batch(CLI::App* verb, std::optional<int>& batch);
std::vector<CLI::Option*> add_pricing(CLI::App* verb, PricingOptions& given);

}  // namespace paretoformer::nas
