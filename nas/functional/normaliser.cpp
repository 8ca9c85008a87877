#include "nas/functional/normaliser.hpp"

#include <algorithm>
#include <limits>

#include "support/error.hpp"

namespace paretoformer::nas {

using accel_sim::Mvout;
using accel_sim::Normalisation;
using accel_sim::NormPass;
using supernet::wrapping_add;
using supernet::wrapping_multiply;
using supernet::wrapping_subtract;

void Normaliser::pass(const Mvout& mvout, std::span<const std::int32_t> x,
                      std::span<std::int8_t> y) {
  Statistics& row = rows_.at(static_cast<std::size_t>(mvout.statistics));
  if (mvout.first_of_pass) begin(mvout, row);
  if (static_cast<int>(mvout.pass) != static_cast<int>(row.done) + 1)
    throw Error("the normaliser's passes over a row come out of order");
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (mvout.pass == NormPass::kWrite)
      y[i] = supernet::requantize(result(mvout, x[i], row), row.factor);
    else
      add(mvout, x[i], row);
  }
  row.seen += static_cast<int>(x.size());
  if (mvout.last_of_pass) end(mvout, row);
}

void Normaliser::begin(const Mvout& mvout, Statistics& row) const {
  if (mvout.pass == NormPass::kFirst) {
    row = {};
    if (mvout.normalisation == Normalisation::kSoftmax)
      row.centre = std::numeric_limits<std::int32_t>::min();
  }
  row.seen = 0;
}

std::int32_t Normaliser::result(const Mvout& mvout, std::int32_t x, const Statistics& row) const {
  const std::int32_t difference = wrapping_subtract(x, row.centre);
  return mvout.normalisation == Normalisation::kSoftmax ? supernet::i_exp(difference, exp_)
                                                        : difference;
}

void Normaliser::add(const Mvout& mvout, std::int32_t x, Statistics& row) const {
  const bool softmax = mvout.normalisation == Normalisation::kSoftmax;
  if (mvout.pass == NormPass::kFirst) {
    row.centre = softmax ? std::max(row.centre, x) : wrapping_add(row.centre, x);
    return;
  }
  const std::int32_t value = result(mvout, x, row);
  row.spread = wrapping_add(row.spread, softmax ? value : wrapping_multiply(value, value));
}

void Normaliser::end(const Mvout& mvout, Statistics& row) const {
  const bool softmax = mvout.normalisation == Normalisation::kSoftmax;
  if (mvout.pass == NormPass::kFirst) {
    row.count = row.seen;
    if (!softmax) row.centre /= row.count;
  } else if (row.seen != row.count) {
    throw Error("the normaliser's passes over a row see different numbers of elements");
  } else if (mvout.pass == NormPass::kSecond) {
    float inverse = 127.0F / static_cast<float>(row.spread);
    if (!softmax) {
      const auto variance = static_cast<std::uint32_t>(row.spread / row.count);
      const auto root = static_cast<std::int16_t>(supernet::i_sqrt(variance));
      inverse = 1.0F / static_cast<float>(root == 0 ? 1 : root);
    }
    row.factor = inverse * scale_;
  }
  row.done = mvout.pass;
}

}  // namespace paretoformer::nas
