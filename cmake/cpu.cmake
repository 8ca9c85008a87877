# PARETOFORMER_CPU: the instruction set of the training kernels, e.g. x86-64-v4 (AVX-512) or
# x86-64-v3 (AVX2). "auto" asks the processor of the machine that builds; set it explicitly for a
# binary that has to run elsewhere. Not -march=native: g++ 12 then tunes newer processors like old
# ones and loses a quarter of the speed.
set(PARETOFORMER_CPU "auto" CACHE STRING "Instruction set of the training kernels (auto, none, or a value of -march)")

if(PARETOFORMER_CPU STREQUAL "auto")
  include(CheckCXXSourceRuns)
  set(test_v4 "int main() { return __builtin_cpu_supports(\"avx512f\") && __builtin_cpu_supports(\"avx512bw\") && __builtin_cpu_supports(\"avx512dq\") && __builtin_cpu_supports(\"avx512vl\") ? 0 : 1; }")
  set(test_v3 "int main() { return __builtin_cpu_supports(\"avx2\") && __builtin_cpu_supports(\"fma\") ? 0 : 1; }")
  check_cxx_source_runs("${test_v4}" PARETOFORMER_CPU_HAS_V4)
  check_cxx_source_runs("${test_v3}" PARETOFORMER_CPU_HAS_V3)
  if(PARETOFORMER_CPU_HAS_V4)
    set(PARETOFORMER_CPU_FLAGS -march=x86-64-v4 -mprefer-vector-width=512)
  elseif(PARETOFORMER_CPU_HAS_V3)
    set(PARETOFORMER_CPU_FLAGS -march=x86-64-v3)
  else()
    set(PARETOFORMER_CPU_FLAGS "")
  endif()
elseif(PARETOFORMER_CPU STREQUAL "none")
  set(PARETOFORMER_CPU_FLAGS "")
else()
  set(PARETOFORMER_CPU_FLAGS -march=${PARETOFORMER_CPU})
endif()
message(STATUS "Training kernels are compiled with: ${PARETOFORMER_CPU_FLAGS}")
