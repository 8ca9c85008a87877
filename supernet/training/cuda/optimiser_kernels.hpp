// AdamW on the device's arenas.
#pragma once

#include <cstddef>

#include "supernet/kernels/kernels.hpp"
#include "supernet/training/cuda/platform.hpp"

namespace paretoformer::supernet::cuda {

// What gradient_norm() finds, in device memory: apply_adamw() reads it there, so the host need not
// wait in between.
struct NormOfGradient {
  double norm;  // times the gradient's scale, before clipping
  float scale;  // of the gradient: the given one, less where the norm is more than the clip norm
};

// Values of type double that it needs at `partial_sums`.
inline constexpr int kNormParts = 1024;
void gradient_norm(Stream& stream, std::size_t count, const float* gradient, double gradient_scale,
                   double clip_norm, double* partial_sums, NormOfGradient* result);

// A weight arena with its gradient and moments; `rounded` are the first `matrices` weights, in
// bf16.
struct Arenas {
  std::size_t size, matrices;
  const float* gradient;
  float *parameters, *m, *v;
  Bf16* rounded;
};
// One step of supernet::adamw() with step.gradient_scale and clipping as gradient_norm() found
// them; only matrices decay. Nothing where the norm is not finite.
void apply_adamw(Stream& stream, const AdamW& step, const Arenas& arenas,
                 const NormOfGradient* norm);

// rounded[i] = bf16(values[i])
void round_values(Stream& stream, std::size_t count, const float* values, Bf16* rounded);

}  // namespace paretoformer::supernet::cuda
