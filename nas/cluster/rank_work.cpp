#include "nas/cluster/rank_work.hpp"

#include <optional>

namespace paretoformer::nas {
namespace {

// First bytes of what rank 0 says; dismiss() says nothing. Those of losses are in
// spread_losses.hpp.
constexpr char kSaysTrain = 'g', kSaysPart = 'p';

}  // namespace

std::vector<std::string> share_out(Communicator& ranks, const std::vector<std::string>& parts,
                                   const std::function<std::string()>& own) {
  ranks.broadcast(std::string(1, kSaysPart));
  for (int rank = 1; rank < ranks.size(); ++rank)
    ranks.send(rank, parts[static_cast<std::size_t>(rank)]);
  return ranks.answers(answer(own));
}

std::string call_to_train(const std::string& setup) { return kSaysTrain + setup; }

void serve(Communicator& ranks, const RankWork& work) {
  std::optional<RankLosses> losses;
  for (;;) {
    const std::string said = ranks.broadcast("");
    if (said.empty()) return;
    const std::string content = said.substr(1);
    if (said.front() == kSaysTrain) {
      losses.reset();
      work.train(content);
    } else if (said.front() == kSaysPart) {
      const std::string part = ranks.receive(0);
      ranks.gather(answer([&] { return work.part(part); }));
    } else if (said.front() == kSaysSetup) {
      prepare_losses(ranks, work.losses, content, losses);
    } else {
      measure_losses(ranks, losses, content);
    }
  }
}

void dismiss(Communicator& ranks) { ranks.broadcast(""); }

}  // namespace paretoformer::nas
