// Command-line options that several verbs have.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "nas/cli/options.hpp"
#include "nas/core/final_front.hpp"

namespace paretoformer::nas {

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
};

// Adds a verb that takes CONFIG, --set and --run, and --resume if `resume` says what that does.
CLI::App* add_run_verb(CLI::App& app, const std::string& name, const std::string& help,
                       RunArguments& arguments, CommonOptions& common,
                       const std::string& resume = "");

// Adds --knee, --best, --limit and --id, which fill `choice`.
void add_choice(CLI::App* verb, MemberChoice& choice);

// Adds --hardware, and what says the workload, which is returned.
CLI::Option* add_batch(CLI::App* verb, std::optional<int>& batch);
std::vector<CLI::Option*> add_pricing(CLI::App* verb, PricingOptions& given);

}  // namespace paretoformer::nas
