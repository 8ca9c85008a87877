// A quantised network on the simulated accelerator: the calls of the compiled network, executed by
// the interpreter one after the other; but the embedding, which is timed as a look-up alone, is a
// residual add, and the head has a bias and int32 results. Its logits are integer_logits(), bit for
// bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "accel_sim/lowering/compile.hpp"
#include "nas/functional/interpreter.hpp"
#include "supernet/quantization/int8_evaluation.hpp"
#include "support/random.hpp"

namespace paretoformer::nas {
namespace {

using accel_sim::Call;
using accel_sim::Matrix;
using accel_sim::Placement;
using accel_sim::RunsIn;
using accel_sim::Target;
using supernet::area;
using supernet::IntegerLayer;
using supernet::IntegerLinear;
using supernet::QuantizedNetwork;
using Bytes = std::vector<std::int8_t>;
using Words = std::vector<std::int32_t>;

// rows x columns of a matrix whose rows are `stride` long.
template <class T>
std::vector<T> part(const std::vector<T>& matrix, int stride, int first, int rows, int columns) {
  std::vector<T> values;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) values.push_back(matrix[area(r, stride) + first + c]);
  return values;
}

// One sequence. The calls come in the order in which they are timed.
class SimulatedPass {
 public:
  SimulatedPass(const QuantizedNetwork& network, const Target& target, const Words& tokens)
      : net_(network),
        target_(target),
        length_(static_cast<int>(tokens.size())),
        d_(network.network.model_width),
        x_(area(length_, d_)),
        mask_(area(length_, length_)) {
    // Which rows are looked up is the host's to say; the sum is the accelerator's.
    Bytes words, places;
    for (int t = 0; t < length_; ++t) {
      const auto token = net_.tokens.begin() + std::ptrdiff_t{tokens[t]} * d_;
      words.insert(words.end(), token, token + d_);
    }
    places.assign(net_.positions.begin(), net_.positions.begin() + std::ptrdiff_t{length_} * d_);
    supernet::causal_mask(length_, mask_.data());
    x_ = residual_add(compiled(elementwise(accel_sim::OperatorKind::kResidualAdd, length_, d_)),
                      words, places, net_.embedding);
  }

  int fused() const { return fused_; }  // calls of scores and softmax in one

  Words logits() {
    const accel_sim::Workload workload{.sequence_length = length_,
                                       .mask = accel_sim::Mask::kCausal,
                                       .biases = true,
                                       .nonlinear_inputs = accel_sim::NonlinearInputs::kInt8};
    for (const Call& call : compile(net_.network, workload, target_)) run(call);
    // The head that is timed has int8 results and no bias; the network's has a bias, and its
    // int32 sums are what is asked for.
    return product<std::int32_t>(
        compiled(matmul(length_, d_, net_.head.outputs, accel_sim::RightOperand::kWeights,
                        accel_sim::Activation::kSums, accel_sim::Bias::kRow)),
        norm_, net_.head, net_.head.bias, {});
  }

 private:
  Call compiled(const accel_sim::Operator& op) const { return compile(op, target_); }

  void run(const Call& call) {
    if (call.layer < 0) {
      if (call.role == "final.norm") norm_ = normalised(call, net_.norm);
      return;
    }
    const IntegerLayer& layer = net_.layers[static_cast<std::size_t>(call.layer)];
    const std::string role(call.role);
    if (role == "attention.norm") {
      norm_ = normalised(call, layer.norm1);
    } else if (role == "attention.qkv") {
      query_ = projected(call, layer.query, norm_);
      key_ = projected(call, layer.key, norm_);
      value_ = projected(call, layer.value, norm_);
    } else if (role == "attention.scores") {
      scores(call, layer);
    } else if (role == "attention.softmax") {
      softmax(call, layer);
    } else if (role == "attention.context") {
      context(call, layer);
    } else if (role == "attention.output") {
      added_ = projected(call, layer.output, context_);
    } else if (role == "attention.residual") {
      x_ = residual_add(call, x_, added_, layer.attention_add);
    } else if (role == "ffn.norm") {
      norm_ = normalised(call, layer.norm2);
    } else if (role == "ffn.up") {
      wide_ = projected(call, layer.up, norm_);
    } else if (role == "ffn.gelu") {
      CallConstants constants;
      constants.activation = StoreActivation::kGelu;
      constants.gelu = layer.gelu;
      constants.scale = layer.gelu_scale;
      wide_ = executed<std::int8_t>(call, {}, constants, [&](MainMemory& memory, auto& place) {
        memory.put(place.left, length_, call.op.columns, wide_.data());
      });
    } else if (role == "ffn.down") {
      added_ = projected(call, layer.down, wide_);
    } else if (role == "ffn.residual") {
      x_ = residual_add(call, x_, added_, layer.ffn_add);
    } else {
      ADD_FAILURE() << "a call that the quantised network does not have: " << role;
    }
  }

  // The results of a program, once `put` has put its operands where it reads them.
  template <class T, class Put>
  std::vector<T> executed(const Call& call, const Words& bias, const CallConstants& constants,
                          const Put& put) {
    EXPECT_EQ(call.runs_in, RunsIn::kOwnProgram) << call.role;
    const Placement place = packed(call, target_);
    MainMemory memory(place.bytes);
    put(memory, place);
    const int rows = call.op.rows, columns = call.op.columns;
    if (!bias.empty())
      memory.put(place.bias, static_cast<int>(bias.size()) / columns, columns, bias.data());
    Interpreter(target_, memory).run(lower(call, target_), constants);
    std::vector<T> result(area(rows, columns));
    EXPECT_EQ(place.result.element_bytes, static_cast<int>(sizeof(T))) << call.role;
    memory.get(place.result, rows, columns, result.data());
    return result;
  }

  template <class T>
  std::vector<T> product(const Call& call, const Bytes& left, const Bytes& right, const Words& bias,
                         const CallConstants& constants) {
    const auto& op = call.program;
    const bool transposed = op.right == accel_sim::RightOperand::kTransposedActivations;
    return executed<T>(call, bias, constants, [&](MainMemory& memory, auto& place) {
      memory.put(place.left, op.rows, op.inner, left.data());
      memory.put(place.right, transposed ? op.columns : op.inner,
                 transposed ? op.inner : op.columns, right.data());
    });
  }

  // As the accelerator has them: inputs x outputs.
  template <class T>
  static std::vector<T> transposed(const std::vector<T>& rows, int outputs) {
    std::vector<T> values;
    const std::size_t inputs = rows.size() / static_cast<std::size_t>(outputs);
    for (std::size_t i = 0; i < inputs; ++i)
      for (std::size_t o = 0; o < static_cast<std::size_t>(outputs); ++o)
        values.push_back(rows[o * inputs + i]);
    return values;
  }

  template <class T>
  std::vector<T> product(const Call& call, const Bytes& left, const IntegerLinear& linear,
                         const Words& bias, const CallConstants& constants) {
    const Bytes right = transposed(linear.weight, linear.outputs);
    if (linear.multipliers.empty()) return product<T>(call, left, right, bias, constants);
    const auto multipliers = transposed(linear.multipliers, linear.outputs);
    const auto& op = call.program;
    return executed<T>(call, bias, constants, [&](MainMemory& memory, auto& place) {
      memory.put(place.left, op.rows, op.inner, left.data());
      memory.put_int4(place, op.inner, op.columns, right.data(), multipliers.data());
    });
  }

  Bytes projected(const Call& call, const IntegerLinear& linear, const Bytes& x) {
    CallConstants constants;
    constants.scale = linear.scale;
    return product<std::int8_t>(call, x, linear, linear.bias, constants);
  }

  Bytes normalised(const Call& call, float scale) {
    EXPECT_EQ(call.reads, net_.norm_reads);
    CallConstants constants;
    constants.scale = scale;
    return executed<std::int8_t>(call, {}, constants, [&](MainMemory& memory, auto& place) {
      memory.put(place.left, length_, d_, x_.data());
    });
  }

  Bytes residual_add(const Call& call, const Bytes& a, const Bytes& b,
                     const supernet::ResidualScales& scales) {
    CallConstants constants;
    constants.left_scale = scales.a;
    constants.right_scale = scales.b;
    constants.scale = scales.sum;
    return executed<std::int8_t>(call, {}, constants, [&](MainMemory& memory, auto& place) {
      memory.put(place.left, length_, d_, a.data());
      memory.put(place.right, length_, d_, b.data());
    });
  }

  void scores(const Call& call, const IntegerLayer& layer) {
    const int width = net_.network.head_width, stride = layer.query.outputs;
    CallConstants constants;
    constants.exp = layer.softmax;
    probabilities_.assign(static_cast<std::size_t>(layer.heads), {});
    sums_.assign(probabilities_.size(), {});
    for (int h = 0; h < layer.heads; ++h) {
      const Bytes q = part(query_, stride, h * width, length_, width);
      const Bytes k = part(key_, stride, h * width, length_, width);
      const auto head = static_cast<std::size_t>(h);
      if (call.fused == accel_sim::Normalisation::kSoftmax) {
        probabilities_[head] = product<std::int8_t>(call, q, k, mask_, constants);
        ++fused_;
      } else {
        sums_[head] = product<std::int32_t>(call, q, k, mask_, constants);
      }
    }
  }

  void softmax(const Call& call, const IntegerLayer& layer) {
    if (call.runs_in == RunsIn::kFusedRun) return;
    CallConstants constants;
    constants.exp = layer.softmax;
    for (std::size_t h = 0; h < sums_.size(); ++h)
      probabilities_[h] =
          executed<std::int8_t>(call, {}, constants, [&](MainMemory& memory, auto& place) {
            memory.put(place.left, length_, length_, sums_[h].data());
          });
  }

  void context(const Call& call, const IntegerLayer& layer) {
    const int width = net_.network.head_width, stride = layer.query.outputs;
    CallConstants constants;
    constants.scale = layer.context;
    context_.assign(area(length_, stride), 0);
    for (int h = 0; h < layer.heads; ++h) {
      const Bytes v = part(value_, stride, h * width, length_, width);
      const Bytes c =
          product<std::int8_t>(call, probabilities_[static_cast<std::size_t>(h)], v, {}, constants);
      for (int r = 0; r < length_; ++r)
        std::copy_n(c.begin() + std::ptrdiff_t{r} * width, width,
                    context_.begin() + std::ptrdiff_t{r} * stride + std::ptrdiff_t{h} * width);
    }
  }

  const QuantizedNetwork& net_;
  const Target& target_;
  int length_, d_, fused_ = 0;
  Bytes x_, norm_, query_, key_, value_, context_, added_, wide_;
  std::vector<Bytes> probabilities_;  // of each head
  std::vector<Words> sums_;
  Words mask_;
};

constexpr int kContext = 70;

Words random_tokens(Random& random, int count) {
  Words tokens;
  for (int t = 0; t < count; ++t) tokens.push_back(static_cast<std::int32_t>(random.below(31)));
  return tokens;
}

QuantizedNetwork random_network(Random& random, int bits_of_second = 8) {
  const Architecture network{24, 8, 31, {{3, 40}, {2, 56, bits_of_second}}};
  const supernet::ParameterLayout layout(network, kContext);
  std::vector<float> parameters(layout.size());
  for (float& parameter : parameters) parameter = static_cast<float>(0.25 * random.normal());
  const Words tokens = random_tokens(random, 8 * kContext);
  const supernet::Batch batch{tokens.data(), tokens.data(), 8, kContext};
  return calibrated(fold(layout, parameters.data(), network), batch);
}

TEST(SimulatedNetwork, LogitsEqualTheIntegerOperators) {
  Random random(11);
  const QuantizedNetwork network = random_network(random);
  for (const char* const name : {"gemmini_transformer", "gemmini_soc"})
    for (const accel_sim::Fusion fusion : {accel_sim::Fusion::kOn, accel_sim::Fusion::kOff})
      for (const int length : {1, 48, kContext}) {
        Target target = accel_sim::find_target(name);
        target.nonlinear_units = accel_sim::NonlinearUnits::kOnChip;
        target.fusion = fusion;
        target.masking = accel_sim::Masking::kBias;
        const Words tokens = random_tokens(random, length);
        supernet::IntegerActivations activations(network, length);
        Words expected(area(length, network.head.outputs));
        integer_logits(network, tokens, length, activations, expected.data());
        SimulatedPass pass(network, target, tokens);
        EXPECT_EQ(pass.logits(), expected) << name << ", length " << length;
        EXPECT_EQ(pass.fused(), fusion == accel_sim::Fusion::kOn ? 5 : 0);
        EXPECT_NE(expected.front(), expected.back());
      }
}

// A layer of four bits, whose weights are unpacked on the way in.
TEST(SimulatedNetwork, LogitsOfInt4WeightsEqualTheIntegerOperators) {
  Random random(12);
  const QuantizedNetwork network = random_network(random, 4);
  for (const int array_size : {8, 16, 32}) {
    Target target = accel_sim::find_target("gemmini_transformer");
    target.array_size = array_size;
    target.int4_weights = true;
    const Words tokens = random_tokens(random, 48);
    supernet::IntegerActivations activations(network, 48);
    Words expected(area(48, network.head.outputs));
    integer_logits(network, tokens, 48, activations, expected.data());
    EXPECT_EQ(SimulatedPass(network, target, tokens).logits(), expected) << array_size;
  }
}

}  // namespace
}  // namespace paretoformer::nas
