#include <gtest/gtest.h>

#include <cstdio>

#include "accel_sim/simulator.hpp"
namespace paretoformer {
namespace {
std::int64_t cyc(const Operator& op, const Hardware& h) {
  return simulate(op, h).cost.latency.value();
}
void pair(const char* n, const Operator& m0, Hardware h, bool softmax, bool residual) {
  Operator apart = m0, fused = m0;
  std::int64_t a, an, f, fn;
  apart.activation = softmax ? Activation::kSums : Activation::kNone;
  fused.activation = softmax    ? Activation::kSoftmax
                     : residual ? Activation::kAddLayerNorm
                                : Activation::kLayerNorm;
  a = cyc(apart, h);
  an = cyc(
      elementwise(softmax ? OperatorKind::kSoftmax : OperatorKind::kLayerNorm, m0.rows, m0.columns),
      h);
  if (residual) an += cyc(elementwise(OperatorKind::kResidualAdd, m0.rows, m0.columns), h);
  f = cyc(fused, h);
  fn = cyc(softmax ? softmax_of(fused) : layer_norm_of(fused), h);
  auto t = default_tile(fused, h);
  std::printf(
      "  %-14s acc %d l %d: apart %lld + %lld (norm %.1f%%)  fused %lld + %lld (tile %d %d %d)  "
      "pair %+.1f%%  matmul %+.1f%%\n",
      n, h.accumulator_kib, m0.rows, (long long)a, (long long)an, 100. * an / (a + an),
      (long long)f, (long long)fn, t.rows, t.inner, t.columns, 100. * (f + fn) / (a + an) - 100,
      100. * f / a - 100);
}
TEST(Dbg, Fusion) {
  for (int machine = 0; machine < 4; ++machine) {
    Hardware h = find_hardware(machine < 2 ? "gemmini_transformer" : "survey_analytical");
    h.nonlinear_units = NonlinearUnits::kOnChip;
    h.scratchpad_kib = 256;
    if (machine % 2) h.norm_command_cycles = 0;
    std::printf("machine %d\n", machine);
    for (int acc : {128, 256})
      for (int l : {512, 4096}) {
        h.accumulator_kib = acc;
        Operator q = matmul(l, 64, l, RightOperand::kTransposedActivations);
        Operator s = q;
        s.activation = Activation::kSoftmax;
        if (is_fused(s, h)) pair("QK+softmax", q, h, true, false);
        pair("Wout+LN", matmul(l, 768, 768), h, false, false);
        pair("Wout+res+LN", matmul(l, 768, 768), h, false, true);
        pair("W2+LN", matmul(l, 3072, 768), h, false, false);
        pair("W2+res+LN", matmul(l, 3072, 768), h, false, true);
      }
  }
}
}  // namespace
}  // namespace paretoformer
