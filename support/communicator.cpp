#include "support/communicator.hpp"

#include <utility>

namespace paretoformer {

std::string Communicator::broadcast(std::string bytes) {
  // A rank's parent is the rank without its lowest set bit; its children have a lower one set.
  int bit = 1;
  while (bit < size() && (rank() & bit) == 0) bit <<= 1;
  if (rank() != 0) bytes = receive(rank() - bit);
  for (bit >>= 1; bit > 0; bit >>= 1)
    if (rank() + bit < size()) send(rank() + bit, bytes);
  return bytes;
}

std::vector<std::string> Communicator::gather(std::string bytes) {
  if (rank() != 0) {
    send(0, bytes);
    return {};
  }
  std::vector<std::string> all{std::move(bytes)};
  for (int from = 1; from < size(); ++from) all.push_back(receive(from));
  return all;
}

std::vector<std::string> Communicator::answers(std::string own) {
  using namespace communicator;
  std::vector<std::string> all = gather(std::move(own));
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const char kind = all[rank].empty() ? kError : all[rank].front();
    if (!all[rank].empty()) all[rank].erase(0, 1);
    if (kind == kDone) continue;
    const std::string text =
        rank == 0 ? all[rank] : name_of(static_cast<int>(rank)) + ": " + all[rank];
    if (kind == kInputError) throw InputError(text);
    throw Error(text);
  }
  return all;
}

}  // namespace paretoformer
