// What a search costs beside the evaluations of losses that it is for: whole searches in run
// folders, with every second on one account.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/command_main.hpp"
#include "nas/core/search.hpp"
#include "nas/run/loss_cache.hpp"
#include "nas/run/proxy_task.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "nas/run/supernet_losses.hpp"
#include "support/statistics.hpp"
#include "tests/temporary_folder.hpp"

namespace {

using namespace paretoformer;

// Where time goes. Costs are those of the networks of a generation, with the decision which losses
// to complete; proposing has the costs of all that was drawn, and reading the archive.
enum Account : std::size_t { kLosses, kProposing, kCosts, kCache, kHistory, kRecords, kAccounts };

using Seconds = std::array<double, kAccounts>;

// Charges the time since the last charge to one account.
class Ledger {
 public:
  void charge(Account account) {
    const double now = seconds_of(CLOCK_MONOTONIC);
    const double busy = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    seconds_[account] += now - last_;
    busy_[account] += busy - last_busy_;
    last_ = now;
    last_busy_ = busy;
  }
  const Seconds& seconds() const { return seconds_; }
  // Processor time of all threads.
  const Seconds& busy() const { return busy_; }

 private:
  static double seconds_of(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }

  double last_ = seconds_of(CLOCK_MONOTONIC);
  double last_busy_ = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
  Seconds seconds_{}, busy_{};
};

struct Search {
  std::size_t evaluations = 0, front = 0;
  Seconds seconds, busy;
};

// `source`, with all since the last charge on `before`, which is `then` at the next call, and the
// call itself on `during`.
nas::LossSource charged(nas::LossSource source, Ledger& ledger, Account& before, Account during,
                        Account then) {
  nas::LossSource result = source;
  result.sums = [source = std::move(source), &ledger, &before, during, then](
                    std::span<const Architecture> networks, nas::LossPart part) {
    ledger.charge(before);
    before = then;
    std::vector<double> sums = source.sums(networks, part);
    ledger.charge(during);
    return sums;
  };
  return result;
}

// As the command `search` does it, in a new folder with an empty cache.
Search search_once(const nas::RunConfig& config, nas::ProxyTask& proxy,
                   const latency_predictor::LatencyPredictor& predictor) {
  nas::RunFolder folder = nas::RunFolder::open(config, false);
  folder.keep();
  nas::LossCache cache(folder.losses(), loss_key(proxy));
  Ledger ledger;
  Account before = kProposing, before_losses = kCache;
  const nas::LossSource losses =
      charged(supernet_losses(proxy), ledger, before_losses, kLosses, kCache);
  nas::CandidateEvaluator evaluator(charged(cached(losses, cache), ledger, before, kCache, kCosts),
                                    predictor, proxy.context());
  nas::SearchHooks hooks;
  hooks.on_candidates = [&](std::span<const nas::Candidate>) { ledger.charge(kHistory); };
  hooks.watch.on_progress = [&](const Progress&) { ledger.charge(kRecords); };
  hooks.on_generation = [&](const nas::GenerationRecord&) {
    ledger.charge(kRecords);
    before = kProposing;
  };
  const nas::Archive archive = run_search(folder, proxy, evaluator, hooks).archive;
  ledger.charge(kRecords);
  return {archive.size(), archive.front().size(), ledger.seconds(), ledger.busy()};
}

double median(const std::vector<Search>& searches, double (*value)(const Search&)) {
  std::vector<double> values;
  for (const Search& search : searches) values.push_back(value(search));
  return quartiles(values).median;
}

double sum(const Seconds& seconds) { return std::accumulate(seconds.begin(), seconds.end(), 0.0); }

double overhead(const Search& search) { return sum(search.seconds) / search.seconds[kLosses]; }

// The same without neighbours on the machine and waits for the disk: of processor time, which
// losses spend on all cores and everything else on one.
double busy_overhead(const Search& search) {
  const double cores = std::max(1U, std::thread::hardware_concurrency());
  return 1 + (sum(search.busy) - search.busy[kLosses]) * cores / search.busy[kLosses];
}

// In per cent of the losses.
template <Account account>
double share(const Search& search) {
  return 100 * search.seconds[account] / search.seconds[kLosses];
}

void print(const std::string& name, bool quarter_first, const std::vector<Search>& searches) {
  std::vector<double> ratios;
  for (const Search& search : searches) ratios.push_back(overhead(search));
  const auto [least, most] = std::minmax_element(ratios.begin(), ratios.end());
  std::printf("| %s | %s | %zu | %zu | %.1f | %.3f (%.3f..%.3f) | %.3f |", name.c_str(),
              quarter_first ? "first" : "-", searches.front().evaluations, searches.front().front,
              median(searches, [](const Search& s) { return s.seconds[kLosses]; }),
              quartiles(ratios).median, *least, *most, median(searches, busy_overhead));
  for (double (*value)(const Search&) :
       {share<kProposing>, share<kCosts>, share<kCache>, share<kHistory>, share<kRecords>})
    std::printf(" %.2f |", median(searches, value));
  std::printf("\n");
  std::fflush(stdout);
}

// Both ways to score in turns, with the same weights.
void measure(const std::string& name, const std::vector<std::string>& overrides, int rounds) {
  const TemporaryFolder temporary;
  nas::RunConfig config = nas::load_run_config(name, overrides);
  config.run = temporary / "weights";
  nas::ProxyTask proxy(config, temporary / "cache");
  {
    nas::RunFolder weights = nas::RunFolder::open(config, false);
    weights.keep();
    proxy.train(weights, {});
  }
  const latency_predictor::LatencyPredictor predictor = predictor_in_place(config, proxy.space());
  std::array<std::vector<Search>, 2> searches;
  for (int round = 0; round < rounds; ++round)
    for (bool quarter_first : {false, true}) {
      config.search.quarter_first = quarter_first;
      config.run = temporary / fmt::format("search{}.{:d}", round, quarter_first);
      searches[quarter_first].push_back(search_once(config, proxy, predictor));
    }
  for (bool quarter_first : {false, true}) print(name, quarter_first, searches[quarter_first]);
}

int run(int count, char** arguments) {
  CLI::App app("The time of a search over that of its evaluations of losses");
  std::vector<std::string> names{"quickstart", "enumerable"};
  std::vector<std::string> overrides{"training.steps=300"};
  int rounds = 3;
  app.add_option("--config", names, "Configurations, as for `paretoformer search`")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--set", overrides, "Overrides, as there; little depends on how long is trained")
      ->capture_default_str();
  app.add_option("--rounds", rounds, "Searches of each kind; medians count")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  CLI11_PARSE(app, count, arguments);

  std::printf("| configuration | quarter | evaluations | front | losses, s | all over losses ");
  std::printf("| undisturbed | proposing, %% | costs | cache | history | records |\n");
  std::printf("|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (const std::string& name : names) measure(name, overrides, rounds);
  return EXIT_SUCCESS;
}

}  // namespace

int main(int count, char** arguments) {
  return command_main("search_overhead_bench", [=] { return run(count, arguments); });
}
