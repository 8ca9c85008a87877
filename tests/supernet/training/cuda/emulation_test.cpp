// The stand-in for CUDA that the tests of kernels rely on.
#include "tests/supernet/training/cuda/emulation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "supernet/training/cuda/integer_tiles.hpp"

namespace paretoformer::supernet::cuda {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

__global__ void add_index(int* values) {
  const unsigned i = (blockIdx.y * gridDim.x + blockIdx.x) * blockDim.x + threadIdx.x;
  values[i] += static_cast<int>(i);
}

TEST(CudaEmulation, EveryThreadOfEveryBlockRunsOnce) {
  Stream stream;
  std::vector<int> values(3 * 2 * 70, 1);
  launch(add_index, dim3(3, 2), 70, 0, stream, values.data());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], 1 + static_cast<int>(i));
}

template <bool with_barrier>
__global__ void reverse(const float* in, float* out) {
  PARETOFORMER_DYNAMIC_SHARED(memory);
  auto* shared = reinterpret_cast<float*>(memory);
  shared[threadIdx.x] = in[threadIdx.x];
  if (with_barrier) __syncthreads();
  out[threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
}

TEST(CudaEmulation, MissingBarrierIsSeen) {
  Stream stream;
  std::vector<float> in(96), out(96);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i);
  launch(reverse<true>, 1, 96, 96 * sizeof(float), stream, in.data(), out.data());
  for (std::size_t i = 0; i < in.size(); ++i) EXPECT_EQ(out[i], static_cast<float>(95 - i));
  launch(reverse<false>, 1, 96, 96 * sizeof(float), stream, in.data(), out.data());
  EXPECT_TRUE(std::isnan(out[0]));
  EXPECT_EQ(out[95], 0.0F);
  emulation::reversed = true;
  launch(reverse<false>, 1, 96, 96 * sizeof(float), stream, in.data(), out.data());
  emulation::reversed = false;
  EXPECT_EQ(out[0], 95.0F);
  EXPECT_TRUE(std::isnan(out[95]));
}

__global__ void static_shared(float* out) {
  PARETOFORMER_SHARED(float, values, 4);
  if (threadIdx.x == 0) {
    for (int i = 0; i < 4; ++i) out[blockIdx.x * 4 + static_cast<unsigned>(i)] = values[i];
    values[1] = 1.0F;
  }
}

TEST(CudaEmulation, SharedMemoryStartsAsNaNInEveryBlock) {
  Stream stream;
  std::vector<float> out(8);
  launch(static_shared, 2, 1, 0, stream, out.data());
  for (const float value : out) EXPECT_TRUE(std::isnan(value));
}

__global__ void half_a_barrier() {
  if (threadIdx.x < 16) __syncthreads();
}
__global__ void two_barriers() {
  if (threadIdx.x < 16)
    __syncthreads();
  else
    __syncthreads();
}
__global__ void barrier_or_shuffle() {
  if (threadIdx.x == 3)
    __syncthreads();
  else
    __shfl_xor_sync(0xffffffffU, 1, 1);
}
__global__ void two_shuffles() {
  if (threadIdx.x == 3)
    __syncwarp();
  else
    __shfl_xor_sync(0xffffffffU, 1, 1);
}

TEST(CudaEmulation, DivergenceIsAFault) {
  Stream stream;
  // Threads that have ended are not waited for, by CUDA neither.
  EXPECT_NO_THROW(launch(half_a_barrier, 1, 32, 0, stream));
  EXPECT_THAT([&] { launch(two_barriers, 1, 32, 0, stream); },
              ThrowsMessage<emulation::Fault>(HasSubstr("divergent barrier: ")));
  EXPECT_THAT([&] { launch(barrier_or_shuffle, 1, 32, 0, stream); },
              ThrowsMessage<emulation::Fault>(HasSubstr("divergent barrier: threads wait")));
  EXPECT_THAT([&] { launch(two_shuffles, 1, 64, 0, stream); },
              ThrowsMessage<emulation::Fault>(HasSubstr("divergent warp: ")));
  // A warp of less than 32 threads has no lane to exchange with.
  EXPECT_THROW(launch(two_shuffles, 1, 3, 0, stream), emulation::Fault);
  EXPECT_THROW(launch(half_a_barrier, 0, 32, 0, stream), emulation::Fault);
  EXPECT_THROW(launch(half_a_barrier, 1, 1025, 0, stream), emulation::Fault);
  EXPECT_THROW(launch(half_a_barrier, 1, 32, 100 << 10, stream), emulation::Fault);
}

__global__ void shuffles(int* out) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  int* mine = out + threadIdx.x * 3;
  mine[0] = __shfl_xor_sync(0xffffffffU, lane, 5);
  mine[1] = __shfl_down_sync(0xffffffffU, lane, 16);
  mine[2] = __shfl_sync(0xffffffffU, lane, 7);
}

TEST(CudaEmulation, LanesExchange) {
  Stream stream;
  std::vector<int> out(64 * 3);
  launch(shuffles, 1, 64, 0, stream, out.data());
  for (int thread = 0; thread < 64; ++thread) {
    const int lane = thread % 32;
    const int* mine = out.data() + thread * 3;
    EXPECT_EQ(mine[0], lane ^ 5);
    EXPECT_EQ(mine[1], lane < 16 ? lane + 16 : lane);
    EXPECT_EQ(mine[2], 7);
  }
}

// c[16 x 8] = 1 + a[16 x 16] b[16 x 8] with b in rows, or in columns.
__global__ void tile_product(const Bf16* a, const Bf16* b, bool columns, float* c) {
  PARETOFORMER_DYNAMIC_SHARED(memory);
  auto* left = reinterpret_cast<Bf16*>(memory);
  Bf16* right = left + 256;
  const int lane = static_cast<int>(threadIdx.x);
  copy_async_16(left + lane * 8, a + lane * 8, true);
  if (lane < 16) copy_async_16(right + lane * 8, b + lane * 8, true);
  commit_copies();
  wait_for_copies<0>();
  __syncwarp();
  unsigned x[4], y[4];
  load_matrices(x, left + lane % 16 * 16 + lane / 16 * 8);
  if (columns)
    load_matrices(y, right + lane % 8 * 16 + lane / 8 % 2 * 8);
  else
    load_transposed_matrices(y, right + lane % 16 * 8);
  float sums[4] = {1.0F, 1.0F, 1.0F, 1.0F};
  multiply_add(sums, x, y[0], y[1]);
  for (int i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sums[i];
}

TEST(CudaEmulation, TileProductsAreProducts) {
  std::mt19937 random(1);
  std::uniform_int_distribution<int> number(-8, 8);  // sums of products are exact
  alignas(16) Bf16 a[256], b[128 + 8];
  float c[128];
  for (Bf16& value : a) value = to_bf16(static_cast<float>(number(random)));
  for (Bf16& value : b) value = to_bf16(static_cast<float>(number(random)));
  Stream stream;
  for (const bool columns : {false, true}) {
    launch(tile_product, 1, 32, 384 * sizeof(Bf16), stream, a, b, columns, c);
    for (int i = 0; i < 16; ++i)
      for (int j = 0; j < 8; ++j) {
        float sum = 1.0F;
        for (int k = 0; k < 16; ++k)
          sum += to_float(a[i * 16 + k]) * to_float(b[columns ? j * 16 + k : k * 8 + j]);
        ASSERT_EQ(c[i * 8 + j], sum) << i << " " << j;
      }
  }
  // Rows at no multiple of 16 bytes, and more than the block has.
  EXPECT_THROW(launch(tile_product, 1, 32, 384 * sizeof(Bf16), stream, a, b + 1, true, c),
               emulation::Fault);
  EXPECT_THROW(launch(tile_product, 1, 32, 380 * sizeof(Bf16), stream, a, b, true, c),
               emulation::Fault);
}

__global__ void byte_product(const std::int8_t* a, const std::int8_t* b, int* c) {
  PARETOFORMER_DYNAMIC_SHARED(memory);
  auto* left = reinterpret_cast<std::int8_t*>(memory);  // [16][32]
  std::int8_t* right = left + 512;                      // [8][32], transposed; and 8 rows more
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = lane; i < 512; i += 32) left[i] = a[i], right[i] = i < 256 ? b[i] : 0;
  __syncwarp();
  unsigned x[4], y[4];
  load_left(x, left, 32);
  load_right(y, right, 32);
  int sums[4] = {1, 1, 1, 1};
  multiply_add(sums, x, y[0], y[1]);
  for (int i = 0; i < 4; ++i) c[row_of_sum(i) * 8 + column_of_sum(i)] = sums[i];
}

TEST(CudaEmulation, TileProductsOfBytesAreProducts) {
  std::mt19937 random(1);
  alignas(16) std::int8_t a[512], b[256];
  for (std::int8_t& value : a) value = static_cast<std::int8_t>(random());
  for (std::int8_t& value : b) value = static_cast<std::int8_t>(random());
  int c[128];
  Stream stream;
  launch(byte_product, 1, 32, 1024, stream, a, b, c);
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 8; ++j) {
      int sum = 1;
      for (int k = 0; k < 32; ++k) sum += a[i * 32 + k] * b[j * 32 + k];
      ASSERT_EQ(c[i * 8 + j], sum) << i << " " << j;
    }
}

template <int pending>
__global__ void copies(const float* in, float* out) {
  PARETOFORMER_DYNAMIC_SHARED(memory);
  auto* shared = reinterpret_cast<float*>(memory);
  for (int i = 0; i < 3; ++i) {
    copy_async_4(shared + i, in + i, i != 1);
    commit_copies();
  }
  wait_for_copies<pending>();
  for (int i = 0; i < 3; ++i) out[i] = shared[i];
}

TEST(CudaEmulation, CopiesAreThereWhenWaitedFor) {
  Stream stream;
  const float in[3] = {1.0F, 2.0F, 3.0F};
  float out[3];
  launch(copies<1>, 1, 1, sizeof in, stream, in, out);
  EXPECT_EQ(out[0], 1.0F);
  EXPECT_EQ(out[1], 0.0F);
  EXPECT_TRUE(std::isnan(out[2]));
  launch(copies<0>, 1, 1, sizeof in, stream, in, out);
  EXPECT_EQ(out[2], 3.0F);
}

TEST(CudaEmulation, Bf16IsTheNearest) {
  for (const float value : {1.0F, -2.5F, 3.14159265F, 1e-30F, 6e37F, -1e-3F}) {
    const float rounded = to_float(to_bf16(value));
    // Seven bits behind the first: at most half of the last one off.
    EXPECT_LE(std::abs(rounded - value), std::ldexp(std::abs(value), -8)) << value;
    EXPECT_EQ(to_float(to_bf16(rounded)), rounded);
  }
  EXPECT_EQ(to_float(to_bf16(1.0F + std::ldexp(1.0F, -8))), 1.0F);  // ties to even
  EXPECT_EQ(to_float(to_bf16(1.0F + std::ldexp(3.0F, -8))), 1.0F + std::ldexp(1.0F, -6));
  EXPECT_TRUE(std::isnan(to_float(to_bf16(std::nanf("")))));
  EXPECT_TRUE(std::isinf(to_float(to_bf16(INFINITY))));
}

TEST(CudaEmulation, MemoryStartsAsNaNAndIsLimited) {
  const std::size_t limit = emulation::device_memory;
  const std::size_t free = device().free_memory;
  {
    DeviceArray<float> values(1000);
    EXPECT_TRUE(std::isnan(values.data()[999]));
    EXPECT_EQ(device().free_memory, free - 4000);
    Stream stream;
    fill_zero(stream, values.data(), values.size());
    EXPECT_EQ(values.data()[999], 0.0F);
    DeviceArray<float> moved(std::move(values));
    EXPECT_EQ(moved.size(), 1000U);
  }
  EXPECT_EQ(device().free_memory, free);
  emulation::device_memory = limit - free + 10;
  try {
    DeviceArray<float> values(3);
    ADD_FAILURE() << "12 bytes of 10";
  } catch (const OutOfDeviceMemory& error) {
    EXPECT_EQ(error.bytes(), 12U);
    EXPECT_THAT(error.what(), HasSubstr("12 bytes"));
  }
  emulation::device_memory = limit;
}

}  // namespace
}  // namespace paretoformer::supernet::cuda
