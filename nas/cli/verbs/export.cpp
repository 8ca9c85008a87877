#include <fmt/format.h>

#include <memory>
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

void export_networks(const std::filesystem::path& folder, const std::filesystem::path& target,
                     const std::string& format, const MemberChoice& choice,
                     const CommonOptions& common) {
  const Exporter& exporter = row_named(exporters(), format, "--format");
  const RunFolder run = RunFolder::read(folder);
  ProxyTask proxy(run.config(), run.cache());
  proxy.load_weights(run);
  const Archive archive = load_evaluated(run, proxy.designs());
  require_front(archive);
  const FinalFront front = load_final_front(run, proxy, predictor_of(run, proxy.space()), archive);
  const std::filesystem::path to = target.empty() ? run.exports() : target;
  const auto [written, refused] = export_front(run, proxy, archive, front, to, exporter, choice);
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
  struct Given {
    std::string run_folder, target, format{exporters().front().name};
    MemberChoice choice;
    bool all = false;
  };
  const auto given = std::make_shared<Given>();
  CLI::App* verb =
      app.add_subcommand("export", "Write networks of a run's front as files for other programs");
  verb->add_option("RUN", given->run_folder, "Run folder")->required();
  verb->add_option("--output", given->target, "Target folder (default: RUN/export)");
  std::string formats;
  for (const Exporter& each : exporters())
    formats += fmt::format("{}{}: {}", formats.empty() ? "" : "; ", each.name, each.meaning);
  verb->add_option("--format", given->format, formats)->capture_default_str();
  add_choice(verb, given->choice);
  verb->add_flag("--all", given->all, "Every member of the front (default)");
  add_common(verb, common);
  verb->callback([given, &common] {
    export_networks(given->run_folder, given->target, given->format, given->choice, common);
  });
}

}  // namespace paretoformer::nas
