#include "search_spaces/search_space.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <string_view>

#include "search_spaces/embedded_json.hpp"
#include "support/error.hpp"
#include "support/presets.hpp"

namespace paretoformer {

namespace {

constexpr Presets kPresets("search space", search_spaces_json);

constexpr std::int64_t kBeyond = std::numeric_limits<std::int64_t>::max();
constexpr int kLargestDepth = 1024;
constexpr int kMostChoices = 4096;

std::vector<int> range_from_json(const JsonNode& node, int largest) {
  const JsonObject object(node);
  const std::int64_t from = object.integer("from", 1, largest);
  const std::int64_t to = object.integer("to", 1, largest);
  const std::int64_t step = object.integer("step", 1, largest);
  object.finish();
  if (to < from) object.at("to").fail("is below \"from\"");
  if ((to - from) % step != 0)
    object.at("to").fail("is not reached: expected \"from\" plus a multiple of \"step\"");
  if ((to - from) / step >= kMostChoices)
    node.fail("has too many choices: expected at most " + std::to_string(kMostChoices));
  std::vector<int> choices;
  for (std::int64_t value = from; value <= to; value += step)
    choices.push_back(static_cast<int>(value));
  return choices;
}

std::vector<int> choices_from_json(const JsonNode& node, int largest) {
  if (node.json().is_object()) return range_from_json(node, largest);
  if (!node.json().is_array())
    node.fail(R"(has the wrong type: expected a list of integers or {"from", "to", "step"})");
  std::vector<int> choices;
  for (const JsonNode& element : node.elements()) {
    const int value = static_cast<int>(element.integer(1, largest));
    if (!choices.empty() && value == choices.back()) element.fail("appears twice");
    if (!choices.empty() && value < choices.back())
      element.fail("is out of order: expected an increasing list");
    choices.push_back(value);
  }
  if (choices.empty()) node.fail("is empty: expected at least one choice");
  if (choices.size() > kMostChoices)
    node.fail("has too many choices: expected at most " + std::to_string(kMostChoices));
  return choices;
}

// Position in an increasing list that holds `value`.
std::size_t position(const std::vector<int>& choices, int value) {
  return static_cast<std::size_t>(std::lower_bound(choices.begin(), choices.end(), value) -
                                  choices.begin());
}

bool holds(const std::vector<int>& choices, int value) {
  return std::binary_search(choices.begin(), choices.end(), value);
}

int pick(const std::vector<int>& choices, Random& random) {
  return choices[random.below(choices.size())];
}

// The one or two choices next to `value`.
std::vector<int> adjacent(const std::vector<int>& choices, int value) {
  const std::size_t at = position(choices, value);
  std::vector<int> result;
  if (at > 0) result.push_back(choices[at - 1]);
  if (at + 1 < choices.size()) result.push_back(choices[at + 1]);
  return result;
}

// Another choice than `value`; the list must have one.
int move(const std::vector<int>& choices, int value, Random& random) {
  if (random.chance(0.5)) return pick(adjacent(choices, value), random);
  const std::size_t at = position(choices, value);
  const std::size_t other = random.below(choices.size() - 1);
  return choices[other < at ? other : other + 1];
}

std::int64_t saturating_product(std::int64_t a, std::int64_t b) {
  return b != 0 && a > kBeyond / b ? kBeyond : a * b;
}

std::int64_t saturating_sum(std::int64_t a, std::int64_t b) {
  return a > kBeyond - b ? kBeyond : a + b;
}

std::string not_a_choice(const std::string& what, int value, const std::vector<int>& choices) {
  std::string list;
  for (int choice : choices) list += (list.empty() ? "" : ", ") + std::to_string(choice);
  if (choices.size() > 32)
    list = std::to_string(choices.front()) + " ... " + std::to_string(choices.back());
  return what + " " + std::to_string(value) + " is not a choice: expected one of " + list;
}

}  // namespace

SearchSpace SearchSpace::from_json(const JsonNode& node) {
  const JsonObject object(node);
  SearchSpace space;
  space.name_ = object.name("name", "custom");
  space.head_width_ = static_cast<int>(object.integer("head_width", 1, kLargestSize, 64));
  space.vocabulary_ = static_cast<int>(object.integer("vocabulary", 0, kLargestSize, 0));
  space.depths_ = choices_from_json(object.at("depth"), kLargestDepth);
  space.model_widths_ = choices_from_json(object.at("model_width"), kLargestSize);
  space.heads_ = choices_from_json(object.at("heads"), kLargestSize / space.head_width_);
  space.ffn_widths_ = choices_from_json(object.at("ffn_width"), kLargestSize);
  object.finish();
  return space;
}

SearchSpace SearchSpace::find(const std::string& name_or_path) {
  return from_json(kPresets.find(name_or_path).node());
}

std::vector<std::string> SearchSpace::preset_names() { return kPresets.names(); }

Json SearchSpace::to_json() const {
  Json json;
  json["name"] = name_;
  json["head_width"] = head_width_;
  if (vocabulary_ > 0) json["vocabulary"] = vocabulary_;
  json["depth"] = depths_;
  json["model_width"] = model_widths_;
  json["heads"] = heads_;
  json["ffn_width"] = ffn_widths_;
  return json;
}

SearchSpace SearchSpace::with_vocabulary(int vocabulary) const {
  if (vocabulary < 0 || vocabulary > kLargestSize)
    throw InputError("vocabulary " + std::to_string(vocabulary) +
                     " is out of range: expected 0 to " + std::to_string(kLargestSize));
  SearchSpace space = *this;
  space.vocabulary_ = vocabulary;
  return space;
}

std::int64_t SearchSpace::layer_combinations(int depth) const {
  const auto per_layer = static_cast<std::int64_t>(heads_.size() * ffn_widths_.size());
  std::int64_t combinations = 1;
  for (int i = 0; i < depth; ++i) combinations = saturating_product(combinations, per_layer);
  return combinations;
}

std::int64_t SearchSpace::count_up_to(std::int64_t limit) const {
  const auto widths = static_cast<std::int64_t>(model_widths_.size());
  std::int64_t total = 0;
  for (int depth : depths_)
    total = saturating_sum(total, saturating_product(widths, layer_combinations(depth)));
  return std::min(total, limit);
}

std::int64_t SearchSpace::count() const {
  // A saturated product reads 2^63 - 1, too; a space of exactly that size is not worth a flag.
  const std::int64_t total = count_up_to(kBeyond);
  if (total == kBeyond)
    throw Error("search space \"" + name_ + "\" holds more networks than 2^63 - 1");
  return total;
}

Architecture SearchSpace::at(std::int64_t index) const {
  // A negative index is beyond as well: no depth takes it.
  std::int64_t rest = index < 0 ? kBeyond : index;
  for (int depth : depths_) {
    const std::int64_t combinations = layer_combinations(depth);
    const std::int64_t networks =
        saturating_product(static_cast<std::int64_t>(model_widths_.size()), combinations);
    if (rest >= networks) {
      rest -= networks;
      continue;
    }
    // Digits, the model width being the most significant and the last layer the least.
    Architecture network =
        uniform(depth, model_widths_[static_cast<std::size_t>(rest / combinations)], {});
    rest %= combinations;
    const auto ffns = static_cast<std::int64_t>(ffn_widths_.size());
    const auto per_layer = static_cast<std::int64_t>(heads_.size()) * ffns;
    for (auto layer = network.layers.rbegin(); layer != network.layers.rend(); ++layer) {
      const std::int64_t digit = rest % per_layer;
      layer->heads = heads_[static_cast<std::size_t>(digit / ffns)];
      layer->ffn_width = ffn_widths_[static_cast<std::size_t>(digit % ffns)];
      rest /= per_layer;
    }
    return network;
  }
  throw Error("network " + std::to_string(index) + " is beyond search space \"" + name_ + "\"");
}

std::int64_t SearchSpace::index_of(const Architecture& architecture) const {
  require(architecture);
  const auto depth = static_cast<int>(architecture.layers.size());
  const auto widths = static_cast<std::int64_t>(model_widths_.size());
  std::int64_t shallower = 0;
  for (int smaller : depths_) {
    if (smaller > depth) break;
    const std::int64_t networks = saturating_product(widths, layer_combinations(smaller));
    if (saturating_sum(shallower, networks) == kBeyond)
      throw Error("search space \"" + name_ + "\" has indices beyond 2^63 - 1");
    if (smaller < depth) shallower += networks;
  }
  auto index = static_cast<std::int64_t>(position(model_widths_, architecture.model_width));
  for (const Layer& layer : architecture.layers) {
    index = index * static_cast<std::int64_t>(heads_.size()) +
            static_cast<std::int64_t>(position(heads_, layer.heads));
    index = index * static_cast<std::int64_t>(ffn_widths_.size()) +
            static_cast<std::int64_t>(position(ffn_widths_, layer.ffn_width));
  }
  return shallower + index;
}

void SearchSpace::enumerate(const std::function<bool(const Architecture&)>& visit) const {
  const std::int64_t total = count_up_to(kBeyond);
  for (std::int64_t index = 0; index < total; ++index)
    if (!visit(at(index))) return;
}

Architecture SearchSpace::uniform(int depth, int model_width, Layer layer) const {
  return {model_width, head_width_, vocabulary_,
          std::vector<Layer>(static_cast<std::size_t>(depth), layer)};
}

Architecture SearchSpace::largest() const {
  return uniform(depths_.back(), model_widths_.back(), {heads_.back(), ffn_widths_.back()});
}

Architecture SearchSpace::smallest() const {
  return uniform(depths_.front(), model_widths_.front(), {heads_.front(), ffn_widths_.front()});
}

std::vector<Architecture> SearchSpace::extremes() const {
  std::vector<Architecture> corners{smallest()};
  const auto add = [&corners](const Architecture& corner) {
    if (std::find(corners.begin(), corners.end(), corner) == corners.end())
      corners.push_back(corner);
  };
  add(largest());
  for (int depth : {depths_.front(), depths_.back()})
    for (int width : {model_widths_.front(), model_widths_.back()})
      for (int heads : {heads_.front(), heads_.back()})
        for (int ffn : {ffn_widths_.front(), ffn_widths_.back()})
          add(uniform(depth, width, {heads, ffn}));
  return corners;
}

Layer SearchSpace::sample_layer(Random& random) const {
  Layer layer;
  layer.heads = pick(heads_, random);
  layer.ffn_width = pick(ffn_widths_, random);
  return layer;
}

Architecture SearchSpace::sample(Random& random) const {
  const int depth = pick(depths_, random);
  Architecture network = uniform(depth, pick(model_widths_, random), {});
  for (Layer& layer : network.layers) layer = sample_layer(random);
  return network;
}

int SearchSpace::gene_count(const Architecture& architecture) const {
  const int per_layer = (heads_.size() > 1) + (ffn_widths_.size() > 1);
  return (depths_.size() > 1) + (model_widths_.size() > 1) +
         per_layer * static_cast<int>(architecture.layers.size());
}

Architecture SearchSpace::mutate(const Architecture& parent, double rate, Random& random) const {
  require(parent);
  const int genes = gene_count(parent);
  if (genes == 0) throw Error("search space \"" + name_ + "\" holds one network only");
  std::vector<bool> changes;
  for (int gene = 0; gene < genes; ++gene) changes.push_back(random.chance(rate));
  if (std::find(changes.begin(), changes.end(), true) == changes.end())
    changes[random.below(changes.size())] = true;

  Architecture child = parent;
  std::size_t gene = 0;
  const auto pass = [&](const std::vector<int>& choices, int& value) {
    if (choices.size() > 1 && changes[gene++]) value = move(choices, value, random);
  };
  auto depth = static_cast<int>(parent.layers.size());
  pass(depths_, depth);
  pass(model_widths_, child.model_width);
  for (Layer& layer : child.layers) {
    pass(heads_, layer.heads);
    pass(ffn_widths_, layer.ffn_width);
  }
  const auto new_size = static_cast<std::size_t>(depth);
  if (new_size < child.layers.size()) child.layers.resize(new_size);
  while (child.layers.size() < new_size) child.layers.push_back(sample_layer(random));
  return child;
}

Architecture SearchSpace::crossover(const Architecture& a, const Architecture& b,
                                    Random& random) const {
  require(a);
  require(b);
  const std::size_t depth = (random.chance(0.5) ? a : b).layers.size();
  const int model_width = (random.chance(0.5) ? a : b).model_width;
  Architecture child = uniform(static_cast<int>(depth), model_width, {});
  for (std::size_t i = 0; i < depth; ++i) {
    const Layer& from_a = (i < a.layers.size() ? a : b).layers[i];
    const Layer& from_b = (i < b.layers.size() ? b : a).layers[i];
    child.layers[i].heads = (random.chance(0.5) ? from_a : from_b).heads;
    child.layers[i].ffn_width = (random.chance(0.5) ? from_a : from_b).ffn_width;
  }
  return child;
}

std::vector<Architecture> SearchSpace::neighbours(const Architecture& architecture) const {
  require(architecture);
  std::vector<Architecture> result;
  for (int depth : adjacent(depths_, static_cast<int>(architecture.layers.size()))) {
    result.push_back(architecture);
    result.back().layers.resize(static_cast<std::size_t>(depth), architecture.layers.back());
  }
  for (int width : adjacent(model_widths_, architecture.model_width)) {
    result.push_back(architecture);
    result.back().model_width = width;
  }
  for (std::size_t i = 0; i < architecture.layers.size(); ++i) {
    for (int heads : adjacent(heads_, architecture.layers[i].heads)) {
      result.push_back(architecture);
      result.back().layers[i].heads = heads;
    }
    for (int ffn_width : adjacent(ffn_widths_, architecture.layers[i].ffn_width)) {
      result.push_back(architecture);
      result.back().layers[i].ffn_width = ffn_width;
    }
  }
  return result;
}

bool SearchSpace::contains(const Architecture& architecture, std::string* why) const {
  const auto outside = [why](const std::string& reason) {
    if (why) *why = reason;
    return false;
  };
  const auto depth = static_cast<int>(architecture.layers.size());
  if (architecture.head_width != head_width_)
    return outside(not_a_choice("head_width", architecture.head_width, {head_width_}));
  if (architecture.vocabulary != vocabulary_)
    return outside(not_a_choice("vocabulary", architecture.vocabulary, {vocabulary_}));
  if (!holds(depths_, depth)) return outside(not_a_choice("depth", depth, depths_));
  if (!holds(model_widths_, architecture.model_width))
    return outside(not_a_choice("model_width", architecture.model_width, model_widths_));
  for (std::size_t i = 0; i < architecture.layers.size(); ++i) {
    const Layer& layer = architecture.layers[i];
    const std::string where = "layer " + std::to_string(i + 1) + ": ";
    if (!holds(heads_, layer.heads))
      return outside(not_a_choice(where + "heads", layer.heads, heads_));
    if (!holds(ffn_widths_, layer.ffn_width))
      return outside(not_a_choice(where + "ffn_width", layer.ffn_width, ffn_widths_));
  }
  return true;
}

void SearchSpace::require(const Architecture& architecture) const {
  std::string why;
  if (!contains(architecture, &why))
    throw InputError("search space \"" + name_ + "\" does not contain " + describe(architecture) +
                     ": " + why);
}

}  // namespace paretoformer
