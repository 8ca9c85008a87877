#include "supernet/training/sharded_backend.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "supernet/training/shards.hpp"
#include "support/bytes.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"

namespace paretoformer::supernet {
namespace {

// First bytes of what rank 0 says; nothing at all at the end of a training.
constexpr char kWeights = 'w', kGradients = 'g', kSum = 's', kApply = 'a', kHash = 'h';

template <class T>
std::uint64_t hash_of_values(std::span<const T> values) {
  return hash_bytes(values.data(), values.size_bytes());
}

std::uint64_t number_in(std::string_view bytes) {
  std::uint64_t number = 0;
  take_bytes(bytes, &number, 1);
  return number;
}

// A process's part of a training.
template <class T>
class Part {
 public:
  Part(const ParameterLayout& layout, const TrainingConfig& config, TrainingState<T>& state,
       Arithmetic arithmetic, Communicator* ranks)
      : layout_(layout),
        config_(config),
        backend_(make_backend(layout, shard_config(config), state, arithmetic)),
        sum_(layout.size(), config.shards, ranks) {}

  TrainingBackend<T>& backend() { return *backend_; }

  // Losses of the networks on the own shards, [shard][network].
  std::vector<double> gradients(const Batch& batch, std::span<const Architecture> networks) {
    std::vector<double> losses;
    sum_.add([&](int shard) {
      const ShardBatch part(config_, batch, shard);
      const std::span<const double> here = backend_->gradients(part.batch(), networks);
      losses.insert(losses.end(), here.begin(), here.end());
      return std::span<const T>(backend_->gradient());
    });
    return losses;
  }
  void sum() { backend_->set_gradient(sum_.mean()); }

  // Of the gradient of some text: processors that round otherwise have another one.
  std::uint64_t arithmetic() {
    const TrainingConfig shard = shard_config(config_);
    std::vector<std::int32_t> text;
    for (std::int64_t i = 0; i <= shard.tokens_per_network(); ++i)
      text.push_back(static_cast<std::int32_t>(i * i % layout_.vocabulary()));
    backend_->gradients(
        {text.data(), text.data() + 1, shard.sequences_per_network(), shard.context},
        {&layout_.largest(), 1});
    return hash_of_values<T>(backend_->gradient());
  }

 private:
  const ParameterLayout& layout_;
  TrainingConfig config_;
  std::shared_ptr<TrainingBackend<T>> backend_;
  ShardSum<T> sum_;
};

std::string number_bytes(std::uint64_t number) {
  std::string bytes;
  append_bytes(bytes, &number, 1);
  return bytes;
}

std::string loss_bytes(const std::vector<double>& losses) {
  std::string bytes;
  append_bytes(bytes, losses.data(), losses.size());
  return bytes;
}

template <class T>
class ShardedBackend : public TrainingBackend<T> {
 public:
  ShardedBackend(const ParameterLayout& layout, const TrainingConfig& config,
                 TrainingState<T>& state, Arithmetic arithmetic, const TrainingRanks& ranks)
      : config_(config),
        state_(state),
        ranks_(ranks.all),
        part_(layout, config, state, arithmetic, ranks.all) {
    if (!ranks_) return;
    ranks_->broadcast(ranks.call);
    called_ = std::unique_ptr<Communicator, End>(ranks_);
    send_weights();
  }

  void upload() override {
    part_.backend().upload();
    if (ranks_) send_weights();
  }

  void download() override {
    part_.backend().download();
    if (!ranks_) return;
    ranks_->broadcast(std::string(1, kHash));
    require_same(hash_of_values<T>(state_.parameters), [](const std::string& name) {
      throw Error(name + ": its weights are no longer those of rank 0");
    });
  }

  std::span<const double> gradients(const Batch& batch,
                                    std::span<const Architecture> networks) override {
    if (batch.sequences != config_.sequences_per_step(networks.size()) ||
        batch.length != config_.context)
      throw Error("the batch of a step is not what the trainer was made for");
    if (ranks_) {
      Json list = Json::array();
      for (const Architecture& network : networks) list.push_back(to_json(network));
      std::string said(1, kGradients);
      append_text(said, list.dump());
      append_bytes(said, batch.tokens, static_cast<std::size_t>(batch.rows()));
      append_bytes(said, batch.targets, static_cast<std::size_t>(batch.rows()));
      append_bytes(said, &batch.dropout, 1);
      ranks_->broadcast(std::move(said));
    }
    summed_ = false;
    const auto own = [&] { return loss_bytes(part_.gradients(batch, networks)); };
    std::string all;
    if (ranks_)
      for (const std::string& losses : ranks_->answers(answer(own))) all += losses;
    else
      all = own();
    losses_.assign(networks.size(), 0.0);
    std::string_view left = all;
    for (int shard = 0; shard < config_.shards; ++shard)
      for (double& loss : losses_) {
        double here = 0;
        take_bytes(left, &here, 1);
        loss += here;
      }
    for (double& loss : losses_) loss /= config_.shards;
    return losses_;
  }

  std::span<const T> gradient() override {
    sum();
    return part_.backend().gradient();
  }

  void set_gradient(std::span<const T> gradient) override {
    if (ranks_) throw Error("a training on several ranks takes no gradient");
    part_.backend().set_gradient(gradient);
    summed_ = true;
  }

  double apply(const AdamW& step, double clip_norm) override {
    sum();
    if (ranks_) {
      std::string said(1, kApply);
      append_bytes(said, &step, 1);
      append_bytes(said, &clip_norm, 1);
      ranks_->broadcast(std::move(said));
    }
    return part_.backend().apply(step, clip_norm);
  }

  std::vector<std::vector<double>> sequence_losses(std::span<const Architecture> networks,
                                                   const Batch& batch) override {
    return part_.backend().sequence_losses(networks, batch);
  }

 private:
  // The others go on to what else rank 0 asks for.
  struct End {
    void operator()(Communicator* ranks) const { ranks->broadcast(""); }
  };

  void sum() {
    if (std::exchange(summed_, true)) return;
    if (ranks_) ranks_->broadcast(std::string(1, kSum));
    part_.sum();
  }

  void send_weights() {
    std::string said(1, kWeights);
    for (const std::vector<T>* values : {&state_.parameters, &state_.m, &state_.v})
      append_bytes(said, values->data(), values->size());
    ranks_->broadcast(std::move(said));
    require_same(part_.arithmetic(), [](const std::string& name) {
      throw InputError(name +
                       ": its gradients differ from those of rank 0 in their last bits: it has "
                       "another kind of processor");
    });
  }

  template <class Fail>
  void require_same(std::uint64_t own, const Fail& fail) {
    const std::vector<std::string> all = ranks_->answers(answer([&] { return number_bytes(own); }));
    for (std::size_t rank = 1; rank < all.size(); ++rank)
      if (number_in(all[rank]) != own) fail(ranks_->name_of(static_cast<int>(rank)));
  }

  TrainingConfig config_;
  TrainingState<T>& state_;
  Communicator* ranks_;
  Part<T> part_;
  std::unique_ptr<Communicator, End> called_;
  std::vector<double> losses_;
  bool summed_ = true;
};

// Another rank: what rank 0 says, done.
class Served {
 public:
  Served(Communicator& ranks, const std::function<TrainingSetup()>& setup)
      : ranks_(ranks), make_setup_(setup) {}

  void until_the_end() {
    for (std::string said = ranks_.broadcast(""); !said.empty(); said = ranks_.broadcast("")) {
      std::string_view content = said;
      content.remove_prefix(1);
      switch (said.front()) {
        case kWeights:
          ranks_.gather(answer([&] { return take_weights(content); }));
          break;
        case kGradients:
          ranks_.gather(answer([&] { return gradients(content); }));
          break;
        case kSum:
          part_->sum();
          break;
        case kApply:
          apply(content);
          break;
        default:
          ranks_.gather(answer([&] { return hash_of_weights(); }));
      }
    }
  }

 private:
  std::string take_weights(std::string_view content) {
    if (!setup_) setup_.emplace(make_setup_());
    for (std::vector<float>* values : {&state_.parameters, &state_.m, &state_.v}) {
      values->resize(setup_->layout.size());
      take_bytes(content, values->data(), values->size());
    }
    if (part_)
      part_->backend().upload();
    else
      part_.emplace(setup_->layout, setup_->config, state_, Arithmetic::fp32, &ranks_);
    return number_bytes(part_->arithmetic());
  }

  std::string gradients(std::string_view content) {
    if (!part_) throw Error("has no weights");
    const Json json = parse_json(std::string(take_text(content)), "what rank 0 asks");
    std::vector<Architecture> networks;
    for (const JsonNode& node : JsonNode(json, "what rank 0 asks").elements())
      networks.push_back(architecture_from_json(node));
    const TrainingConfig& config = setup_->config;
    const int sequences = config.sequences_per_step(networks.size());
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(sequences * config.context));
    std::vector<std::int32_t> targets(tokens.size());
    take_bytes(content, tokens.data(), tokens.size());
    take_bytes(content, targets.data(), targets.size());
    Batch batch{tokens.data(), targets.data(), sequences, config.context};
    take_bytes(content, &batch.dropout, 1);
    return loss_bytes(part_->gradients(batch, networks));
  }

  void apply(std::string_view content) {
    AdamW step{};
    double clip_norm = 0;
    take_bytes(content, &step, 1);
    take_bytes(content, &clip_norm, 1);
    part_->backend().apply(step, clip_norm);
  }

  std::string hash_of_weights() {
    part_->backend().download();
    return number_bytes(hash_of_values<float>(state_.parameters));
  }

  Communicator& ranks_;
  const std::function<TrainingSetup()>& make_setup_;
  std::optional<TrainingSetup> setup_;
  TrainingState<float> state_;
  std::optional<Part<float>> part_;
};

}  // namespace

template <class T>
std::shared_ptr<TrainingBackend<T>> make_sharded_backend(const ParameterLayout& layout,
                                                         const TrainingConfig& config,
                                                         TrainingState<T>& state,
                                                         Arithmetic arithmetic,
                                                         const TrainingRanks& ranks) {
  if (ranks.all && arithmetic != Arithmetic::fp32)
    throw Error("a training in int8 is not spread over ranks");
  return std::make_shared<ShardedBackend<T>>(layout, config, state, arithmetic, ranks);
}

void serve_training(Communicator& ranks, const std::function<TrainingSetup()>& setup) {
  Served(ranks, setup).until_the_end();
}

template std::shared_ptr<TrainingBackend<float>> make_sharded_backend(const ParameterLayout&,
                                                                      const TrainingConfig&,
                                                                      TrainingState<float>&,
                                                                      Arithmetic,
                                                                      const TrainingRanks&);
template std::shared_ptr<TrainingBackend<double>> make_sharded_backend(const ParameterLayout&,
                                                                       const TrainingConfig&,
                                                                       TrainingState<double>&,
                                                                       Arithmetic,
                                                                       const TrainingRanks&);

}  // namespace paretoformer::supernet
