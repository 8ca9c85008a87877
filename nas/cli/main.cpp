// The command line: its verbs, errors to one line and an exit status.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "nas/cli/command_io.hpp"
#include "nas/cli/interruption.hpp"
#include "nas/cli/rank.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/cluster/mpi.hpp"
#include "nas/cluster/rank_work.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "support/log.hpp"
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
    log_in_file("error: " + message);
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

// CLI11 says only that a subcommand is required.
void require_known_verb(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return;
  std::vector<std::string> verbs;
  for (const CLI::App* verb : app.get_subcommands({})) verbs.push_back(verb->get_name());
  if (std::find(verbs.begin(), verbs.end(), argv[1]) == verbs.end())
    throw InputError("unknown verb \"" + std::string(argv[1]) + "\"" +
                     did_you_mean(argv[1], verbs) + " (see --help)");
}

int run(int argc, char** argv, Communicator* ranks) {
  CLI::App app{"Paretoformer: hardware-aware neural architecture search for Transformers"};
  app.set_version_flag("--version", PARETOFORMER_VERSION);
  app.require_subcommand(1);
  CommonOptions common;
  common.ranks = ranks;
  set_log_level(LogLevel::kNotice);
  for (const AddVerb add : kVerbs) add(app, common);

  std::string command = "paretoformer " PARETOFORMER_VERSION ":";
  for (int i = 1; i < argc; ++i) command += std::string(" ") + argv[i];
  log_in_file(command);
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

// Verbs that several ranks work on together. Of others, each launched process is one by itself.
bool is_for_ranks(int argc, char** argv) {
  constexpr std::string_view kForRanks[] = {"search", "train", "compare", "fidelity"};
  return argc > 1 &&
         std::find(std::begin(kForRanks), std::end(kForRanks), argv[1]) != std::end(kForRanks);
}

// The other ranks go when rank 0 does.
struct Leave {
  void operator()(Communicator* ranks) const {
    if (ranks->rank() == 0) dismiss(*ranks);
    delete ranks;
  }
};

int run_on_ranks(int argc, char** argv) {
  const std::unique_ptr<Communicator, Leave> ranks(is_for_ranks(argc, argv) ? join_ranks().release()
                                                                            : nullptr);
  if (!ranks || ranks->rank() == 0) return run(argc, argv, ranks.get());
  work_as_rank(*ranks);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  usual_end = std::set_terminate(end_terminated);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file too large is then an ordinary write error
  try {
    occupy_standard_descriptors();
    // Other ranks have nothing to save and nothing to say.
    if (!is_for_ranks(argc, argv) || launched().rank == 0) watch_signals();
    return run_on_ranks(argc, argv);
  } catch (const Interrupted& error) {
    const std::string text = std::string("interrupted: ") + error.what();
    log_in_file(text);
    end_interrupted(printable(text + "; continue with --resume"));
  } catch (const InputError& error) {
    return complain(kBadInput, error.what());
  } catch (const std::bad_alloc&) {
    complain_of_memory();
    return kFailure;
  } catch (const std::exception& error) {
    return complain(kFailure, error.what());
  }
}
