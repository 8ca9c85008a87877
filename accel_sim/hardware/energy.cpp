#include "accel_sim/hardware/energy.hpp"

namespace paretoformer::accel_sim {
namespace {

double times(std::int64_t count, double picojoules) {
  return static_cast<double>(count) * picojoules;
}

}  // namespace

AccessCounts& AccessCounts::operator+=(const AccessCounts& other) {
  macs += other.macs;
  pe_register += other.pe_register;
  scratchpad += other.scratchpad;
  accumulator += other.accumulator;
  l2_bytes += other.l2_bytes;
  dram_bytes += other.dram_bytes;
  return *this;
}

AccessCounts operator*(const AccessCounts& counts, std::int64_t times) {
  return {counts.macs * times,        counts.pe_register * times, counts.scratchpad * times,
          counts.accumulator * times, counts.l2_bytes * times,    counts.dram_bytes * times};
}

AccessEnergies::AccessEnergies(const Hardware& hardware)
    : mac(hardware.mac_pj),
      pe_register(hardware.pe_register_pj),
      scratchpad(hardware.scratchpad_pj + hardware.scratchpad_pj_per_kib * hardware.scratchpad_kib),
      accumulator(hardware.accumulator_pj + hardware.accumulator_pj_per_column_kib *
                                                hardware.accumulator_kib / hardware.array_size),
      l2_byte(hardware.l2_pj_per_byte),
      dram_byte(hardware.dram_pj_per_byte) {}

Picojoules energy(const AccessCounts& accesses, Cycles total, Cycles host,
                  const Hardware& hardware) {
  const AccessEnergies each(hardware);
  return Picojoules(
      times(accesses.macs, each.mac) + times(accesses.pe_register, each.pe_register) +
      times(accesses.scratchpad, each.scratchpad) + times(accesses.accumulator, each.accumulator) +
      times(accesses.l2_bytes, each.l2_byte) + times(accesses.dram_bytes, each.dram_byte) +
      times(total.value(), hardware.static_pj_per_cycle) +
      times(host.value(), hardware.host_pj_per_cycle));
}

}  // namespace paretoformer::accel_sim
