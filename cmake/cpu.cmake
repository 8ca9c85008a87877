# PARETOFORMER_KERNEL_SETS: the instruction sets that the training kernels are compiled for, the
# plainest first, as far as the compiler knows them; the program chooses one when it runs. Flags are
# in PARETOFORMER_KERNEL_FLAGS_<set>. Not -march=<a processor>: g++ 12 then tunes newer processors
# like old ones and loses a quarter of the speed.
include(CheckCXXCompilerFlag)
set(PARETOFORMER_KERNEL_SETS portable)
set(PARETOFORMER_KERNEL_FLAGS_portable "")
check_cxx_compiler_flag("-march=x86-64-v4 -mprefer-vector-width=512" PARETOFORMER_HAS_X86_64_FLAGS)
if(PARETOFORMER_HAS_X86_64_FLAGS)
  list(APPEND PARETOFORMER_KERNEL_SETS x86-64-v3 x86-64-v4)
  set(PARETOFORMER_KERNEL_FLAGS_x86-64-v3 -march=x86-64-v3)
  set(PARETOFORMER_KERNEL_FLAGS_x86-64-v4 -march=x86-64-v4 -mprefer-vector-width=512)
endif()
