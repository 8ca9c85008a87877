#include "search_spaces/search_space.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string_view>

#include "search_spaces/embedded_json.hpp"
#include "support/error.hpp"
#include "support/fields.hpp"
#include "support/json.hpp"
#include "support/presets.hpp"

namespace paretoformer {

namespace {

constexpr Presets kPresets("search space", search_spaces_json);

constexpr std::int64_t kBeyond = std::numeric_limits<std::int64_t>::max();
constexpr int kMostChoices = 4096;
constexpr std::size_t kMostUniform = 1 << 20;

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
  std::int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? kBeyond : product;
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

SearchSpace SearchSpace::from_json(const JsonNode& node, std::span<const Gene<Layer>> layer_genes) {
  const JsonObject object(node);
  SearchSpace space;
  space.name_ = object.name("name", "custom");
  space.head_width_ = static_cast<int>(object.integer("head_width", 1, kLargestSize, 64));
  space.vocabulary_ = static_cast<int>(object.integer("vocabulary", 0, kLargestSize, 0));
  const auto read = [&](auto& genes, const auto& gene, int largest) {
    genes.push_back({gene, choices_from_json(object.at(std::string(gene.key)), largest)});
  };
  read(space.network_genes_, kDepth, kMostLayers);
  for (const Gene<Architecture>& gene : kNetworkGenes)
    read(space.network_genes_, gene, gene.largest(space.head_width_));
  for (const Gene<Layer>& gene : layer_genes)
    if (!gene.is_optional())
      read(space.layer_genes_, gene, gene.largest(space.head_width_));
    else if (object.has(std::string(gene.key)))
      space.add_optional(gene, object.at(std::string(gene.key)));
  object.finish();
  return space;
}

// Without a choice but what files mean that say nothing, the space has no such gene.
void SearchSpace::add_optional(const Gene<Layer>& gene, const JsonNode& node) {
  std::vector<int> choices = choices_from_json(node, gene.largest(head_width_));
  for (const int choice : choices)
    if (choice != gene.either[0] && choice != gene.either[1])
      node.fail("holds " + std::to_string(choice) + ": expected a list of " +
                std::to_string(gene.either[0]) + " and " + std::to_string(gene.either[1]));
  if (choices.size() > 1 || !gene.says_nothing(choices[0]))
    layer_genes_.push_back({gene, std::move(choices)});
}

Json SearchSpace::schema() {
  Json properties = Json::object();
  properties["name"] = {{"type", "string"}, {"default", "custom"}, {"description", "of the space"}};
  properties["head_width"] = Range{1, kLargestSize}.schema(0);
  properties["head_width"]["default"] = SearchSpace().head_width_;
  properties["head_width"]["description"] = "width of every attention head";
  properties["vocabulary"] = Range{0, kLargestSize}.schema(0);
  properties["vocabulary"]["default"] = 0;
  properties["vocabulary"]["description"] =
      "tokens of embedding and language-model head; 0: neither. A run takes its text's";
  Json required = Json::array();
  const auto add = [&](const auto& gene, int largest) {
    const Json value = Range{1, largest}.schema(0);
    Json range = object_schema({{"from", value}, {"to", value}, {"step", value}});
    range["required"] = {"from", "to", "step"};
    const Json list = {
        {"type", "array"}, {"items", value}, {"minItems", 1}, {"maxItems", kMostChoices}};
    properties[std::string(gene.key)] = {
        {"anyOf", {list, range}},
        {"description", "choices of " + std::string(gene.meaning) +
                            ": an increasing list, or `from`, `to` and `step`"}};
    required.push_back(gene.key);
  };
  add(kDepth, kMostLayers);
  for (const Gene<Architecture>& gene : kNetworkGenes) add(gene, gene.largest(1));
  for (const Gene<Layer>& gene : kLayerGenes) {
    if (!gene.is_optional()) {
      add(gene, gene.largest(1));
      continue;
    }
    properties[std::string(gene.key)] = {
        {"type", "array"},
        {"items", {{"enum", gene.either}}},
        {"minItems", 1},
        {"maxItems", 2},
        {"default", {gene.either[1]}},
        {"description", "choices of " + std::string(gene.meaning) + ": an increasing list"}};
  }
  Json schema = object_schema(std::move(properties));
  schema["required"] = std::move(required);
  return schema;
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
  for (std::size_t i = 0; i < network_genes_.size() - hardware_genes(); ++i)
    json[std::string(network_genes_[i].gene.key)] = network_genes_[i].choices;
  for (const auto& [gene, choices] : layer_genes_) json[std::string(gene.key)] = choices;
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

SearchSpace SearchSpace::with_int8_weights() const {
  SearchSpace space = *this;
  std::erase_if(space.layer_genes_, [](const auto& each) { return each.gene == kWeightBits; });
  return space;
}

SearchSpace SearchSpace::with_hardware(const std::vector<int>& choices) const {
  SearchSpace space = *this;
  space.network_genes_.resize(network_genes_.size() - hardware_genes());
  for (std::size_t key = 0; key < choices.size(); ++key) {
    std::vector<int> numbers(static_cast<std::size_t>(choices[key]));
    std::iota(numbers.begin(), numbers.end(), 1);
    space.network_genes_.push_back({kHardwareGenes.at(key), std::move(numbers)});
  }
  return space;
}

std::size_t SearchSpace::hardware_genes() const {
  return network_genes_.size() - std::min(network_genes_.size(), 1 + std::size(kNetworkGenes));
}

std::vector<std::vector<int>> SearchSpace::hardware() const {
  std::vector<std::vector<int>> all{{}};
  for (std::size_t i = network_genes_.size() - hardware_genes(); i < network_genes_.size(); ++i) {
    std::vector<std::vector<int>> longer;
    for (const std::vector<int>& each : all)
      for (const int number : network_genes_[i].choices) {
        longer.push_back(each);
        longer.back().push_back(number);
      }
    all = std::move(longer);
  }
  return all;
}

SearchSpace SearchSpace::only_on(const std::vector<int>& hardware) const {
  SearchSpace space = *this;
  const std::size_t first = network_genes_.size() - hardware_genes();
  for (std::size_t i = first; i < network_genes_.size(); ++i)
    space.network_genes_[i].choices = {hardware.at(i - first)};
  return space;
}

Architecture SearchSpace::on_hardware(Architecture network) const {
  if (network.hardware.empty()) network.hardware.assign(hardware_genes(), 1);
  return network;
}

std::vector<int> SearchSpace::weight_bits() const {
  for (const auto& [gene, choices] : layer_genes_)
    if (gene == kWeightBits) return choices;
  return {kInt8Bits};
}

bool SearchSpace::has_int4() const { return weight_bits().front() < kInt8Bits; }

std::int64_t SearchSpace::count_of_depth(int depth) const {
  std::int64_t count = 1;
  for (std::size_t i = 1; i < network_genes_.size(); ++i)
    count = saturating_product(count, std::ssize(network_genes_[i].choices));
  std::int64_t layers = 1;  // different ones
  for (const auto& [gene, choices] : layer_genes_)
    layers = saturating_product(layers, std::ssize(choices));
  for (int i = 0; i < depth; ++i) count = saturating_product(count, layers);
  return count;
}

std::int64_t SearchSpace::count_up_to(std::int64_t limit) const {
  std::int64_t total = 0;
  for (int depth : depths()) total = saturating_sum(total, count_of_depth(depth));
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
  std::int64_t rest = index;
  for (int depth : depths()) {
    const std::int64_t networks = count_of_depth(depth);
    if (rest < 0) break;
    if (rest >= networks) {
      rest -= networks;
      continue;
    }
    // Digits, the network's genes being the most significant and the last layer's the least.
    Architecture network{0, head_width_, vocabulary_, {}};
    kDepth.set(network, depth);
    const auto take_digit = [&rest](const auto& digit, auto& owner) {
      const std::int64_t base = std::ssize(digit.choices);
      digit.gene.set(owner, digit.choices[static_cast<std::size_t>(rest % base)]);
      rest /= base;
    };
    for (std::size_t layer = network.layers.size(); layer-- > 0;)
      for (std::size_t i = layer_genes_.size(); i-- > 0;)
        take_digit(layer_genes_[i], network.layers[layer]);
    for (std::size_t i = network_genes_.size(); i-- > 1;) take_digit(network_genes_[i], network);
    return network;
  }
  throw Error("network " + std::to_string(index) + " is beyond search space \"" + name_ + "\"");
}

std::int64_t SearchSpace::index_of(const Architecture& architecture) const {
  require(architecture);
  std::int64_t shallower = 0;
  for (int depth : depths()) {
    if (depth > architecture.depth()) break;
    const std::int64_t networks = count_of_depth(depth);
    if (saturating_sum(shallower, networks) == kBeyond)
      throw Error("search space \"" + name_ + "\" has indices beyond 2^63 - 1");
    if (depth < architecture.depth()) shallower += networks;
  }
  std::int64_t index = 0;
  const auto add_digit = [&index](const auto& digit, const auto& owner) {
    index = index * std::ssize(digit.choices) +
            static_cast<std::int64_t>(position(digit.choices, digit.gene.get(owner)));
  };
  for (std::size_t i = 1; i < network_genes_.size(); ++i)
    add_digit(network_genes_[i], architecture);
  for (const Layer& layer : architecture.layers)
    for (const auto& each : layer_genes_) add_digit(each, layer);
  return shallower + index;
}

void SearchSpace::enumerate(const std::function<bool(const Architecture&)>& visit) const {
  const std::int64_t total = count_up_to(kBeyond);
  for (std::int64_t index = 0; index < total; ++index)
    if (!visit(at(index))) return;
}

template <typename Choose>
Architecture SearchSpace::chosen(Choose choose) const {
  Architecture network{0, head_width_, vocabulary_, {}};
  std::size_t number = 0;
  for (const auto& [gene, choices] : network_genes_) gene.set(network, choose(choices, number++));
  for (Layer& layer : network.layers) {
    std::size_t of_layer = number;
    for (const auto& [gene, choices] : layer_genes_) gene.set(layer, choose(choices, of_layer++));
  }
  return network;
}

Architecture SearchSpace::largest() const {
  return chosen([](const std::vector<int>& choices, std::size_t) { return choices.back(); });
}

Architecture SearchSpace::smallest() const {
  return chosen([](const std::vector<int>& choices, std::size_t) { return choices.front(); });
}

std::vector<Architecture> SearchSpace::extremes() const {
  std::vector<Architecture> corners{smallest()};
  const auto add = [&corners](const Architecture& corner) {
    if (std::find(corners.begin(), corners.end(), corner) == corners.end())
      corners.push_back(corner);
  };
  add(largest());
  // A bit of the corner's number is a gene at its largest, the first gene's being the highest and
  // that of all the hardware's the lowest.
  const std::size_t hardware = hardware_genes(), first = network_genes_.size() - hardware;
  const std::size_t genes = first + layer_genes_.size() + std::min<std::size_t>(hardware, 1);
  const auto bit_of = [&](std::size_t gene) {
    if (gene < first) return gene;
    return gene < first + hardware ? genes - 1 : gene - hardware;
  };
  for (std::size_t corner = 0; corner < std::size_t{1} << genes; ++corner)
    add(chosen([&](const std::vector<int>& choices, std::size_t gene) {
      return corner >> (genes - 1 - bit_of(gene)) & 1 ? choices.back() : choices.front();
    }));
  return corners;
}

std::vector<Architecture> SearchSpace::uniform() const {
  std::vector<std::size_t> sizes, strides;
  std::size_t count = 1;
  const auto add = [&](const auto& genes) {
    for (const auto& each : genes) {
      sizes.push_back(each.choices.size());
      strides.push_back(count);
      if (each.choices.size() > kMostUniform / count)
        throw Error("search space \"" + name_ + "\" has more than 2^20 networks of equal layers");
      count *= each.choices.size();
    }
  };
  add(network_genes_);
  add(layer_genes_);
  std::vector<Architecture> networks;
  for (std::size_t i = 0; i < count; ++i)
    networks.push_back(chosen([&](const std::vector<int>& choices, std::size_t gene) {
      return choices[i / strides[gene] % sizes[gene]];
    }));
  return networks;
}

void SearchSpace::sample_layer(Layer& layer, Random& random) const {
  for (const auto& [gene, choices] : layer_genes_) gene.set(layer, pick(choices, random));
}

Architecture SearchSpace::sample(Random& random) const {
  return chosen(
      [&](const std::vector<int>& choices, std::size_t) { return pick(choices, random); });
}

int SearchSpace::gene_count(const Architecture& architecture) const {
  const auto with_choice = [](const auto& genes) {
    return static_cast<int>(std::count_if(
        genes.begin(), genes.end(), [](const auto& each) { return each.choices.size() > 1; }));
  };
  return with_choice(network_genes_) + architecture.depth() * with_choice(layer_genes_);
}

Architecture SearchSpace::mutate(const Architecture& parent, double rate, Random& random) const {
  require(parent);
  const int genes = gene_count(parent);
  if (genes == 0) throw Error("search space \"" + name_ + "\" holds one network only");
  std::vector<bool> changes;
  for (int gene = 0; gene < genes; ++gene) changes.push_back(random.chance(rate));
  if (std::find(changes.begin(), changes.end(), true) == changes.end())
    changes[random.below(changes.size())] = true;

  std::size_t number = 0;
  const auto pass = [&](const auto& each, auto& owner) {
    if (each.choices.size() > 1 && changes[number++])
      each.gene.set(owner, move(each.choices, each.gene.get(owner), random));
  };
  Architecture child = parent;
  for (const auto& each : network_genes_) pass(each, child);
  // All of the parent's layers take their random numbers, cut or not.
  std::vector<Layer> layers = parent.layers;
  for (Layer& layer : layers)
    for (const auto& each : layer_genes_) pass(each, layer);
  layers.resize(child.layers.size());
  for (std::size_t i = parent.layers.size(); i < layers.size(); ++i)
    sample_layer(layers[i], random);
  child.layers = std::move(layers);
  return child;
}

Architecture SearchSpace::crossover(const Architecture& a, const Architecture& b,
                                    Random& random) const {
  require(a);
  require(b);
  const auto pass = [&](const auto& gene, auto& owner, const auto& from_a, const auto& from_b) {
    gene.set(owner, gene.get(random.chance(0.5) ? from_a : from_b));
  };
  Architecture child{0, head_width_, vocabulary_, {}};
  for (const auto& [gene, choices] : network_genes_) pass(gene, child, a, b);
  for (std::size_t i = 0; i < child.layers.size(); ++i)
    for (const auto& [gene, choices] : layer_genes_)
      pass(gene, child.layers[i], (i < a.layers.size() ? a : b).layers[i],
           (i < b.layers.size() ? b : a).layers[i]);
  return child;
}

std::vector<Architecture> SearchSpace::neighbours(const Architecture& architecture) const {
  require(architecture);
  std::vector<Architecture> result;
  for (const auto& [gene, choices] : network_genes_)
    for (int value : adjacent(choices, gene.get(architecture)))
      gene.set(result.emplace_back(architecture), value);
  for (std::size_t i = 0; i < architecture.layers.size(); ++i)
    for (const auto& [gene, choices] : layer_genes_)
      for (int value : adjacent(choices, gene.get(architecture.layers[i])))
        gene.set(result.emplace_back(architecture).layers[i], value);
  return result;
}

bool SearchSpace::contains(const Architecture& architecture, std::string* why) const {
  const auto outside = [why](const std::string& what, int value, const std::vector<int>& choices) {
    if (why) *why = not_a_choice(what, value, choices);
    return false;
  };
  if (architecture.head_width != head_width_)
    return outside("head_width", architecture.head_width, {head_width_});
  if (architecture.vocabulary != vocabulary_)
    return outside("vocabulary", architecture.vocabulary, {vocabulary_});
  for (const auto& [gene, choices] : network_genes_)
    if (const int value = gene.get(architecture); !holds(choices, value))
      return outside(std::string(gene.key), value, choices);
  if (const std::size_t keys = hardware_genes(); architecture.hardware.size() != keys) {
    if (why)
      *why = "hardware has " + std::to_string(architecture.hardware.size()) +
             " choices: expected " + std::to_string(keys);
    return false;
  }
  const std::vector<int> bits = weight_bits();
  for (std::size_t i = 0; i < architecture.layers.size(); ++i) {
    if (const int value = architecture.layers[i].weight_bits; !holds(bits, value))
      return outside("layer " + std::to_string(i + 1) + ": weight_bits", value, bits);
    for (const auto& [gene, choices] : layer_genes_)
      if (const int value = gene.get(architecture.layers[i]); !holds(choices, value))
        return outside("layer " + std::to_string(i + 1) + ": " + std::string(gene.key), value,
                       choices);
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
