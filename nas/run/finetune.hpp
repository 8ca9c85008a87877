// Training one network of a run on, alone: its slice of the supernet is a compromise with all the
// other networks, which then ends.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "nas/core/archive.hpp"
#include "nas/export/network_export.hpp"
#include "nas/run/proxy_task.hpp"
#include "nas/run/run_folder.hpp"
#include "supernet/training/trainer.hpp"
#include "support/watch.hpp"

namespace paretoformer::nas {

// The candidate whose id begins with `prefix`. Throws InputError naming `where` unless there is
// exactly one.
const Candidate& find_member(const Archive& archive, const std::string& prefix,
                             const std::string& where);

// The run's training for one network, with its dropout and patience. In int8 it has neither: what
// is probed is the network in fp32, and activations are calibrated as they are when nothing is
// dropped. Zeros stand for the defaults: a quarter of the run's steps, and a third of its peak
// learning rate. (Of two networks of the quickstart, a tenth lowered the perplexity by 4.5 and 4.6
// %, a third by 6.4 and 6.0 %, the whole by 6.6 and 5.3 %.)
supernet::TrainingConfig finetune_config(
    supernet::TrainingConfig run, int steps, double learning_rate,
    supernet::Arithmetic arithmetic = supernet::Arithmetic::fp32);

// Nats per token.
struct FinetuneLosses {
  double whole = 0;                 // of the whole validation text
  double scoring = 0;               // of the sequences that score candidates
  std::optional<double> int8 = {};  // of the whole text, in the accelerator's integers, if it can
};

struct FinetuneFiles {
  // `weights` must end in ".safetensors" (throws InputError); the others stand beside it.
  explicit FinetuneFiles(const std::filesystem::path& weights);
  std::filesystem::path with(const std::string& extension) const;

  std::filesystem::path stem;
  std::filesystem::path weights() const { return with(".safetensors"); }
  std::filesystem::path description() const { return with(".json"); }
  std::filesystem::path checkpoint() const { return with(".checkpoint"); }
  std::filesystem::path log() const { return with(".jsonl"); }
  std::filesystem::path probes() const { return with(".convergence.jsonl"); }  // with patience
};

struct FinetuneResult {
  FinetuneLosses before, after;
};

struct Finetuning {
  Candidate network;
  supernet::TrainingConfig config;  // finetune_config()
  supernet::Arithmetic arithmetic = supernet::Arithmetic::fp32;
  FinetuneFiles files;
  // Of the network's own layout; if there are none, its slice of the supernet.
  std::vector<float> start = {};
};

// Trains a network on from its first weights, or from the checkpoint, with fresh optimiser state,
// as `arithmetic` sees it, and writes its weights and a description that `evaluate` and `predict`
// accept; in another format than the usual one as well, if `format` is. The proxy has weights.
// Throws what a training run throws, and what the format throws.
FinetuneResult finetune(const RunFolder& run, const ProxyTask& proxy, const Finetuning& given,
                        const Watch& watch, const Exporter& format = exporters().front());

// The same in the usual format, unless that training is finished: what it wrote is read then.
// Throws InputError when it was another training.
FinetuneResult finetune_or_read(const RunFolder& run, const ProxyTask& proxy,
                                const Finetuning& given, const Watch& watch);

}  // namespace paretoformer::nas
