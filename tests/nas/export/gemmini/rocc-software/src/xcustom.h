// RoCC commands: on RISC-V the instruction, elsewhere a functional model of the accelerator, which
// writes every command that moves data to `rocc_log` and executes it at once.
#ifndef PARETOFORMER_TESTS_XCUSTOM_H
#define PARETOFORMER_TESTS_XCUSTOM_H

#ifdef __riscv

#define ROCC_INSTRUCTION_0_R_R(x, rs1, rs2, funct) \
  { asm volatile(".insn r 0x7b, 3, %2, x0, %0, %1" : : "r"(rs1), "r"(rs2), "i"(funct)); }

#else

#include <stdint.h>

void rocc(uint64_t rs1, uint64_t rs2, int funct);
#define ROCC_INSTRUCTION_0_R_R(x, rs1, rs2, funct) \
  { rocc((uint64_t)(rs1), (uint64_t)(rs2), funct); }
// Of the library's counters, which nothing reads.
#define ROCC_INSTRUCTION(x, rd, rs1, rs2, funct) \
  { (void)(rs1), (void)(rs2), (rd) = 0; }

#endif
#endif
