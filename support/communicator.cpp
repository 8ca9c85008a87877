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

}  // namespace paretoformer
