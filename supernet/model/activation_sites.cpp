#include "supernet/model/activation_sites.hpp"

#include <algorithm>

namespace paretoformer::supernet {

std::string site_name(std::size_t index) {
  constexpr std::array kTables = {"token embedding", "position embedding", "input"};
  constexpr std::array kOfLayer = {"norm1",  "query", "key", "value", "context", "attention",
                                   "middle", "norm2", "up",  "gelu",  "ffn",     "output"};
  if (index < kTables.size()) return kTables[index];
  const std::size_t within = index - kTables.size();
  return "layer " + std::to_string(within / kOfLayer.size()) + ", " +
         kOfLayer[within % kOfLayer.size()];
}

}  // namespace paretoformer::supernet
