#include "nas/cluster/spread_losses.hpp"

#include <cstring>
#include <utility>
#include <vector>

#include "support/error.hpp"

namespace paretoformer::nas {
namespace {

// Networks of one rank.
std::vector<Architecture> share_of(int rank, int ranks, std::span<const Architecture> networks) {
  std::vector<Architecture> share;
  for (std::size_t i = static_cast<std::size_t>(rank); i < networks.size();
       i += static_cast<std::size_t>(ranks))
    share.push_back(networks[i]);
  return share;
}

template <class T>
std::string bytes_of(const T* values, std::size_t count) {
  return {reinterpret_cast<const char*>(values), count * sizeof(T)};
}

void require_same_bits(const LossIdentity& own, const std::string& theirs,
                       const std::string& name) {
  LossIdentity identity;
  if (theirs.size() == sizeof identity) std::memcpy(&identity, theirs.data(), sizeof identity);
  if (identity.weights != own.weights)
    throw InputError(name + ": has other text, another device or another version of the program");
  if (identity.arithmetic != own.arithmetic)
    throw InputError(name + ": its losses differ from those of rank 0 in their last bits: it has " +
                     "another kind of processor");
}

std::string measured(const LossSource& source, const std::vector<Architecture>& networks,
                     LossPart part) {
  if (networks.empty()) return "";
  const std::vector<double> sums = source.sums(networks, part);
  return bytes_of(sums.data(), sums.size());
}

std::vector<double> sums_of(Communicator& ranks, const LossSource& source,
                            const LossIdentity& identity, std::span<const Architecture> networks,
                            LossPart part) {
  const LossTask task{identity, part, {networks.begin(), networks.end()}};
  ranks.broadcast(kSaysTask + task_text(task));
  const std::vector<std::string> all = ranks.answers(
      answer([&] { return measured(source, share_of(0, ranks.size(), networks), part); }));
  std::vector<double> sums(networks.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const std::string& theirs = all[i % all.size()];
    const std::size_t at = i / all.size() * sizeof(double);
    if (theirs.size() < at + sizeof(double))
      throw Error(ranks.name_of(static_cast<int>(i % all.size())) + ": its answer is too short");
    std::memcpy(&sums[i], theirs.data() + at, sizeof(double));
  }
  return sums;
}

}  // namespace

LossSource spread(LossSource source, Communicator& ranks, const LossIdentity& identity,
                  const std::string& setup, std::string weights) {
  ranks.broadcast(kSaysSetup + setup);
  ranks.broadcast(std::move(weights));
  const std::vector<std::string> identities =
      ranks.answers(answer([&] { return bytes_of(&identity, 1); }));
  for (int rank = 1; rank < ranks.size(); ++rank)
    require_same_bits(identity, identities[static_cast<std::size_t>(rank)], ranks.name_of(rank));
  LossSource result = source;
  result.sums = [source = std::move(source), &ranks, identity](
                    std::span<const Architecture> networks, LossPart part) {
    return sums_of(ranks, source, identity, networks, part);
  };
  result.measurers = [&ranks] { return static_cast<std::size_t>(ranks.size()); };
  return result;
}

void prepare_losses(Communicator& ranks, const MakeLosses& make, const std::string& setup,
                    std::optional<RankLosses>& losses) {
  const std::string weights = ranks.broadcast("");
  ranks.gather(answer([&] {
    losses.reset();
    losses.emplace(make(setup, weights));
    return bytes_of(&losses->identity, 1);
  }));
}

void measure_losses(Communicator& ranks, const std::optional<RankLosses>& losses,
                    const std::string& task_asked) {
  ranks.gather(answer([&] {
    if (!losses) throw Error("has no weights");
    const LossTask task = loss_task_from_text(task_asked, "what rank 0 asks");
    return measured(losses->source, share_of(ranks.rank(), ranks.size(), task.networks), task.part);
  }));
}

}  // namespace paretoformer::nas
