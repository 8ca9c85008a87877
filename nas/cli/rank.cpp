#include "nas/cli/rank.hpp"

#include <fmt/format.h>
#include <oneapi/tbb/global_control.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "nas/cli/command_io.hpp"
#include "nas/cluster/rank_work.hpp"
#include "nas/cluster/spread_losses.hpp"
#include "nas/run/supernet_losses.hpp"
#include "supernet/training/sharded_backend.hpp"
#include "support/bytes.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "support/log.hpp"
#include "support/unfinished.hpp"

namespace paretoformer::nas {
namespace {

namespace fs = std::filesystem;
using Control = tbb::global_control;

// Seconds that ranks train networks alone for before rank 0 has their checkpoints, which are
// otherwise the configuration's affair: less is lost in sending them, and they stop soon.
constexpr double kShortestShare = 1, kLongestShare = 60;

// A new one.
fs::path scratch_folder() {
  std::string name = (fs::temp_directory_path() / "paretoformer-rank-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    throw Error(name + ": cannot create: " + std::strerror(errno));
  return name;
}

LossIdentity own_identity(const LossSource& source, ProxyTask& proxy) {
  return identity_of(source, loss_key(proxy), proxy.space().largest());
}

// Text and weights of one rank, and its losses.
class Prepared {
 public:
  Prepared(const Json& setup, const std::string& weights)
      : config_(run_config_from_json(JsonNode(setup.at("config"), "configuration"), "")),
        threads_(Control::max_allowed_parallelism, setup.at("threads").get<std::size_t>()),
        proxy_(config_, {}) {
    std::vector<float> values(weights.size() / sizeof(float));
    std::memcpy(values.data(), weights.data(), values.size() * sizeof(float));
    proxy_.use_weights(std::move(values));
  }
  const RunConfig& config() const { return config_; }
  const ProxyTask& proxy() const { return proxy_; }
  RankLosses losses() {
    const LossSource source = supernet_losses(proxy_, asks_for_int8(config_));
    return {source, own_identity(source, proxy_)};
  }

 private:
  RunConfig config_;
  Control threads_;
  ProxyTask proxy_;
};

Json setup_of(const RunConfig& config) {
  Json needed = to_json(config);
  needed.erase("predictor");  // a file, for prices, which are rank 0's affair
  return {{"config", needed}, {"threads", Control::active_value(Control::max_allowed_parallelism)}};
}

void take_part_in_training(Communicator& ranks, const Json& setup) {
  const Control threads(Control::max_allowed_parallelism, setup.at("threads").get<std::size_t>());
  supernet::serve_training(ranks, [&]() -> supernet::TrainingSetup {
    const RunConfig config =
        run_config_from_json(JsonNode(setup.at("config"), "configuration"), "");
    const SearchSpace space = config.space.with_vocabulary(setup.at("vocabulary").get<int>());
    return {{space, config.training.context}, config.training};
  });
}

// Networks that are trained alone, of some of which a rank has the files for a while.

std::string packed(const fs::path& folder, const std::vector<std::string>& files) {
  std::string bytes;
  for (const std::string& file : files) {
    append_text(bytes, file);
    append_text(bytes, read_file(folder / file));
  }
  return bytes;
}

void unpack(std::string_view bytes, const fs::path& folder) {
  while (!bytes.empty()) {
    const fs::path name = std::string(take_text(bytes));
    if (name != name.filename()) throw Error(name.string() + ": expected the name of a file");
    write_file_atomic(folder / name, take_text(bytes));
  }
}

std::vector<std::string> files_of(const StandaloneWork& work) {
  std::vector<std::string> all;
  for (const Architecture& network : work.networks)
    for (std::string& file :
         standalone_files(work.folder, standalone_name(work.config, network, work.steps)))
      all.push_back(std::move(file));
  return all;
}

// Until all are finished, or time is up.
void train_for(double seconds, const StandaloneWork& work, const Watch& watch) {
  const Stopwatch stopwatch;
  std::stop_source stop;
  const std::stop_callback passed_on(watch.stop, [&] { stop.request_stop(); });
  const Watch limited{[&](const Progress& progress) {
                        if (stopwatch.seconds() > seconds) stop.request_stop();
                        watch.report(progress);
                      },
                      stop.get_token(),
                      [&] {
                        if (watch.stop.stop_requested() && watch.on_stop) watch.on_stop();
                      }};
  try {
    train_standalone(work, limited);
  } catch (const Interrupted&) {  // another time
  }
}

std::string train_share(const Prepared& prepared, const std::string& part) {
  std::string_view content = part;
  const Json json = parse_json(std::string(take_text(content)), "what rank 0 asks");
  std::vector<Architecture> networks;
  for (const JsonNode& node : JsonNode(json.at("networks"), "what rank 0 asks").elements())
    networks.push_back(architecture_from_json(node));
  const fs::path folder = scratch_folder();
  const Unfinished scratch(folder);  // gone with all that is in it
  unpack(content, folder);
  const StandaloneWork work{prepared.config(), prepared.proxy(), std::move(networks),
                            json.at("steps").get<int>(), folder};
  train_for(json.at("seconds").get<double>(), work, {});
  return packed(folder, files_of(work));
}

std::string part_text(const StandaloneWork& share, double seconds) {
  Json networks = Json::array();
  for (const Architecture& network : share.networks) networks.push_back(to_json(network));
  std::string part;
  append_text(part,
              Json{{"networks", networks}, {"steps", share.steps}, {"seconds", seconds}}.dump());
  return part + packed(share.folder, files_of(share));
}

// What is not finished, dealt out.
std::vector<StandaloneWork> shares_of(const StandaloneWork& work, int ranks) {
  std::vector<StandaloneWork> shares(
      static_cast<std::size_t>(ranks),
      StandaloneWork{work.config, work.proxy, {}, work.steps, work.folder});
  std::size_t next = 0;
  for (const Architecture& network : work.networks)
    if (!is_finished(work.folder, standalone_name(work.config, network, work.steps)))
      shares[next++ % shares.size()].networks.push_back(network);
  return shares;
}

}  // namespace

void train_on_ranks(Communicator& ranks, const StandaloneWork& work, const Watch& watch) {
  const double seconds =
      std::clamp(work.config.training.checkpoint_seconds, kShortestShare, kLongestShare);
  for (;;) {
    const std::vector<StandaloneWork> shares = shares_of(work, ranks.size());
    std::size_t left = 0;
    for (const StandaloneWork& share : shares) left += share.networks.size();
    const std::size_t finished = work.networks.size() - left;
    if (left == 0) return;
    if (watch.stopping())
      throw Interrupted("stopped with " + std::to_string(finished) + " of " +
                        std::to_string(work.networks.size()) + " networks trained");
    std::vector<std::string> parts;
    for (const StandaloneWork& share : shares) parts.push_back(part_text(share, seconds));
    // What others do shows when it is finished.
    const Watch own = watch.part([&](const Progress& progress) {
      watch.report({progress.work, static_cast<std::int64_t>(finished) * work.steps + progress.done,
                    static_cast<std::int64_t>(work.networks.size()) * work.steps,
                    fmt::format("steps, {} of {} networks", finished, work.networks.size())});
    });
    const std::vector<std::string> files = share_out(ranks, parts, [&] {
      train_for(seconds, shares[0], own);
      return std::string();
    });
    for (std::size_t rank = 1; rank < files.size(); ++rank) unpack(files[rank], work.folder);
  }
}

void work_as_rank(Communicator& ranks) {
  set_log_level(LogLevel::kOff);  // errors go to rank 0, which says them
  std::unique_ptr<Prepared> prepared;
  RankWork work;
  work.losses = [&](const std::string& setup, const std::string& weights) {
    prepared.reset();
    prepared = std::make_unique<Prepared>(parse_json(setup, "set-up"), weights);
    return prepared->losses();
  };
  work.part = [&](const std::string& part) {
    if (!prepared) throw Error("has no text");
    return train_share(*prepared, part);
  };
  work.train = [&](const std::string& setup) {
    prepared.reset();
    take_part_in_training(ranks, parse_json(setup, "set-up"));
  };
  serve(ranks, work);
}

supernet::TrainingRanks training_ranks(Communicator* ranks, const RunConfig& config,
                                       const ProxyTask& proxy) {
  if (!ranks || ranks->size() == 1 || config.training.shards == 1) return {};
  Json setup = setup_of(config);
  setup["vocabulary"] = proxy.space().vocabulary();
  return {ranks, call_to_train(setup.dump())};
}

LossSource losses_of_ranks(Communicator& ranks, const RunConfig& config, ProxyTask& proxy,
                           LossSource source) {
  const std::vector<float>& weights = proxy.weights();
  const LossIdentity identity = own_identity(source, proxy);
  return spread(std::move(source), ranks, identity, setup_of(config).dump(),
                {reinterpret_cast<const char*>(weights.data()), weights.size() * sizeof(float)});
}

}  // namespace paretoformer::nas
