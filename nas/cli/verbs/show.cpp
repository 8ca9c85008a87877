#include <optional>
#include <string>

#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/report/front_report.hpp"
#include "nas/report/terminal_report.hpp"
#include "nas/run/confirmation.hpp"
#include "nas/run/front_file.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

struct Shown {
  std::string run_folder;
  MemberChoice choice;
  bool all = false;
};

// The front as if it were the chosen members alone.
FinalFront narrowed(FinalFront front, const MemberChoice& choice) {
  if (choice.is_all()) return front;
  std::vector<FrontMember> members;
  for (const std::size_t i : chosen_members(front, choice)) members.push_back(front.members[i]);
  front.members = std::move(members);
  front.dropped.clear();
  return front;
}

void show_run(const Shown& given, const CommonOptions& common) {
  const RunFolder run = RunFolder::read(given.run_folder);
  const ProxyTask proxy(run.config(), run.cache());
  const Predictors predictors = predictors_of(run, proxy.space());
  const Archive archive = load_evaluated(run, proxy.designs());
  require_front(archive);
  const FinalFront front =
      narrowed(load_final_front(run, proxy, predictors, archive), given.choice);
  if (common.json) return print(to_text(front_json(run, proxy, archive, front)));
  const bool one = given.choice.knee || given.choice.best || !given.choice.id.empty();
  if (one)
    return print(
        member_chart(front.members[0], proxy.space(), predictors, run.config().hardware_space));
  const Candidate* largest = archive.find(architecture_id(proxy.designs().largest()));
  print(front_chart(archive, front) +
        front_table(proxy.corpus(), front,
                    largest ? std::optional(largest->objectives) : std::nullopt, 0, given.all,
                    run.config().hardware_space));
}

}  // namespace

void add_show(CLI::App& app, CommonOptions& common) {
  CLI::App* verb = app.add_subcommand(
      "show", "Draw a run's front, finished or not, or the layers of a network of it");
  Shown& given = options_of(verb, common, show_run);
  verb->add_option("RUN", given.run_folder, "Run folder")->required();
  add_choice(verb, given.choice);
  verb->add_flag("--all", given.all, "A line for every member, not a screen of them");
  add_common(verb, common);
}

}  // namespace paretoformer::nas
