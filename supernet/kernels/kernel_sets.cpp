#include "supernet/kernels/kernel_sets.hpp"

#include <cstdlib>
#include <string>
#include <type_traits>

#include "supernet/kernels/matmul_bf16.hpp"
#include "supernet/kernels/matmul_int8.hpp"
#include "support/error.hpp"

#ifdef PARETOFORMER_X86_64_KERNELS
#include <cpuid.h>
#endif
#ifdef PARETOFORMER_BF16_KERNELS
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace paretoformer::supernet {
namespace {

#ifdef PARETOFORMER_X86_64_KERNELS
// All that compilers may use for -march=x86-64-v3 (x86-64 psABI, table 3.1). The built-in function
// also asks whether the operating system keeps the wide registers, but not every compiler's knows
// the last three.
bool has_x86_64_v3() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("sse3") || !__builtin_cpu_supports("ssse3") ||
      !__builtin_cpu_supports("sse4.1") || !__builtin_cpu_supports("sse4.2") ||
      !__builtin_cpu_supports("popcnt") || !__builtin_cpu_supports("avx") ||
      !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi") ||
      !__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("fma"))
    return false;
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kCx16 = 1u << 13, kMovbe = 1u << 22, kF16c = 1u << 29;
  constexpr unsigned kBasic = kCx16 | kMovbe | kF16c;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & kBasic) != kBasic) return false;
  constexpr unsigned kLahf = 1u << 0, kLzcnt = 1u << 5;
  return __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & kLahf) && (c & kLzcnt);
}

bool has_x86_64_v4() {
  return has_x86_64_v3() && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

// Null where nothing is asked for.
const char* wanted() {
  const char* name = std::getenv("PARETOFORMER_CPU");
  return name && *name ? name : nullptr;
}

Bf16Unit find_unit() {
#ifdef PARETOFORMER_BF16_KERNELS
  if (wanted() || !has_x86_64_v4()) return Bf16Unit::none;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & (1u << 5))) return Bf16Unit::none;
  __get_cpuid_count(7, 0, &a, &b, &c, &d);
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;
  // Linux gives the tile registers to a process that asks (Documentation/arch/x86/xstate.rst).
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  if ((d & kAmxBf16) && (d & kAmxTile) &&
      syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0)
    return Bf16Unit::amx;
  return Bf16Unit::avx512;
#else
  return Bf16Unit::none;
#endif
}

Int8Unit find_int8_unit() {
#ifdef PARETOFORMER_VNNI_KERNELS
  if (!wanted() && has_x86_64_v4() && __builtin_cpu_supports("avx512vnni")) return Int8Unit::vnni;
#endif
  return kernel_set().matmul_pairs ? Int8Unit::pairs : Int8Unit::none;
}

}  // namespace

const std::vector<const KernelSet*>& kernel_sets() {
  static const std::vector<const KernelSet*> sets = [] {
    std::vector<const KernelSet*> here{&portable::kKernels};
#ifdef PARETOFORMER_X86_64_KERNELS
    if (has_x86_64_v3()) here.push_back(&x86_64_v3::kKernels);
    if (has_x86_64_v4()) here.push_back(&x86_64_v4::kKernels);
#endif
    return here;
  }();
  return sets;
}

const KernelSet& kernel_set_named(const char* name) {
  std::string names;
  for (const KernelSet* set : kernel_sets()) {
    if (set->name == std::string(name)) return *set;
    names += (names.empty() ? "" : ", ") + std::string(set->name);
  }
  throw InputError("environment variable PARETOFORMER_CPU: \"" + std::string(name) +
                   "\": expected one of the instruction sets that this processor has: " + names);
}

const KernelSet& kernel_set() {
  static const KernelSet& set = wanted() ? kernel_set_named(wanted()) : *kernel_sets().back();
  return set;
}

template <class T>
const Kernels<T>& kernels() {
  if constexpr (std::is_same_v<T, float>)
    return kernel_set().of_float;
  else
    return kernel_set().of_double;
}
template const Kernels<float>& kernels<float>();
template const Kernels<double>& kernels<double>();

Bf16Unit bf16_unit() {
  static const Bf16Unit unit = find_unit();
  return unit;
}

Int8Unit int8_unit() {
  static const Int8Unit unit = find_int8_unit();
  return unit;
}

}  // namespace paretoformer::supernet
