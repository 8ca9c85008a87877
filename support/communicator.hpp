// The processes of one run on several machines, which are numbered ("ranks"): bytes from one to
// another. What a run without any others has is no communicator at all.
#pragma once

#include <cstddef>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/error.hpp"

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
  // Both at once, of sizes that the others know: what goes to one rank and comes from another.
  virtual void exchange(int to, std::span<const std::byte> out, int from,
                        std::span<std::byte> in) = 0;

  // Gives every rank what rank 0 has, along a binomial tree: every rank sends log2(size) times at
  // most.
  std::string broadcast(std::string bytes);
  // Gives rank 0 what every rank has, by rank; the others get nothing.
  std::vector<std::string> gather(std::string bytes);
  // On rank 0: what every rank's answer() has returned. Throws, with the name of the rank, what one
  // of them has thrown.
  std::vector<std::string> answers(std::string own);
};

// For gather() on another rank, and answers() on rank 0: the bytes that `work` returns, or what it
// throws.
template <class Work>
std::string answer(const Work& work);

namespace communicator {

// First bytes of answers.
inline constexpr char kDone = 'd', kError = 'e', kInputError = 'i';

}  // namespace communicator

template <class Work>
std::string answer(const Work& work) {
  try {
    return communicator::kDone + work();
  } catch (const InputError& error) {
    return std::string(1, communicator::kInputError) + error.what();
  } catch (const std::exception& error) {
    return std::string(1, communicator::kError) + error.what();
  }
}

}  // namespace paretoformer
