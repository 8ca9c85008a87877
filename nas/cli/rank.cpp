#include "nas/cli/rank.hpp"

#include <oneapi/tbb/global_control.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "nas/cluster/spread_losses.hpp"
#include "nas/run/supernet_losses.hpp"
#include "supernet/training/sharded_backend.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "support/log.hpp"

namespace paretoformer::nas {
namespace {

using Control = tbb::global_control;

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

}  // namespace

void work_as_rank(Communicator& ranks) {
  set_log_level(LogLevel::kOff);  // errors go to rank 0, which says them
  std::unique_ptr<Prepared> prepared;
  RankWork work;
  work.losses = [&](const std::string& setup, const std::string& weights) {
    prepared.reset();
    prepared = std::make_unique<Prepared>(parse_json(setup, "set-up"), weights);
    return prepared->losses();
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
