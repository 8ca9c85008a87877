// The C functions of paretoformer.h: checked arguments, no exceptions.
#include <algorithm>
#include <cstring>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <shared_mutex>
#include <span>
#include <string>
#include <utility>

#include "latency_predictor/latency_predictor.hpp"
#include "latency_predictor/paretoformer.h"
#include "search_spaces/search_space.hpp"
#include "support/error.hpp"
#include "support/text.hpp"

struct paretoformer_predictor {
  explicit paretoformer_predictor(paretoformer::latency_predictor::LatencyPredictor made)
      : predictor(std::move(made)) {}

  paretoformer::latency_predictor::LatencyPredictor predictor;
  // LatencyPredictor::save() must not run while the table grows: it holds this alone, all others
  // share it.
  mutable std::shared_mutex table;
};

namespace paretoformer::latency_predictor {
namespace {

// As many bytes of `text` as fit with a terminator. Never half a UTF-8 character.
template <std::size_t kSize>
void copy_line(char (&to)[kSize], std::string_view text) {
  std::size_t length = std::min(text.size(), kSize - 1);
  const auto continues = [&](std::size_t i) {
    return (static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U;
  };
  if (length < text.size())
    while (length > 0 && continues(length)) --length;
  std::copy_n(text.begin(), length, to);
  to[length] = '\0';
}

paretoformer_status fail(paretoformer_error* error, paretoformer_status status,
                         std::string_view text) noexcept {
  if (error != nullptr) {
    error->status = status;
    try {
      copy_line(error->text, printable(text));  // a quoted path may hold a line feed
    } catch (const std::bad_alloc&) {
      copy_line(error->text, "not enough memory");
    }
  }
  return status;
}

// Runs `work`; what it throws becomes a status and a line of text.
template <typename Work>
paretoformer_status guarded(paretoformer_error* error, const Work& work) noexcept {
  try {
    work();
    return PARETOFORMER_OK;
  } catch (const InputError& failure) {
    return fail(error, PARETOFORMER_BAD_INPUT, failure.what());
  } catch (const std::bad_alloc&) {
    return fail(error, PARETOFORMER_FAILURE, "not enough memory");
  } catch (const std::exception& failure) {
    return fail(error, PARETOFORMER_FAILURE, failure.what());
  } catch (...) {
    return fail(error, PARETOFORMER_FAILURE, "an unknown exception");
  }
}

template <typename Type>
Type& required(Type* pointer, const char* name) {
  if (pointer == nullptr) throw InputError(std::string(name) + " is NULL");
  return *pointer;
}

int in_range(std::int64_t value, std::int64_t low, std::int64_t high, const std::string& name) {
  if (value < low || value > high)
    throw InputError(name + " " + std::to_string(value) + " is out of range: expected " +
                     std::to_string(low) + " to " + std::to_string(high));
  return static_cast<int>(value);
}

int size_of_layer(std::int64_t value, const char* name, std::size_t layer) {
  if (value >= 1 && value <= kLargestSize) return static_cast<int>(value);  // no text to make
  return in_range(value, 1, kLargestSize, std::string(name) + "[" + std::to_string(layer) + "]");
}

int bits_of_layer(std::int64_t value, std::size_t layer) {
  if (value != 4 && value != kInt8Bits)
    throw InputError("weight_bits[" + std::to_string(layer) + "] " + std::to_string(value) +
                     " is out of range: expected 4 or 8");
  return static_cast<int>(value);
}

// Of spans of equal length and as many bits, or none; `network` keeps its memory from one network
// to the next.
void check_layers(std::span<const std::int64_t> heads, std::span<const std::int64_t> ffn_widths,
                  const std::int64_t* weight_bits, Architecture& network) {
  std::size_t depth = heads.size();
  while (depth > 0 && heads[depth - 1] == 0 && ffn_widths[depth - 1] == 0) --depth;
  if (depth < 1 || depth > kMostLayers)
    throw InputError(std::to_string(depth) + " layers are out of range: expected 1 to " +
                     std::to_string(kMostLayers));
  network.layers.resize(depth);
  for (std::size_t i = 0; i < depth; ++i)
    network.layers[i] = {size_of_layer(heads[i], "heads", i),
                         size_of_layer(ffn_widths[i], "ffn_widths", i),
                         weight_bits ? bits_of_layer(weight_bits[i], i) : kInt8Bits};
}

// What networks of a batch have in common.
Architecture check_common(std::int64_t head_width, std::int64_t vocabulary) {
  Architecture network;
  network.head_width = in_range(head_width, 1, kLargestSize, "head_width");
  network.vocabulary = in_range(vocabulary, 0, kLargestSize, "vocabulary");
  return network;
}

Architecture check(const paretoformer_architecture& given) {
  Architecture network = check_common(given.head_width, given.vocabulary);
  network.model_width = in_range(given.model_width, 1, kLargestSize, "model_width");
  if (given.max_layers > kMostLayers)
    throw InputError(std::to_string(given.max_layers) + " layers are out of range: expected 1 to " +
                     std::to_string(kMostLayers));
  if (given.max_layers > 0) {
    required(given.heads, "architecture->heads");
    required(given.ffn_widths, "architecture->ffn_widths");
  }
  check_layers({given.heads, given.max_layers}, {given.ffn_widths, given.max_layers},
               given.weight_bits, network);
  return network;
}

void check_arrays(const paretoformer_architectures& given) {
  required(given.model_widths, "architectures->model_widths");
  required(given.heads, "architectures->heads");
  required(given.ffn_widths, "architectures->ffn_widths");
  const auto out_of_range = [](const char* name, std::size_t value, std::size_t high) {
    throw InputError(std::string(name) + " " + std::to_string(value) +
                     " is out of range: expected 1 to " + std::to_string(high));
  };
  if (given.max_layers < 1 || given.max_layers > kMostLayers)
    out_of_range("max_layers", given.max_layers, kMostLayers);
  constexpr std::size_t kMostElements =
      static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) / sizeof(std::int64_t);
  if (given.count > kMostElements / given.max_layers)
    out_of_range("count", given.count, kMostElements / given.max_layers);
}

[[noreturn]] void fail_at(std::size_t network, const std::exception& failure) {
  const std::string text = "network " + std::to_string(network) + ": " + failure.what();
  if (dynamic_cast<const InputError*>(&failure) != nullptr) throw InputError(text);
  throw Error(text);
}

paretoformer_cost plain(const accel_sim::HardwareCost& cost) {
  return {cost.latency.value(), cost.energy.femtojoules()};
}

paretoformer_predictor* made(LatencyPredictor predictor) {
  return std::make_unique<paretoformer_predictor>(std::move(predictor)).release();
}

accel_sim::Mode check_mode(paretoformer_mode mode) {
  switch (mode) {
    case PARETOFORMER_PREFILL:
      return accel_sim::Mode::kPrefill;
    case PARETOFORMER_DECODE:
      return accel_sim::Mode::kDecode;
    default:
      throw InputError("mode " + std::to_string(mode) +
                       " is unknown: expected PARETOFORMER_PREFILL or PARETOFORMER_DECODE");
  }
}

}  // namespace
}  // namespace paretoformer::latency_predictor

using namespace paretoformer;                     // NOLINT(google-build-using-namespace)
using namespace paretoformer::latency_predictor;  // NOLINT(google-build-using-namespace)

const char* paretoformer_version(void) { return PARETOFORMER_VERSION; }

paretoformer_predictor* paretoformer_predictor_simulator(const char* hardware,
                                                         int64_t sequence_length,
                                                         paretoformer_mode mode,
                                                         paretoformer_error* error) {
  paretoformer_predictor* result = nullptr;
  guarded(error, [&] {
    const std::string name = &required(hardware, "hardware");
    const accel_sim::Workload workload{
        in_range(sequence_length, 1, kLargestSize, "sequence_length"), check_mode(mode)};
    result = made(LatencyPredictor(accel_sim::find_target(name), workload));
  });
  return result;
}

paretoformer_predictor* paretoformer_predictor_load(const char* path, paretoformer_error* error) {
  paretoformer_predictor* result = nullptr;
  guarded(error, [&] { result = made(LatencyPredictor::load(&required(path, "path"))); });
  return result;
}

void paretoformer_predictor_free(paretoformer_predictor* predictor) { delete predictor; }

paretoformer_status paretoformer_predictor_save(const paretoformer_predictor* predictor,
                                                const char* path, paretoformer_error* error) {
  return guarded(error, [&] {
    const paretoformer_predictor& self = required(predictor, "predictor");
    required(path, "path");
    const std::unique_lock alone(self.table);
    self.predictor.save(path);
  });
}

paretoformer_status paretoformer_predictor_fill(const paretoformer_predictor* predictor,
                                                const char* space, paretoformer_error* error) {
  return guarded(error, [&] {
    const paretoformer_predictor& self = required(predictor, "predictor");
    const SearchSpace found = SearchSpace::find(&required(space, "space"));
    const std::shared_lock shared(self.table);
    self.predictor.fill(found);
  });
}

paretoformer_status paretoformer_predictor_workload(const paretoformer_predictor* predictor,
                                                    int64_t* sequence_length,
                                                    paretoformer_mode* mode,
                                                    paretoformer_error* error) {
  return guarded(error, [&] {
    const accel_sim::Workload& workload = required(predictor, "predictor").predictor.workload();
    required(sequence_length, "sequence_length");
    required(mode, "mode") =
        workload.mode == accel_sim::Mode::kDecode ? PARETOFORMER_DECODE : PARETOFORMER_PREFILL;
    *sequence_length = workload.sequence_length;
  });
}

paretoformer_status paretoformer_predictor_unit(const paretoformer_predictor* predictor,
                                                paretoformer_unit* unit,
                                                paretoformer_error* error) {
  return guarded(error, [&] {
    const LatencyPredictor& self = required(predictor, "predictor").predictor;
    required(unit, "unit") = self.in_time() ? PARETOFORMER_FEMTOSECONDS : PARETOFORMER_CYCLES;
  });
}

paretoformer_status paretoformer_predict(const paretoformer_predictor* predictor,
                                         const paretoformer_architecture* architecture,
                                         paretoformer_cost* cost, paretoformer_error* error) {
  return guarded(error, [&] {
    const paretoformer_predictor& self = required(predictor, "predictor");
    const Architecture network = check(required(architecture, "architecture"));
    required(cost, "cost");
    const std::shared_lock shared(self.table);
    *cost = plain(self.predictor.predict(network));
  });
}

paretoformer_status paretoformer_predict_batch(const paretoformer_predictor* predictor,
                                               const paretoformer_architectures* architectures,
                                               int64_t* cycles, int64_t* femtojoules,
                                               paretoformer_error* error) {
  return guarded(error, [&] {
    const paretoformer_predictor& self = required(predictor, "predictor");
    const paretoformer_architectures& given = required(architectures, "architectures");
    Architecture network = check_common(given.head_width, given.vocabulary);
    if (given.count == 0) return;
    check_arrays(given);
    required(cycles, "cycles");
    required(femtojoules, "femtojoules");
    const std::shared_lock shared(self.table);
    for (std::size_t i = 0; i < given.count; ++i) {
      const std::size_t row = i * given.max_layers;
      try {
        network.model_width = in_range(given.model_widths[i], 1, kLargestSize, "model_width");
        check_layers({given.heads + row, given.max_layers},
                     {given.ffn_widths + row, given.max_layers},
                     given.weight_bits ? given.weight_bits + row : nullptr, network);
        const paretoformer_cost cost = plain(self.predictor.predict(network));
        cycles[i] = cost.cycles;
        femtojoules[i] = cost.femtojoules;
      } catch (const Error& failure) {
        fail_at(i, failure);
      }
    }
  });
}

paretoformer_status paretoformer_breakdown(const paretoformer_predictor* predictor,
                                           const paretoformer_architecture* architecture,
                                           paretoformer_operator* operators, size_t capacity,
                                           size_t* count, paretoformer_error* error) {
  return guarded(error, [&] {
    const paretoformer_predictor& self = required(predictor, "predictor");
    const Architecture network = check(required(architecture, "architecture"));
    required(count, "count");
    *count = transformer_operators(network, self.predictor.workload()).size();
    if (capacity == 0) return;
    required(operators, "operators");
    if (capacity < *count)
      throw InputError("capacity " + std::to_string(capacity) + " is too small: expected " +
                       std::to_string(*count) + " operators");
    const std::shared_lock shared(self.table);
    const std::vector<OperatorPrediction> predictions = self.predictor.breakdown(network);
    for (std::size_t i = 0; i < predictions.size(); ++i) {
      const OperatorPrediction& each = predictions[i];
      copy_line(operators[i].role, each.role);
      copy_line(operators[i].operation, describe(each.op));
      operators[i].layer = each.layer;
      operators[i].repeat = each.repeat;
      operators[i].cost = plain(each.cost);
    }
  });
}
