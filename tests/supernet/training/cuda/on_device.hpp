// Tests of what runs on the emulated device, and, in a build with CUDA, on a real one.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "supernet/training/cuda/platform.hpp"

namespace paretoformer::supernet::cuda {

// Skipped where there is no device.
template <class Base>
class OnDevice : public Base {
 protected:
  void SetUp() override {
    std::string reason;
    if (!device_available(&reason)) GTEST_SKIP() << reason;
  }
};

// An array on the host and one on the device, which begins at an offset of elements and has some
// more behind it that nobody may write to. What nobody has written is NaN.
template <class T>
class Array {
 public:
  explicit Array(std::size_t size, std::size_t offset = 0)
      : values(size), memory_(offset + size + kGuard), offset_(offset) {
    std::memset(static_cast<void*>(values.data()), 0xff, size * sizeof(T));
  }

  std::size_t size() const { return values.size(); }
  T* device() { return memory_.data() + offset_; }
  void to_device(Stream& stream) {
    std::vector<T> all(memory_.size());
    std::memset(static_cast<void*>(all.data()), 0xff, all.size() * sizeof(T));
    std::copy(values.begin(), values.end(), all.begin() + static_cast<std::ptrdiff_t>(offset_));
    copy_to_device(stream, memory_.data(), all.data(), all.size());
  }
  void to_host(Stream& stream) {
    std::vector<T> all(memory_.size());
    copy_to_host(stream, all.data(), memory_.data(), all.size());
    stream.synchronize();
    std::memcpy(static_cast<void*>(values.data()), all.data() + offset_, size() * sizeof(T));
    T untouched;
    std::memset(static_cast<void*>(&untouched), 0xff, sizeof untouched);
    for (std::size_t i = 0; i < kGuard; ++i)
      guarded =
          guarded && std::memcmp(&all[offset_ + size() + i], &untouched, sizeof untouched) == 0;
  }

  std::vector<T> values;
  bool guarded = true;

 private:
  static constexpr std::size_t kGuard = 64;
  DeviceArray<T> memory_;
  std::size_t offset_;
};

// Whether the first `size` values are the same.
template <class T>
bool same(const Array<T>& a, const Array<T>& b, std::size_t size) {
  return std::memcmp(a.values.data(), b.values.data(), size * sizeof(T)) == 0;
}

}  // namespace paretoformer::supernet::cuda
