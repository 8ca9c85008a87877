// The emulated device: its memory is the host's, and its streams do everything at once.
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

#include "supernet/training/cuda/gemm.hpp"

namespace paretoformer::supernet::cuda {
namespace {

std::mutex mutex;
std::map<void*, std::size_t> blocks;
std::size_t used = 0;

}  // namespace

bool device_available(std::string*) { return true; }

Device device() {
  const std::lock_guard<std::mutex> lock(mutex);
  return {"emulated",
          8,
          0,
          1,
          emulation::device_memory,
          used < emulation::device_memory ? emulation::device_memory - used : 0};
}

Stream::Stream() = default;
Stream::~Stream() = default;
void Stream::synchronize() {}

void* allocate_device(std::size_t bytes) {
  const std::size_t free = device().free_memory;
  if (bytes > free) throw OutOfDeviceMemory(bytes, free);
  void* memory = nullptr;  // as aligned as CUDA's
  if (posix_memalign(&memory, 256, bytes) != 0) throw OutOfDeviceMemory(bytes, free);
  std::memset(memory, 0xff, bytes);
  const std::lock_guard<std::mutex> lock(mutex);
  blocks[memory] = bytes;
  used += bytes;
  return memory;
}

void free_device(void* memory) noexcept {
  if (!memory) return;
  const std::lock_guard<std::mutex> lock(mutex);
  used -= blocks[memory];
  blocks.erase(memory);
  std::free(memory);
}

void copy_bytes_to_device(Stream&, void* device, const void* host, std::size_t bytes) {
  std::memcpy(device, host, bytes);
}
void copy_bytes_to_host(Stream&, void* host, const void* device, std::size_t bytes) {
  std::memcpy(host, device, bytes);
}
void copy_bytes_on_device(Stream&, void* to, const void* from, std::size_t bytes) {
  std::memcpy(to, from, bytes);
}
void zero_bytes(Stream&, void* device, std::size_t bytes) { std::memset(device, 0, bytes); }

namespace {

void store(float sum, float& c) { c = sum; }
void store(float sum, Bf16& c) { c = to_bf16(sum); }
float value(float c) { return c; }
float value(Bf16 c) { return to_float(c); }

}  // namespace

// Row by row, sums over k in order.
template <class T>
void gemm(Stream&, int m, int n, int k, MatrixView<Bf16> a, MatrixView<Bf16> b, T* c,
          std::ptrdiff_t c_stride, Into into) {
  std::vector<float> sums(static_cast<std::size_t>(n));
  for (int i = 0; i < m; ++i) {
    std::fill(sums.begin(), sums.end(), 0.0F);
    for (int p = 0; p < k; ++p) {
      const float factor = to_float(a.data[i * a.row_stride + p * a.column_stride]);
      const Bf16* row = b.data + p * b.row_stride;
      for (int j = 0; j < n; ++j)
        sums[static_cast<std::size_t>(j)] += factor * to_float(row[j * b.column_stride]);
    }
    for (int j = 0; j < n; ++j) {
      T& to = c[i * c_stride + j];
      const float before = into == Into::accumulate ? value(to) : 0.0F;
      store(before + sums[static_cast<std::size_t>(j)], to);
    }
  }
}

template void gemm(Stream&, int, int, int, MatrixView<Bf16>, MatrixView<Bf16>, float*,
                   std::ptrdiff_t, Into);
template void gemm(Stream&, int, int, int, MatrixView<Bf16>, MatrixView<Bf16>, Bf16*,
                   std::ptrdiff_t, Into);

}  // namespace paretoformer::supernet::cuda
