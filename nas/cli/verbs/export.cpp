#include <fmt/format.h>

#include <string>

#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/export/network_export.hpp"
#include "nas/run/confirmation.hpp"
#include "nas/run/front_file.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "support/json.hpp"
#include "support/words.hpp"

namespace paretoformer::nas {
namespace {

struct ExportOptions {
  std::filesystem::path run_folder, target;
  std::string format{exporters().front().name};
  MemberChoice choice;
  bool all = false;
};

void export_networks(const ExportOptions& options, const CommonOptions& common) {
  const Exporter& exporter = row_named(exporters(), options.format, "--format");
  const RunFolder run = RunFolder::read(options.run_folder);
  ProxyTask proxy(run.config(), run.cache());
  proxy.load_weights(run);
  const Archive archive = load_evaluated(run, proxy.designs());
  require_front(archive);
  const FinalFront front = load_final_front(run, proxy, predictor_of(run, proxy.space()), archive);
  const std::filesystem::path to = options.target.empty() ? run.exports() : options.target;
  const auto [written, refused] =
      export_front(run, proxy, archive, front, to, exporter, options.choice);
  if (common.json) {
    Json answer{{"folder", to.string()}, {"networks", written}};
    if (!refused.empty()) answer["refused"] = refused;
    return print(to_text(answer));
  }
  print(fmt::format("{} network{} of the front: ", written, written == 1 ? "" : "s") +
        path_text(to) + "\n");
  if (!refused.empty())
    print(fmt::format("{} are not written, the first of them: {}\n", refused.size(), refused[0]));
}

}  // namespace

void add_export(CLI::App& app, CommonOptions& common) {
  CLI::App* verb =
      app.add_subcommand("export", "Write networks of a run's front as files for other programs");
  ExportOptions& given = options_of(verb, common, export_networks);
  verb->add_option("RUN", given.run_folder, "Run folder")->required();
  verb->add_option("--output", given.target, "Target folder (default: RUN/export)");
  std::string formats;
  for (const Exporter& each : exporters())
    formats += fmt::format("{}{}: {}", formats.empty() ? "" : "; ", each.name, each.meaning);
  verb->add_option("--format", given.format, formats)->capture_default_str();
  add_choice(verb, given.choice);
  verb->add_flag("--all", given.all, "Every member of the front (default)");
  add_common(verb, common);
}

}  // namespace paretoformer::nas
