// The processes of one run on several machines, which are numbered ("ranks"): bytes from one to
// another. What a run without any others has is no communicator at all.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace paretoformer {

// All ranks call the same collectives in the same order. One thread of a rank at a time.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // For messages: "rank 2 (host, process 4711)".
  virtual std::string name_of(int rank) const = 0;

  virtual void send(int to, std::string_view bytes) = 0;
  virtual std::string receive(int from) = 0;

  // Gives every rank what rank 0 has, along a binomial tree: every rank sends log2(size) times at
  // most.
  std::string broadcast(std::string bytes);
  // Gives rank 0 what every rank has, by rank; the others get nothing.
  std::vector<std::string> gather(std::string bytes);
};

}  // namespace paretoformer
