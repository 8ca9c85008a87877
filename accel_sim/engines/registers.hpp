// Registers that requests hold while they are under way.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace paretoformer::accel_sim {

// When each of `size` registers is free; the next request takes the first that is. They are kept in
// order: most requests end in the order in which they begin, so that a new one is soon in place.
class Registers {
 public:
  explicit Registers(int size)
      : free_(static_cast<std::size_t>(size), 0), known_(static_cast<std::size_t>(size)) {}

  void clear() {
    std::fill(free_.begin(), free_.end(), 0);
    first_ = 0, known_ = free_.size();
  }

  bool none() const { return known_ == 0; }  // of which it is known when they are free
  std::int64_t first() const { return free_[first_]; }
  // Takes that register until then.
  void take(std::int64_t until) {
    take();
    give(until);
  }
  // Takes it, and says later until when.
  void take() {
    if (++first_ == free_.size()) first_ = 0;
    --known_;
  }
  void give(std::int64_t until) {
    std::size_t place = first_ + known_++;
    if (place >= free_.size()) place -= free_.size();
    while (place != first_) {
      const std::size_t before = (place == 0 ? free_.size() : place) - 1;
      if (free_[before] <= until) break;
      free_[place] = free_[before];
      place = before;
    }
    free_[place] = until;
  }

 private:
  std::vector<std::int64_t> free_;  // a ring, the earliest first
  std::size_t first_ = 0, known_;
};

}  // namespace paretoformer::accel_sim
