// Instructions of compute capability 8.0 that C++ has no word for: products of small matrices by a
// warp, and copies to shared memory that a thread need not wait for. PTX ISA,
// docs.nvidia.com/cuda/parallel-thread-execution, "mma.m16n8k16", "mma.m16n8k32", "ldmatrix" and
// "cp.async".
//
// nvcuda::wmma would not do: it does not say which lane holds which element of a matrix, so that
// every step of a softmax would go through shared memory.
#pragma once

#include "supernet/training/cuda/platform.hpp"

namespace paretoformer::supernet::cuda {

// Two numbers in one register, `low` being the first in memory.
__device__ __forceinline__ unsigned pack_bf16(float low, float high) {
#ifdef PARETOFORMER_CUDA_EMULATION
  return to_bf16(low).bits | static_cast<unsigned>(to_bf16(high).bits) << 16;
#else
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return reinterpret_cast<const unsigned&>(pair);
#endif
}

// 2^x with a relative error below 2^-22; 0 for minus infinity.
__device__ __forceinline__ float fast_exp2(float x) {
#ifdef PARETOFORMER_CUDA_EMULATION
  return std::exp2(x);
#else
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
#endif
}

#ifdef PARETOFORMER_CUDA_EMULATION

// With lane = 4 g + t, lane's two elements (g, 2t) and (g, 2t + 1) of four 8x8 matrices. `row` is
// the address in shared memory, a multiple of 16 bytes, of row lane % 8 of matrix lane / 8.
inline void load_matrices(unsigned (&registers)[4], const Bf16* row,
                          emulation::Site where = emulation::Site::current()) {
  emulation::ldmatrix_x4(registers, row, false, where);
}
// The same of the transposed matrices: lane's elements are (2t, g) and (2t + 1, g).
inline void load_transposed_matrices(unsigned (&registers)[4], const Bf16* row,
                                     emulation::Site where = emulation::Site::current()) {
  emulation::ldmatrix_x4(registers, row, true, where);
}
// c[16 x 8] += a[16 x 16] b[16 x 8]. With g and t as above, a lane has c(g, 2t), c(g, 2t + 1),
// c(g + 8, 2t), c(g + 8, 2t + 1); of a the pairs (g, 2t..), (g + 8, 2t..), (g, 2t + 8..),
// (g + 8, 2t + 8..); of b the pairs (2t.., g) and (2t + 8.., g).
inline void multiply_add(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1,
                         emulation::Site where = emulation::Site::current()) {
  emulation::mma_m16n8k16(c, a, b0, b1, where);
}
// The same of int8 in wrapping int32, c[16 x 8] += a[16 x 32] b[32 x 8]: of a the fours (g, 4t..),
// (g + 8, 4t..), (g, 4t + 16..), (g + 8, 4t + 16..); of b the fours (4t.., g) and (4t + 16.., g).
inline void multiply_add(int (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1,
                         emulation::Site where = emulation::Site::current()) {
  emulation::mma_m16n8k32(c, a, b0, b1, where);
}

// 16 bytes from device memory to shared memory, both at multiples of 16 bytes, or else zeros.
inline void copy_async_16(void* to, const void* from, bool there) {
  emulation::cp_async(to, from, 16, there ? 16 : 0);
}
inline void copy_async_4(void* to, const void* from, bool there) {
  emulation::cp_async(to, from, 4, there ? 4 : 0);
}
// Ends a group of this thread's copies.
inline void commit_copies() { emulation::cp_async_commit_group(); }
// Until at most `pending` of its groups are under way. Other threads see them after a barrier.
template <int pending>
void wait_for_copies() {
  emulation::cp_async_wait_group(pending);
}

#else

__device__ __forceinline__ unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

__device__ __forceinline__ void load_matrices(unsigned (&registers)[4], const Bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(shared_address(row))
               : "memory");
}

__device__ __forceinline__ void load_transposed_matrices(unsigned (&registers)[4],
                                                         const Bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(shared_address(row))
               : "memory");
}

__device__ __forceinline__ void multiply_add(float (&c)[4], const unsigned (&a)[4], unsigned b0,
                                             unsigned b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ void multiply_add(int (&c)[4], const unsigned (&a)[4], unsigned b0,
                                             unsigned b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ void copy_async_16(void* to, const void* from, bool there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)),
               "l"(__cvta_generic_to_global(from)), "r"(there ? 16 : 0)
               : "memory");
}

__device__ __forceinline__ void copy_async_4(void* to, const void* from, bool there) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(to)),
               "l"(__cvta_generic_to_global(from)), "r"(there ? 4 : 0)
               : "memory");
}

__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

template <int pending>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

#endif

}  // namespace paretoformer::supernet::cuda
