// Losses that have been paid for, in a file that runs with the same weights and text share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "nas/core/loss_source.hpp"

namespace paretoformer::nas {

// A file of fixed-size records. Several processes may use it at a time, also with different keys:
// records are appended whole, under a lock, and one that a crash cut short, a disk spoilt or that
// has another key is passed over. Not for several threads at a time.
class LossCache {
 public:
  // `key` is a hash of everything a loss depends on but the network: weights, text, sequences.
  // Throws InputError when the file is no such cache, Error when it cannot be created.
  LossCache(std::filesystem::path path, std::uint64_t key);
  ~LossCache();
  LossCache(const LossCache&) = delete;
  LossCache& operator=(const LossCache&) = delete;

  std::optional<double> find(std::uint64_t network, LossPart part) const;
  struct Entry {
    std::uint64_t network;  // architecture_id()
    LossPart part;
    double sum;  // as LossSource::sums()
  };
  // Throws Error (a full disk).
  void add(const std::vector<Entry>& entries);
  // Whether this process may not write the file or its folder: what it holds, if anything, is
  // known, and what is added goes with the process.
  bool read_only() const { return read_only_; }
  std::size_t size() const;

 private:
  void read();

  std::filesystem::path path_;
  std::uint64_t key_;
  bool read_only_ = false;
  int descriptor_ = -1;
  std::unordered_map<std::uint64_t, double> sums_[kLossParts];  // by part
};

// `source`, asked only for what the cache does not hold, which must outlive the result.
LossSource cached(LossSource source, LossCache& cache);

}  // namespace paretoformer::nas
