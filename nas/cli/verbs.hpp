// The verbs of the command line. A verb is one file of verbs/: its options, its help and what it
// does. It prints its answer on standard output, as text or, with --json, as one JSON document;
// logs and progress go to standard error.
#pragma once

#include "nas/cli/options.hpp"

namespace CLI {
class App;
}

namespace paretoformer::nas {

// Adds a verb (or two that are alike) with its options, which then runs when the command line is
// parsed. `common` is filled in by then, and outlives the application.
using AddVerb = void (*)(CLI::App&, CommonOptions& common);

void add_search(CLI::App& app, CommonOptions& common);
void add_train(CLI::App& app, CommonOptions& common);
void add_compare(CLI::App& app, CommonOptions& common);
void add_front(CLI::App& app, CommonOptions& common);
void add_fidelity(CLI::App& app, CommonOptions& common);
void add_validate(CLI::App& app, CommonOptions& common);
void add_evaluate(CLI::App& app, CommonOptions& common);
void add_predict(CLI::App& app, CommonOptions& common);
void add_predictor(CLI::App& app, CommonOptions& common);
void add_simulate(CLI::App& app, CommonOptions& common);
void add_profile(CLI::App& app, CommonOptions& common);
void add_map(CLI::App& app, CommonOptions& common);
void add_finetune(CLI::App& app, CommonOptions& common);
void add_export(CLI::App& app, CommonOptions& common);
void add_show(CLI::App& app, CommonOptions& common);
void add_study(CLI::App& app, CommonOptions& common);
void add_report(CLI::App& app, CommonOptions& common);
void add_schema(CLI::App& app, CommonOptions& common);
void add_worker(CLI::App& app, CommonOptions& common);

// In the order of --help.
inline constexpr AddVerb kVerbs[] = {
    add_search,   add_worker,  add_train,     add_compare,  add_front,   add_fidelity, add_validate,
    add_evaluate, add_predict, add_predictor, add_simulate, add_profile, add_map,      add_finetune,
    add_export,   add_show,    add_study,     add_report,   add_schema};

}  // namespace paretoformer::nas
