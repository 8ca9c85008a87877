// The private part of a class, which only its source knows: whoever includes the header of the
// class reads nothing about it, nor <memory>, which takes as long as all else there.
#pragma once

namespace paretoformer {

// Never null, but for what was moved from: that may be assigned or destroyed. A copy owns a copy.
// The class declares the destructor, the copies and the moves that it has, and makes them in its
// source, where T is complete.
template <typename T>
class Owned {
 public:
  explicit Owned(T* made) : made_(made) {}
  Owned(const Owned& other) : made_(new T(*other.made_)) {}
  Owned(Owned&& other) noexcept : made_(other.made_) { other.made_ = nullptr; }
  Owned& operator=(Owned other) noexcept {
    T* const mine = made_;
    made_ = other.made_;
    other.made_ = mine;
    return *this;
  }
  ~Owned() { delete made_; }

  T& operator*() const { return *made_; }
  T* operator->() const { return made_; }

 private:
  T* made_;
};

}  // namespace paretoformer
