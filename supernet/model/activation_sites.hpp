// The tensors of a sub-network that become int8, each with one scale, and a value for each of them.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace paretoformer::supernet {

// In the order of the pass. The residual stream is `input`, `middle` and `output`; what is added to
// it are `attention` and `ffn`, the outputs of the output and down projections.
template <class T>
struct LayerSites {
  T norm1{}, query{}, key{}, value{}, context{}, attention{}, middle{};
  T norm2{}, up{}, gelu{}, ffn{}, output{};

  std::array<T*, 12> all() {
    return {&norm1,  &query, &key, &value, &context, &attention,
            &middle, &norm2, &up,  &gelu,  &ffn,     &output};
  }
};

template <class T>
struct Sites {
  explicit Sites(std::size_t depth = 0) : layers(depth) {}

  T tokens{}, positions{};  // the embedding tables
  T input{};                // the residual stream before the first layer
  std::vector<LayerSites<T>> layers;
  T norm{};  // after the last layer

  std::vector<T*> all() {
    std::vector<T*> sites{&tokens, &positions, &input};
    for (LayerSites<T>& layer : layers)
      for (T* const site : layer.all()) sites.push_back(site);
    sites.push_back(&norm);
    return sites;
  }
};

// "layer 2, up", in the order of Sites::all().
std::string site_name(std::size_t index);

}  // namespace paretoformer::supernet
