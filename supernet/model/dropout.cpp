#include "supernet/model/dropout.hpp"

#include "support/random.hpp"

namespace paretoformer::supernet {
namespace {

constexpr std::uint64_t kDropoutStream = 5;
constexpr std::uint64_t kSites = 3;

std::uint64_t key_of(std::uint64_t key, std::uint64_t part) { return Random(key, {part}).next(); }

}  // namespace

Dropout Dropout::of_step(double probability, std::uint64_t seed, std::int64_t step) {
  return {probability, Random(seed, {kDropoutStream, static_cast<std::uint64_t>(step)}).next(), 0};
}

Dropout Dropout::of_network(std::size_t number) const {
  return {probability, key_of(key, number), first_row};
}

DropoutMask Dropout::mask(DropoutSite site, std::size_t layer) const {
  return {key_of(key, kSites * layer + static_cast<std::uint64_t>(site)), first_row,
          static_cast<std::uint32_t>(probability * 0x1p32), 1 / (1 - probability)};
}

}  // namespace paretoformer::supernet
