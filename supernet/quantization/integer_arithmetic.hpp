// What Gemmini's integer units do with one number: the plain form, and the specification, of what
// supernet/quantization/integer_operators.hpp does with rows.
//
// Sources are those of ucb-bar/gemmini (src/main/scala/gemmini) with has_normalizations, and of its
// C library (gemmini-rocc-tests, include/gemmini.h) for the constants. Sums and products of int32
// wrap. f32 is IEEE single precision rounded to nearest even.
#pragma once

#include <cstdint>

namespace paretoformer::supernet {

// int32 arithmetic as the hardware has it, modulo 2^32.
std::int32_t wrapping_add(std::int32_t a, std::int32_t b);
std::int32_t wrapping_subtract(std::int32_t a, std::int32_t b);
std::int32_t wrapping_multiply(std::int32_t a, std::int32_t b);

// x in [-128, 127] as it is, the nearer limit otherwise (Arithmetic.scala, clippedToWidthOf).
std::int8_t saturate(std::int32_t x);

// f32(f32(x) * scale) rounded to the nearest integer, ties to even; beyond int32 its limit. NaN,
// which is 0 times infinity, is the upper limit (Configs.scala, acc_scale_args; what is NaN:
// berkeley-hardfloat, RecFNToIN.scala).
std::int32_t scale_and_round(std::int32_t x, float scale);

// saturate(scale_and_round(x, scale)): what leaves the accumulator as int8, and, of an x that is
// int8 itself, what a scaled mvin brings in (Configs.scala, mvin_scale_args).
std::int8_t requantize(std::int32_t x, float scale);

// Constants of i-exp for numbers with scale S (x stands for x S), I-BERT's polynomial
// 0.3585 (x + 1.353)^2 + 0.344 (Kim et al. 2021, arXiv 2101.01321, section 3.5).
struct ExpConstants {
  std::int32_t ln2;          // ln 2 / S
  std::int32_t inverse_ln2;  // 65536 / ln2
  std::int32_t b;            // 1.353 / S
  std::int32_t c;            // 0.344 / (0.3585 S^2)
};
// As gemmini.h computes them, to the bit. Throws InputError unless S is such that ln2 is at least 1
// (S at most 0.693) and c fits int32 (S at least 2.2e-5).
ExpConstants exp_constants(float scale);

// exp(q S) / (0.3585 S^2) of q <= 0, which all wraps for other q: 2^-z times the polynomial of what
// is left of q (AccumulatorScale.scala, iexp; there in a comment at the commit read, and built in
// what was measured). 0 if z is 32 or more. The polynomial is off by 0.0021 at most (before 2^-z);
// truncated constants add about S.
std::int32_t i_exp(std::int32_t q, const ExpConstants& constants);

// Constants of i-GELU for numbers with scale S: I-BERT's -0.2888 (min(|x|, 1.769) - 1.769)^2 + 1
// for erf (section 3.4) at x / sqrt 2.
struct GeluConstants {
  std::int32_t b;  // -1.769 sqrt 2 / S
  std::int32_t c;  // 2 / (-0.2888 S^2)
};
// As gemmini.h computes them, to the bit. Throws InputError unless S is positive and c fits int32
// (S at least 5.7e-5). Steps S above 0.1 are too coarse for the constants to be worth much.
GeluConstants gelu_constants(float scale);

// gelu(x S) / (S S_erf / 2) with S_erf = -0.2888 S^2 / 2, which is negative
// (AccumulatorScale.scala, igelu). Exact to I-BERT's approximation (rms 0.0082, at most 0.0182 for
// |x S| <= 4) and the truncation of the constants where nothing overflows:
// supernet/quantization/overflow.hpp.
std::int32_t i_gelu(std::int32_t x, const GeluConstants& constants);

// The largest r with r * r <= x (Normalizer.scala, IntSqrt).
std::uint32_t i_sqrt(std::uint32_t x);

}  // namespace paretoformer::supernet
