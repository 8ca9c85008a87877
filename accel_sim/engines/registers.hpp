// Registers that requests hold while they are under way.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace paretoformer::accel_sim {

// When each of `size` registers is free; the next request takes the first that is. They are kept in
// order: most requests end in the order in which they begin, so that a new one is soon in place.
class Registers {
 public:
  explicit Registers(int size)
      : size_(static_cast<std::uint64_t>(size)),
        mask_(std::bit_ceil(size_) - 1),
        free_(mask_ + 1, 0),
        end_(size_) {}
  void clear() {
    std::fill(free_.begin(), free_.end(), 0);
    first_ = 0, end_ = size_;
  }

  bool none() const { return first_ == end_; }  // of which it is known when they are free
  std::int64_t first() const { return free_[first_ & mask_]; }
  // Takes that register until then.
  void take(std::int64_t until) {
    take();
    give(until);
  }
  // Takes it, and says later until when.
  void take() { ++first_; }
  void give(std::int64_t until) {
    std::int64_t* const free = free_.data();
    const std::uint64_t mask = mask_, first = first_;
    std::uint64_t place = end_++;
    for (; place != first; --place) {
      const std::int64_t before = free[(place - 1) & mask];
      if (before <= until) break;
      free[place & mask] = before;
    }
    free[place & mask] = until;
  }

 private:
  std::uint64_t size_, mask_;
  std::vector<std::int64_t> free_;  // a ring, the earliest at `first_`, by numbers that go on
  std::uint64_t first_ = 0, end_;
};

}  // namespace paretoformer::accel_sim
