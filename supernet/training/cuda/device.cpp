#include "supernet/training/cuda/device.hpp"

#include "supernet/training/cuda/platform.hpp"

namespace paretoformer::supernet::cuda {
namespace {

constexpr std::size_t kSharedByDefault = 48 << 10;  // more needs leave, per kernel

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw Error(std::string("CUDA: ") + what + ": " + cudaGetErrorString(status));
}

cudaStream_t stream_of(const Stream& stream) { return static_cast<cudaStream_t>(stream.handle()); }

void copy(Stream& stream, void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  check(cudaMemcpyAsync(to, from, bytes, kind, stream_of(stream)), "copy");
}

}  // namespace

bool device_available(std::string* reason) {
  const auto unavailable = [&](const std::string& why) {
    if (reason) *reason = why;
    return false;
  };
  int count = 0;
  if (const cudaError_t status = cudaGetDeviceCount(&count); status != cudaSuccess)
    return unavailable(std::string("CUDA: ") + cudaGetErrorString(status));
  if (count == 0) return unavailable("CUDA: there is no device");
  cudaDeviceProp properties;
  if (const cudaError_t status = cudaGetDeviceProperties(&properties, 0); status != cudaSuccess)
    return unavailable(std::string("CUDA: ") + cudaGetErrorString(status));
  if (properties.major < 8)
    return unavailable(std::string("CUDA: ") + properties.name + " has compute capability " +
                       std::to_string(properties.major) + "." + std::to_string(properties.minor) +
                       ", expected 8.0 or higher");
  return true;
}

Device device() {
  std::string reason;
  if (!device_available(&reason)) throw Error(reason);
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, 0), "properties of the device");
  Device device;
  device.name = properties.name;
  device.major = properties.major;
  device.minor = properties.minor;
  device.multiprocessors = properties.multiProcessorCount;
  check(cudaMemGetInfo(&device.free_memory, &device.total_memory), "memory of the device");
  return device;
}

Stream::Stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
  handle_ = stream;
}

Stream::~Stream() {
  cudaStreamSynchronize(stream_of(*this));
  products.reset();
  cudaStreamDestroy(stream_of(*this));
}

void Stream::synchronize() { check(cudaStreamSynchronize(stream_of(*this)), "work of a stream"); }

void* allocate_device(std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // which a later launch would report otherwise
    std::size_t free = 0;
    std::size_t total = 0;
    check(cudaMemGetInfo(&free, &total), "memory of the device");
    throw OutOfDeviceMemory(bytes, free);
  }
  check(status, "memory");
  return memory;
}

void free_device(void* memory) noexcept { cudaFree(memory); }

void copy_bytes_to_device(Stream& stream, void* device, const void* host, std::size_t bytes) {
  copy(stream, device, host, bytes, cudaMemcpyHostToDevice);
}

void copy_bytes_to_host(Stream& stream, void* host, const void* device, std::size_t bytes) {
  copy(stream, host, device, bytes, cudaMemcpyDeviceToHost);
}

void copy_bytes_on_device(Stream& stream, void* to, const void* from, std::size_t bytes) {
  copy(stream, to, from, bytes, cudaMemcpyDeviceToDevice);
}

void zero_bytes(Stream& stream, void* device, std::size_t bytes) {
  check(cudaMemsetAsync(device, 0, bytes, stream_of(stream)), "memset");
}

void launch_kernel(const void* kernel, dim3 grid, dim3 block, std::size_t shared_bytes,
                   Stream& stream, void** arguments) {
  if (shared_bytes > kSharedByDefault)
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shared_bytes)),
          "shared memory of a kernel");
  check(cudaLaunchKernel(kernel, grid, block, arguments, shared_bytes, stream_of(stream)),
        "launch of a kernel");
}

}  // namespace paretoformer::supernet::cuda
