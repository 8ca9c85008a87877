// Memory, copies and the order of work on the CUDA device, which is the process's first one.
//
// Needs no header of CUDA's: what includes this is ordinary C++.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "support/error.hpp"

namespace paretoformer::supernet::cuda {

// The device's memory does not hold what was asked for.
class OutOfDeviceMemory : public Error {
 public:
  OutOfDeviceMemory(std::size_t bytes, std::size_t free_bytes)
      : Error("the memory of the CUDA device does not hold what training needs: expected " +
              std::to_string(bytes) + " bytes more, " + std::to_string(free_bytes) + " are free"),
        bytes_(bytes) {}
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_;
};

struct Device {
  std::string name;
  int major = 0;  // compute capability
  int minor = 0;
  int multiprocessors = 0;
  std::size_t total_memory = 0;  // bytes
  std::size_t free_memory = 0;
};

// Whether there is a device that runs the kernels: bf16 tensor cores, so compute capability 8.0.
// Where not, `reason` says why.
bool device_available(std::string* reason = nullptr);
// Throws that reason as an Error.
Device device();

// Work in a stream is done in the order in which it was handed over; the caller does not wait.
class Stream {
 public:
  Stream();
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Waits for all that was handed over. Faults of kernels come out here at the latest.
  void synchronize();
  void* handle() const { return handle_; }  // a cudaStream_t

  std::shared_ptr<void> products;  // what gemm() keeps: plans and workspace

 private:
  void* handle_ = nullptr;
};

void* allocate_device(std::size_t bytes);
void free_device(void* memory) noexcept;
// Asynchronous, but the host's memory may be written at once after a copy to the device, and may be
// read only after synchronize() after one from it.
void copy_bytes_to_device(Stream& stream, void* device, const void* host, std::size_t bytes);
void copy_bytes_to_host(Stream& stream, void* host, const void* device, std::size_t bytes);
void copy_bytes_on_device(Stream& stream, void* to, const void* from, std::size_t bytes);
void zero_bytes(Stream& stream, void* device, std::size_t bytes);

// `size` values in device memory, which are not initialised. Trivially copyable types only.
template <class T>
class DeviceArray {
 public:
  DeviceArray() = default;
  explicit DeviceArray(std::size_t size)
      : data_(size == 0 ? nullptr : static_cast<T*>(allocate_device(size * sizeof(T)))),
        size_(size) {}
  DeviceArray(DeviceArray&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  DeviceArray& operator=(DeviceArray&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~DeviceArray() { free_device(data_); }

  T* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

template <class T>
void copy_to_device(Stream& stream, T* device, const T* host, std::size_t count) {
  copy_bytes_to_device(stream, device, host, count * sizeof(T));
}
template <class T>
void copy_to_host(Stream& stream, T* host, const T* device, std::size_t count) {
  copy_bytes_to_host(stream, host, device, count * sizeof(T));
}
template <class T>
void copy_on_device(Stream& stream, T* to, const T* from, std::size_t count) {
  copy_bytes_on_device(stream, to, from, count * sizeof(T));
}
// All bits 0: the number 0.
template <class T>
void fill_zero(Stream& stream, T* device, std::size_t count) {
  zero_bytes(stream, device, count * sizeof(T));
}

}  // namespace paretoformer::supernet::cuda
